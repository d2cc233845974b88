//! The machines that berth runs on.

use anyhow::{Result, bail};
use serde::Deserialize;

/// A machine. Registers and structures of a kernel are named by the one it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Arch {
    #[serde(rename = "aarch64")]
    Aarch64,
    #[serde(rename = "x86_64")]
    X86_64,
}

impl Arch {
    /// Of a target triple; without one, of this machine.
    pub fn of(triple: Option<&str>) -> Result<Self> {
        match triple.unwrap_or(std::env::consts::ARCH) {
            text if text.starts_with("x86_64") => Ok(Self::X86_64),
            text if text.starts_with("aarch64") => Ok(Self::Aarch64),
            text => bail!("berth runs on x86_64 and aarch64, not on {text}"),
        }
    }

    /// Whether it is the one that runs us.
    pub fn is_here(self) -> bool {
        self.name() == std::env::consts::ARCH
    }

    /// As compilers and QEMU call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// As Debian's packages call it.
    pub fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// What cargo is told to build for; nothing for this machine.
    pub fn triple(self) -> Option<&'static str> {
        match self {
            _ if self.is_here() => None,
            Self::X86_64 => Some("x86_64-unknown-linux-gnu"),
            Self::Aarch64 => Some("aarch64-unknown-linux-gnu"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_architecture_is_that_of_the_target() {
        assert_eq!(Arch::of(Some("aarch64-unknown-linux-musl")).unwrap(), Arch::Aarch64);
        assert_eq!(Arch::of(Some("x86_64-unknown-linux-gnu")).unwrap(), Arch::X86_64);
        let error = Arch::of(Some("riscv64gc-unknown-linux-gnu")).unwrap_err();
        assert!(error.to_string().contains("riscv64gc"));
    }

    #[test]
    fn only_another_machine_has_a_triple() {
        let triples = [Arch::Aarch64, Arch::X86_64].map(|arch| (arch.is_here(), arch.triple()));
        for (here, triple) in triples {
            assert_eq!(here, triple.is_none());
        }
        assert!(Arch::of(None).unwrap().is_here());
    }
}

//! Where things are, and the host's own cargo.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::arch::Arch;

/// The workspace and its target directory, both absolute.
pub struct Workspace {
    pub root: PathBuf,
    pub target: PathBuf,
}

impl Workspace {
    pub fn locate() -> Result<Self> {
        // The variable that cargo sets at run time comes first: a target directory shared by two
        // clones holds one xtask for both.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest.parent().context("xtask's own directory has no parent")?.to_path_buf();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(directory) => std::path::absolute(directory)?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The eBPF build's own target directory: its lock, and its fingerprints made by another
    /// compiler, stay out of the way of the host's build. Another machine's is apart, so that neither is built anew after
    /// the other.
    pub fn bpf_target(&self, arch: Arch) -> PathBuf {
        if arch.is_here() {
            self.target.join("bpf")
        } else {
            self.target.join(format!("bpf-{}", arch.name()))
        }
    }

    /// The object that the loader's build script embeds. It is told where another machine's is.
    pub fn object(&self, arch: Arch) -> PathBuf {
        self.bpf_target(arch).join("berth.bpf.o")
    }

    /// A host program of a profile's output directory.
    pub fn binary(&self, triple: Option<&str>, release: bool, name: &str) -> PathBuf {
        let profile = if release { "release" } else { "debug" };
        let directory = triple.map_or_else(|| self.target.clone(), |triple| self.target.join(triple));
        directory.join(profile).join(name)
    }

    /// The cargo that runs us.
    pub fn cargo(&self) -> Command {
        self.at_root(host_cargo())
    }

    /// A program run at the root, with the target directory that we reckon with.
    pub fn at_root(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("CARGO_BUILD_TARGET_DIR", &self.target);
        // This one wins, and may be relative to another directory. Where it is not set it is not set here either:
        // the loader's build script watches it.
        if std::env::var_os("CARGO_TARGET_DIR").is_some() {
            command.env("CARGO_TARGET_DIR", &self.target);
        }
        command
    }
}

pub fn host_cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn binaries_are_found_by_triple_and_profile() {
        let workspace = Workspace { root: "/w".into(), target: "/w/target".into() };
        assert_eq!(workspace.binary(None, false, "berth"), Path::new("/w/target/debug/berth"));
        assert_eq!(
            workspace.binary(Some("aarch64-unknown-linux-gnu"), true, "berth"),
            Path::new("/w/target/aarch64-unknown-linux-gnu/release/berth")
        );
        for arch in [Arch::Aarch64, Arch::X86_64] {
            let apart = format!("/w/target/bpf-{}", arch.name());
            let directory = if arch.is_here() { "/w/target/bpf" } else { &apart };
            assert_eq!(workspace.object(arch), Path::new(directory).join("berth.bpf.o"));
        }
    }
}

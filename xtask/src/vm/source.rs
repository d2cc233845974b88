//! Where a machine's programs and libraries come from: from this system if it is of the same kind, else from Debian's
//! packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::files;
use super::userland::Userland;
use crate::arch::Arch;
use crate::command;

pub struct Source {
    arch: Arch,
    packages: Option<Userland>,
}

/// A file, and its place in the machine.
pub type Placed = (String, PathBuf);

impl Source {
    pub fn of(arch: Arch) -> Result<Self> {
        let packages = if arch.is_here() { None } else { Some(Userland::open(arch)?) };
        Ok(Self { arch, packages })
    }

    pub fn program(&self, name: &str) -> Option<PathBuf> {
        match &self.packages {
            None => command::find(name),
            Some(packages) => packages.program(name),
        }
    }

    /// The libraries of a program, and what loads them.
    pub fn libraries(&self, program: &Path) -> Result<Vec<Placed>> {
        match &self.packages {
            None => libraries(program),
            Some(packages) => packages.libraries(program),
        }
    }

    pub fn stripped(&self, program: &Path, into: &Path) -> Result<Vec<u8>> {
        files::stripped(program, self.arch, into)
    }
}

/// A static program has none, of which ldd says that it failed.
fn libraries(program: &Path) -> Result<Vec<Placed>> {
    let output = Command::new("ldd").arg(program).output().context("cannot run ldd")?;
    Ok(paths(&String::from_utf8_lossy(&output.stdout)))
}

/// Of lines as `libc.so.6 => /lib/libc.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`.
fn paths(text: &str) -> Vec<Placed> {
    text.lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .filter(|word| !word.ends_with(':'))
        .map(|word| (word.to_owned(), PathBuf::from(word)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_in_what_ldd_says() {
        let text = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x2)\n\t/lib64/ld.so.2 (0x3)\n";
        let places: Vec<String> = paths(text).into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, ["/lib/x/libc.so.6", "/lib64/ld.so.2"]);
        assert!(paths("\tnot a dynamic executable\n").is_empty());
    }
}

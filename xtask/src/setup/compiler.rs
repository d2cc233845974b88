//! What a Rust compiler says about itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;

/// A compiler, and whether it can build the core library for BPF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    pub rustc: PathBuf,
    pub version: Version,
    pub sysroot: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub release: String,
    pub minor: u32,
    pub llvm: u32,
}

impl Compiler {
    pub fn probe(rustc: &Path) -> Option<Self> {
        let ask = |arguments: &[&str]| command::output(scrub(&mut Command::new(rustc)).args(arguments));
        let version = parse_version(&ask(&["-vV"]).ok()?)?;
        let sysroot = ask(&["--print", "sysroot"]).ok()?;
        Some(Self { rustc: rustc.to_path_buf(), version, sysroot: PathBuf::from(sysroot.trim_end()) })
    }

    /// Without the library's sources core cannot be built for a target that has no prebuilt one.
    pub fn has_sources(&self) -> bool {
        self.sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").is_file()
    }

    /// A program that comes with this compiler.
    pub fn sibling(&self, program: &str) -> PathBuf {
        self.rustc.with_file_name(program)
    }
}

/// Removes what the cargo that runs us, rustup's proxies and the user's settings for the host's build
/// put into the environment: it would lead another compiler to the wrong programs, libraries or flags.
pub fn scrub(command: &mut Command) -> &mut Command {
    const OURS: [&str; 12] = [
        "CARGO",
        "CARGO_BUILD_RUSTC",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "LD_LIBRARY_PATH",
        "RUSTC",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
    ];
    for name in OURS {
        command.env_remove(name);
    }
    // Empty, not absent: that also overrules a wrapper named in a configuration file.
    command.env("RUSTC_WRAPPER", "").env("RUSTC_WORKSPACE_WRAPPER", "")
}

fn parse_version(verbose: &str) -> Option<Version> {
    let field = |name: &str| verbose.lines().find_map(|line| line.strip_prefix(name));
    let release = field("release: ")?;
    let mut numbers = release.split(['.', '-']);
    // A second major version would need a look at everything here anyway.
    if numbers.next()? != "1" {
        return None;
    }
    Some(Version {
        release: release.to_owned(),
        minor: numbers.next()?.parse().ok()?,
        llvm: field("LLVM version: ")?.split('.').next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_and_nightlies_are_understood() {
        let debian = "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)\n\
                      binary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        let version = parse_version(debian).unwrap();
        assert_eq!((version.minor, version.llvm), (96, 22));
        let nightly = "release: 1.97.0-nightly\nLLVM version: 22.1.4\n";
        let version = parse_version(nightly).unwrap();
        assert_eq!((version.minor, version.llvm), (97, 22));
        assert_eq!(version.release, "1.97.0-nightly");
    }

    #[test]
    fn anything_else_is_no_compiler() {
        assert_eq!(parse_version(""), None);
        assert_eq!(parse_version("release: 1.96.0\n"), None);
        assert_eq!(parse_version("release: 2.0.0\nLLVM version: 30.1\n"), None);
    }
}

//! rustup's nightly of a fixed date.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::compiler::Compiler;
use super::say;
use crate::command;

/// Intrinsics and flags that the eBPF crate uses change from one nightly to the next, so the date is
/// fixed. The compiler is of the same age, and of the same LLVM, as the one Debian has.
const NIGHTLY: &str = "nightly-2026-05-20";

/// Its LLVM.
pub const LLVM: u32 = 22;

/// The compiler, if it is installed with the sources of the library. (A nightly that happens to be
/// there without them, or of another date, is of no use.)
pub fn find() -> Option<Compiler> {
    Compiler::probe(&directory()?.join("bin/rustc"))
        .filter(|compiler| compiler.has_sources() && compiler.sibling("cargo-clippy").is_file())
}

pub fn install() -> Result<Compiler> {
    if let Some(compiler) = find() {
        return Ok(compiler);
    }
    say(&format!("installing {NIGHTLY} with rust-src and clippy"));
    command::run(Command::new("rustup").args(arguments()))?;
    find().with_context(|| format!("{NIGHTLY} is still not complete"))
}

/// What a user has to type.
pub fn commands() -> String {
    format!("rustup {}", arguments().join(" "))
}

fn arguments() -> [&'static str; 9] {
    [
        "toolchain",
        "install",
        NIGHTLY,
        "--no-self-update",
        "--profile=minimal",
        "--component",
        "rust-src",
        "--component",
        "clippy",
    ]
}

/// Asking rustup would start its proxies, which may want to install something.
fn directory() -> Option<PathBuf> {
    let rustup = env::var_os("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".rustup")))?;
    // The directory's name ends in the host's triple.
    fs::read_dir(rustup.join("toolchains"))
        .ok()?
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().starts_with(NIGHTLY))
        .map(|entry| entry.path())
}

//! Files: where they are kept, whether they are whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::arch::Arch;
use crate::command;

/// Our part of the user's cache.
pub fn cache() -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    Ok(cache.context("no home directory to keep kernels in")?.join("berth"))
}

/// Fails unless the file has this SHA-256.
pub fn check(file: &Path, sha256: &str) -> Result<()> {
    let line = command::output(Command::new("sha256sum").arg(file))?;
    match line.split_whitespace().next() {
        // A name with special characters has a backslash put before its checksum.
        Some(found) if found.trim_start_matches('\\') == sha256 => Ok(()),
        found => bail!("{} is damaged: its SHA-256 is {found:?}, not {sha256}", file.display()),
    }
}

/// A program without what only debuggers read, of which there is ten times as much as of code.
pub fn stripped(program: &Path, arch: Arch, into: &Path) -> Result<Vec<u8>> {
    let name = program.file_name().context("a program without a name")?;
    let output = into.join(name);
    // Each knows its own machine's programs only.
    let strip = if arch.is_here() { "strip".to_owned() } else { format!("{}-linux-gnu-strip", arch.name()) };
    command::output(Command::new(strip).arg("--strip-debug").arg("-o").arg(&output).arg(program))?;
    let bytes = fs::read(&output)?;
    fs::remove_file(&output)?;
    Ok(bytes)
}

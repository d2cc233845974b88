//! bpf-linker: links LLVM bitcode, so it has to understand the bitcode of the compiler's LLVM.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::compiler::{Compiler, scrub};
use super::say;
use crate::command;

const VERSION: &str = "0.13.0";

/// The LLVM inside the binaries that bpf-linker's authors publish for `VERSION`.
const PUBLISHED_LLVM: u32 = 23;

/// A bpf-linker in the cache that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linker {
    pub path: PathBuf,
    llvm: u32,
    published: bool,
}

impl Linker {
    /// The cached ones: built here, then published.
    pub fn cached() -> Result<Vec<Self>> {
        let tools = tools()?;
        let built =
            built_for(&tools).map(|llvm| Self { path: tools.join("bin/bpf-linker"), llvm, published: false });
        let published =
            Self { path: tools.join("published/bin/bpf-linker"), llvm: PUBLISHED_LLVM, published: true };
        Ok(built.into_iter().chain([published]).filter(Self::runs).collect())
    }

    /// One built here wants the very same LLVM, as its authors ask for. A published one cannot be had
    /// for each; a newer LLVM reads an older one's bitcode.
    pub fn understands(&self, llvm: u32) -> bool {
        self.llvm == llvm || (self.published && self.llvm > llvm)
    }

    pub fn describe(&self) -> String {
        format!("bpf-linker {VERSION} (LLVM {})", self.llvm)
    }

    /// It may be of another version, or the LLVM it was linked with may be gone from the system.
    fn runs(&self) -> bool {
        command::output(Command::new(&self.path).arg("--version"))
            .is_ok_and(|version| version.trim_end() == format!("bpf-linker {VERSION}"))
    }
}

/// Builds a bpf-linker with the compiler's own LLVM if its development files are here, else fetches
/// a published one.
pub fn install(compiler: &Compiler) -> Result<Linker> {
    let llvm = compiler.version.llvm;
    if let Some(prefix) = llvm_prefix(llvm) {
        build(compiler, &prefix)?;
    } else if can_fetch(llvm) {
        fetch()?;
    } else {
        bail!(
            "building bpf-linker {VERSION} needs the development files of LLVM {llvm}: install them \
             (set LLVM_PREFIX if they are in an unusual place), or install cargo-binstall, with which \
             a published bpf-linker is fetched"
        );
    }
    Linker::cached()?
        .into_iter()
        .find(|linker| linker.understands(llvm))
        .with_context(|| format!("the bpf-linker just installed does not run with LLVM {llvm}"))
}

/// Whether `install` has a chance.
pub fn obtainable(llvm: u32) -> bool {
    llvm_prefix(llvm).is_some() || can_fetch(llvm)
}

fn can_fetch(llvm: u32) -> bool {
    llvm <= PUBLISHED_LLVM && command::find("cargo-binstall").is_some()
}

fn build(compiler: &Compiler, prefix: &Path) -> Result<()> {
    let llvm = compiler.version.llvm;
    say(&format!("building bpf-linker {VERSION} with LLVM {llvm} (about a minute)"));
    command::run(
        scrub(&mut Command::new(compiler.sibling("cargo")))
            .env("RUSTC", &compiler.rustc)
            .env("LLVM_PREFIX", prefix)
            // Built in a directory of its own, which cargo removes.
            .env_remove("CARGO_TARGET_DIR")
            .args(["install", "bpf-linker", "--version", VERSION, "--force"])
            .args(["--no-default-features", "--features"])
            .arg(format!("llvm-{llvm}"))
            .arg("--root")
            .arg(tools()?),
    )
}

fn fetch() -> Result<()> {
    say(&format!("fetching the published bpf-linker {VERSION} with cargo-binstall"));
    command::run(
        Command::new("cargo-binstall")
            .args(["--no-confirm", "--force", "--version", VERSION])
            // Compiling it would fail late for want of LLVM.
            .args(["--disable-strategies", "compile", "bpf-linker", "--root"])
            .arg(tools()?.join("published")),
    )
}

/// Where the development files of an LLVM are: as Debian, Arch and Fedora place them.
fn llvm_prefix(llvm: u32) -> Option<PathBuf> {
    let usual =
        [format!("/usr/lib/llvm-{llvm}"), format!("/usr/lib/llvm{llvm}"), format!("/usr/lib64/llvm{llvm}")];
    env::var_os("LLVM_PREFIX")
        .map(PathBuf::from)
        .into_iter()
        .chain(usual.map(PathBuf::from))
        // The name without a version, which the linker is given, comes with the development files.
        .find(|prefix| ["lib", "lib64"].iter().any(|lib| prefix.join(lib).join("libLLVM.so").exists()))
}

/// The user's cache, and not the target directory: `cargo clean` should not cost a build of the linker.
fn tools() -> Result<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::home_dir().map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(cache.join("berth/tools"))
}

/// The LLVM that the linker in `tools` was built for. The program does not tell; cargo's record does.
fn built_for(tools: &Path) -> Option<u32> {
    let record = fs::read_to_string(tools.join(".crates2.json")).ok()?;
    recorded_llvm(&serde_json::from_str(&record).ok()?)
}

fn recorded_llvm(record: &Value) -> Option<u32> {
    let installed = record.get("installs")?.as_object()?;
    let wanted = format!("bpf-linker {VERSION} ");
    let (_, install) = installed.iter().find(|(name, _)| name.starts_with(&wanted))?;
    install
        .get("features")?
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .find_map(|feature| feature.strip_prefix("llvm-")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_s_record_tells_the_llvm() {
        let record = r#"{"installs":{"bpf-linker 0.13.0 (registry+x)":
            {"features":["llvm-link-static","llvm-22"],"bins":["bpf-linker"]}}}"#;
        assert_eq!(recorded_llvm(&serde_json::from_str(record).unwrap()), Some(22));
        let other_version = record.replace("0.13.0", "0.9.15");
        assert_eq!(recorded_llvm(&serde_json::from_str(&other_version).unwrap()), None);
        assert_eq!(recorded_llvm(&Value::Null), None);
    }

    #[test]
    fn only_a_published_linker_may_be_newer_than_the_compiler() {
        let built = Linker { path: PathBuf::new(), llvm: 22, published: false };
        assert!(built.understands(22));
        assert!(!built.understands(21));
        let published = Linker { llvm: 23, published: true, ..built };
        assert!(published.understands(22) && published.understands(23));
        assert!(!published.understands(24));
    }
}

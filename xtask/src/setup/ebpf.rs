//! The toolchain that builds the eBPF object.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::choice::{self, Choice, State, Way};
use super::compiler::{Compiler, scrub};
use super::linker::{self, Linker};
use super::{Lint, debian, nightly, rustup_present, say};
use crate::privilege;

/// The LLVM of Debian's rustc-web, to install both at once; corrected should Debian have moved on.
const DEBIAN_LLVM: u32 = 22;

/// The oldest compiler that builds the eBPF crate.
const OLDEST_MINOR: u32 = 90;

/// A compiler with the sources of its library, its cargo, and the linker that fits.
pub struct BpfToolchain {
    way: Way,
    compiler: Compiler,
    linker: Linker,
}

impl BpfToolchain {
    pub fn describe(&self) -> String {
        let (origin, version) = (self.origin(), &self.compiler.version);
        format!("{origin} rustc {} (LLVM {}), {}", version.release, version.llvm, self.linker.describe())
    }

    pub fn linker(&self) -> &Path {
        &self.linker.path
    }

    /// Its cargo, called by its path: neither rustup's choice of a toolchain nor the compiler of the
    /// cargo that runs us has a say.
    pub fn cargo(&self) -> Command {
        self.command(self.compiler.sibling("cargo"))
    }

    /// Its clippy. Through `cargo clippy`, cargo would prefer rustup's proxy in the user's directory.
    pub fn clippy(&self) -> Command {
        let mut command = self.command(self.compiler.sibling("cargo-clippy"));
        command.env("CARGO", self.compiler.sibling("cargo")).arg("clippy");
        command
    }

    fn command(&self, program: PathBuf) -> Command {
        let mut command = Command::new(program);
        scrub(&mut command)
            .env("RUSTC", &self.compiler.rustc)
            .env("RUSTDOC", self.compiler.sibling("rustdoc"))
            // Building core, and the intrinsics that the eBPF crate uses, are not stable features.
            .env("RUSTC_BOOTSTRAP", "1");
        command
    }

    fn origin(&self) -> &'static str {
        match self.way {
            Way::Debian => "Debian's",
            Way::Nightly => "rustup's",
        }
    }
}

pub fn provide(lint: Lint) -> Result<BpfToolchain> {
    let linkers = Linker::cached()?;
    let debian = debian_compiler(lint)?;
    let nightly = nightly::find();
    let choice =
        choice::choose(debian_state(debian.as_ref(), &linkers), nightly_state(nightly.as_ref(), &linkers));
    match choice {
        Choice::Ready(way) => {
            let compiler = match way {
                Way::Debian => debian,
                Way::Nightly => nightly,
            };
            assemble(way, compiler.context("the chosen compiler is there")?, linkers)
        }
        Choice::Complete(ways) => complete(ways, lint),
        Choice::Impossible => bail!("{}", advice(lint)),
    }
}

/// Debian's compiler, if all its packages are there and the program at its place is really the one
/// in the package and new enough.
fn debian_compiler(lint: Lint) -> Result<Option<Compiler>> {
    if !debian::is_debian() || !debian::missing(&compiler_packages(lint))?.is_empty() {
        return Ok(None);
    }
    Ok(Compiler::probe(Path::new("/usr/bin/rustc")).filter(|compiler| {
        compiler.sysroot == Path::new("/usr")
            && compiler.version.minor >= OLDEST_MINOR
            && compiler.has_sources()
    }))
}

fn debian_state(compiler: Option<&Compiler>, linkers: &[Linker]) -> State {
    State {
        compiler: compiler.is_some(),
        linker: has_linker(compiler, linkers),
        can_complete: debian::is_debian()
            && (privilege::is_root()
                || compiler.is_some_and(|compiler| linker::obtainable(compiler.version.llvm))),
    }
}

fn nightly_state(compiler: Option<&Compiler>, linkers: &[Linker]) -> State {
    State {
        compiler: compiler.is_some(),
        linker: has_linker(compiler, linkers),
        // Without a linker in sight, downloading the compiler would be for nothing.
        can_complete: (compiler.is_some() || rustup_present())
            && (linkers.iter().any(|linker| linker.understands(nightly::LLVM))
                || linker::obtainable(nightly::LLVM)),
    }
}

fn has_linker(compiler: Option<&Compiler>, linkers: &[Linker]) -> bool {
    compiler.is_some_and(|compiler| fitting(compiler, linkers.iter().cloned()).is_some())
}

fn complete(ways: &[Way], lint: Lint) -> Result<BpfToolchain> {
    for way in ways {
        let result = match way {
            Way::Debian => complete_debian(lint),
            Way::Nightly => nightly::install(),
        }
        .and_then(|compiler| {
            let linkers = Linker::cached()?;
            assemble(*way, compiler, linkers)
        });
        match result {
            Ok(toolchain) => return Ok(toolchain),
            Err(error) => say(&format!("this way does not work: {error:#}")),
        }
    }
    bail!("{}", advice(lint))
}

fn complete_debian(lint: Lint) -> Result<Compiler> {
    if !privilege::is_root() {
        // Chosen because no more than the linker is missing, and that goes into the user's own cache.
        return debian_compiler(lint)?.context("Debian's compiler is gone");
    }
    let mut packages = compiler_packages(lint);
    packages.extend(linker_packages(DEBIAN_LLVM));
    debian::install(&packages)?;
    let compiler = debian_compiler(lint)?
        .with_context(|| format!("/usr/bin/rustc is not Debian's rustc-web of at least 1.{OLDEST_MINOR}"))?;
    if compiler.version.llvm != DEBIAN_LLVM {
        debian::install(&linker_packages(compiler.version.llvm))?;
    }
    Ok(compiler)
}

/// Joins a compiler with a linker from the cache, or with a new one.
fn assemble(way: Way, compiler: Compiler, linkers: Vec<Linker>) -> Result<BpfToolchain> {
    let linker = match fitting(&compiler, linkers) {
        Some(linker) => linker,
        None => linker::install(&compiler)?,
    };
    Ok(BpfToolchain { way, compiler, linker })
}

fn fitting(compiler: &Compiler, linkers: impl IntoIterator<Item = Linker>) -> Option<Linker> {
    linkers.into_iter().find(|linker| linker.understands(compiler.version.llvm))
}

fn compiler_packages(lint: Lint) -> Vec<String> {
    let mut packages = ["rustc-web", "cargo-web", "rust-web-src"].map(String::from).to_vec();
    if lint == Lint::Yes {
        packages.push("rust-web-clippy".to_owned());
    }
    packages
}

fn linker_packages(llvm: u32) -> Vec<String> {
    vec![
        format!("llvm-{llvm}-dev"),
        format!("libpolly-{llvm}-dev"),
        "zlib1g-dev".to_owned(),
        "libzstd-dev".to_owned(),
    ]
}

fn advice(lint: Lint) -> String {
    let mut packages = compiler_packages(lint);
    packages.extend(linker_packages(DEBIAN_LLVM));
    format!(
        "no toolchain here can build the eBPF object. Do one of these, then run this again:\n  \
         on Debian, as root: {}\n  \
         with rustup: {}\n    and install LLVM {}'s development files, or cargo-binstall",
        debian::commands(&packages),
        nightly::commands(),
        nightly::LLVM
    )
}

//! rustfmt and clippy for the host's crates. A machine with no more than cargo and rustc lacks them.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::{debian, rustup_present, say};
use crate::command;
use crate::workspace::{Workspace, host_cargo};

const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// Where the formatter and the linter come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// A subcommand of the cargo that runs us.
    Cargo,
    /// Debian's, called by its path, together with Debian's compiler.
    Debian,
}

pub struct HostLint {
    fmt: Tool,
    clippy: Tool,
}

impl HostLint {
    pub fn describe(&self) -> String {
        let name = |tool| match tool {
            Tool::Cargo => "cargo's own",
            Tool::Debian => "Debian's",
        };
        format!("rustfmt {}, clippy {}", name(self.fmt), name(self.clippy))
    }

    pub fn fmt(&self, workspace: &Workspace) -> Command {
        tool(workspace, self.fmt, "fmt")
    }

    pub fn clippy(&self, workspace: &Workspace) -> Command {
        tool(workspace, self.clippy, "clippy")
    }
}

const FMT: Wanted = Wanted { subcommand: "fmt", package: "rustfmt-web" };
const CLIPPY: Wanted = Wanted { subcommand: "clippy", package: "rust-web-clippy" };

#[derive(Clone, Copy)]
struct Wanted {
    subcommand: &'static str,
    package: &'static str,
}

/// What is there is taken. Else rustup is asked first: then one compiler does for building and linting.
pub fn provide() -> Result<HostLint> {
    if find(FMT)?.is_none() || find(CLIPPY)?.is_none() {
        add_components();
    }
    Ok(HostLint { fmt: find_or_install(FMT)?, clippy: find_or_install(CLIPPY)? })
}

fn find(wanted: Wanted) -> Result<Option<Tool>> {
    if cargo_has(wanted.subcommand) {
        return Ok(Some(Tool::Cargo));
    }
    let debian_has = debian::is_debian() && debian::missing(&packages(wanted))?.is_empty();
    Ok(debian_has.then_some(Tool::Debian))
}

/// Whether the cargo that runs us has the subcommand, and not just rustup's proxy for it.
fn cargo_has(subcommand: &str) -> bool {
    let cargo = host_cargo();
    // Debian's cargo prefers rustup's proxies, which belong to another compiler, to its own siblings.
    if debian::is_debian() && cargo == DEBIAN_CARGO {
        return false;
    }
    command::succeeds(Command::new(cargo).args([subcommand, "--version"]))
}

/// To the toolchain in use: rustup has put its name into our environment. It may refuse, because it
/// cannot reach its server or because the toolchain is not one of its own.
fn add_components() {
    if std::env::var_os("RUSTUP_TOOLCHAIN").is_none() || !rustup_present() {
        return;
    }
    say("adding rustfmt and clippy to rustup's toolchain");
    let mut rustup = Command::new("rustup");
    if let Err(error) = command::output(rustup.args(["component", "add", "rustfmt", "clippy"])) {
        say(&format!("not added: {error:#}"));
    }
}

fn find_or_install(wanted: Wanted) -> Result<Tool> {
    if let Some(tool) = find(wanted)? {
        return Ok(tool);
    }
    if !debian::is_debian() {
        bail!(
            "cargo {} is missing: install rustfmt and clippy for the toolchain in use \
             (with rustup: rustup component add rustfmt clippy)",
            wanted.subcommand
        );
    }
    debian::install(&packages(wanted))?;
    Ok(Tool::Debian)
}

fn packages(wanted: Wanted) -> Vec<String> {
    ["rustc-web", "cargo-web", wanted.package].map(String::from).to_vec()
}

fn tool(workspace: &Workspace, tool: Tool, subcommand: &str) -> Command {
    match tool {
        Tool::Cargo => {
            let mut command = workspace.cargo();
            command.arg(subcommand);
            command
        }
        Tool::Debian => {
            let usr = Path::new("/usr/bin");
            let mut command = workspace.at_root(usr.join(format!("cargo-{subcommand}")));
            super::compiler::scrub(&mut command)
                .env("CARGO", DEBIAN_CARGO)
                .env("RUSTC", usr.join("rustc"))
                .env("RUSTFMT", usr.join("rustfmt"))
                .arg(subcommand);
            command
        }
    }
}

//! Who we are, and how to run something as root.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command;

/// How root's work can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    Root,
    Sudo,
    None,
}

impl Privilege {
    pub fn detect() -> Self {
        if is_root() {
            Self::Root
        } else if sudo_works() {
            Self::Sudo
        } else {
            Self::None
        }
    }

    /// For what makes no sense without root.
    pub fn required(what: &str) -> Result<Self> {
        match Self::detect() {
            Self::None => bail!("{what} needs root: run it as root, or where sudo works"),
            found => Ok(found),
        }
    }

    /// The program as root's, with our environment.
    pub fn command(self, program: &Path) -> Command {
        if self == Self::Sudo {
            let mut command = Command::new("sudo");
            command.arg("-E").arg(program);
            command
        } else {
            Command::new(program)
        }
    }
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether the user has agreed to go without what needs root.
pub fn unprivileged_allowed() -> bool {
    std::env::var("BERTH_ALLOW_UNPRIVILEGED").is_ok_and(|value| value == "1")
}

/// A sudo that would ask for a password counts only where somebody can type one.
fn sudo_works() -> bool {
    command::find("sudo").is_some()
        && (std::io::stdin().is_terminal() || command::succeeds(Command::new("sudo").args(["-n", "true"])))
}

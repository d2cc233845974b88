//! What is the same for all kernels of one machine: the programs built for it, and where its kernels come from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::image::Base;
use super::kernel::Store;
use super::matrix::Matrix;
use super::qemu::Accel;
use super::source::Source;
use crate::arch::Arch;
use crate::build::{self, Built};
use crate::command;
use crate::object::{build as object, programs, stack};
use crate::setup::cross::{self, Cross};
use crate::setup::{self, BpfToolchain};
use crate::suite::{self, Suite};
use crate::workspace::Workspace;

pub struct Kit {
    pub arch: Arch,
    pub store: Store,
    pub base: Base,
    pub accel: Accel,
    /// Bytes of stack, by program.
    pub depths: BTreeMap<String, u64>,
}

/// What the machines are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Test,
    /// Only load the programs.
    Verify,
    /// Load the programs that must be refused.
    Fixtures,
}

/// Builds and gathers all of it. `work` is a directory for files that do not stay.
pub fn gather(
    workspace: &Workspace,
    toolchain: &BpfToolchain,
    arch: Arch,
    purpose: Purpose,
    matrix: &Matrix,
    work: &Path,
) -> Result<Kit> {
    setup::emulator(arch)?;
    if purpose == Purpose::Test && arch.is_here() {
        setup::runtime_packages()?;
    }
    let cross = || cross::provide(workspace, toolchain, arch.triple());
    let built = match purpose {
        Purpose::Fixtures => {
            Built { berth: PathBuf::new(), object: object::fixtures(workspace, toolchain, arch)? }
        }
        _ => build::build(workspace, toolchain, arch.triple(), false)?,
    };
    let suite = if purpose == Purpose::Test { suite::build(cross()?)? } else { Suite::default() };
    let init = if arch.is_here() { std::env::current_exe()? } else { init(workspace, arch, cross()?)? };
    let base = Base::gather(&init, &built, &suite, &Source::of(arch)?, work)?;
    let depths = match purpose {
        Purpose::Fixtures => BTreeMap::new(),
        _ => stack::depths(&fs::read(&built.object)?, &programs::expected()?)?,
    };
    Ok(Kit { arch, store: Store::open(matrix, arch)?, base, accel: Accel::detect(arch), depths })
}

/// This program, for another machine.
fn init(workspace: &Workspace, arch: Arch, cross: Cross) -> Result<PathBuf> {
    let Cross { mut cargo, arguments } = cross;
    command::run(cargo.args(["build", "--package", "xtask"]).args(arguments))?;
    Ok(workspace.binary(arch.triple(), false, "xtask"))
}

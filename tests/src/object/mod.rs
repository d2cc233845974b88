//! The eBPF object, loaded by a test itself and attached nowhere: what it does is seen by `BPF_PROG_TEST_RUN`.

mod flows;
mod maps;
mod plain;
mod shelves;

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use aya::programs::{Program, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader, TestRun as _, TestRunOptions, TestRunResult};

pub use flows::{FlowMaps, shape};
pub use maps::{Array, Arrays, Hash, PerCpu, Storage};
pub use plain::{Layout, Plain, zero};
pub use shelves::{Shelved, Shelves};

/// Bytes of a `struct __sk_buff`, and where in it the number of segments is.
const CONTEXT_LENGTH: usize = 192;
const GSO_SEGS: usize = 164;

/// A loaded object. Nobody else has its maps.
#[derive(Debug)]
pub struct Object {
    ebpf: Ebpf,
}

/// A packet that a program is to be run on.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The frame. Programs on sockets see it without its first 14 bytes.
    pub frame: &'a [u8],
    /// How many segments it says it has; 0, as almost all packets do, for one.
    pub segments: u32,
    /// How often the program is run on it.
    pub repeat: u32,
}

impl Object {
    /// Creates the maps, those of `sizes` with as many entries (and what goes with them in proportion), and loads the named programs.
    pub fn load(programs: &[&str], sizes: &[(&'static str, u32)]) -> Result<Self> {
        Self::load_with(programs, sizes, &[])
    }

    /// As [`Object::load`], with other values for some of the object's constants.
    pub fn load_with(
        programs: &[&str],
        sizes: &[(&'static str, u32)],
        constants: &[(&str, u32)],
    ) -> Result<Self> {
        let path = path()?;
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let btf = Btf::from_sys_fs().context("this kernel has no type information (BTF)")?;
        let mut loader = EbpfLoader::new();
        loader.btf(Some(&btf));
        for (map, entries) in flows::sizes(sizes) {
            loader.map_max_entries(map, entries);
        }
        for (name, value) in constants {
            loader.override_global(name, value, true);
        }
        let mut ebpf = loader.load(&bytes).context("create the object's maps")?;
        for &name in programs {
            let program = ebpf.program_mut(name).with_context(|| format!("no {name} in the object"))?;
            match program {
                Program::SchedClassifier(program) => program.load(),
                Program::CgroupSkb(program) => program.load(),
                _ => Err(ProgramError::UnexpectedProgramType),
            }
            .with_context(|| format!("load {name}"))?;
        }
        Ok(Self { ebpf })
    }

    /// A program that has been loaded.
    pub fn program(&self, name: &str) -> Result<BorrowedFd<'_>> {
        let fd = match self.ebpf.program(name) {
            Some(Program::SchedClassifier(program)) => program.fd(),
            Some(Program::CgroupSkb(program)) => program.fd(),
            _ => Err(ProgramError::UnexpectedProgramType),
        };
        Ok(fd.with_context(|| format!("{name} is not loaded"))?.as_fd())
    }

    /// Runs a program on a packet, in the network namespace and the cgroup of the calling thread. The kernel refuses
    /// packets that are too short to have come from anywhere (`InvalidInput`).
    pub fn run(&self, program: &str, input: &Input<'_>) -> io::Result<TestRunResult> {
        let mut context = [0; CONTEXT_LENGTH];
        if let Some(place) = context.get_mut(GSO_SEGS..GSO_SEGS + 4) {
            place.copy_from_slice(&input.segments.to_ne_bytes());
        }
        let mut options = TestRunOptions::new();
        options.data_in = Some(input.frame);
        options.ctx_in = Some(&context);
        options.repeat = input.repeat;
        let result = match self.ebpf.program(program) {
            Some(Program::SchedClassifier(program)) => program.test_run(options),
            Some(Program::CgroupSkb(program)) => program.test_run(options),
            _ => Err(ProgramError::UnexpectedProgramType),
        };
        result.map_err(|error| match error {
            ProgramError::SyscallError(error) => error.io_error,
            error => io::Error::other(error),
        })
    }
}

/// Where the object is: where the environment says, or else where `cargo xtask build` leaves it.
pub fn path() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("BERTH_OBJECT") {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    // Binaries are in target/PROFILE, tests in target/PROFILE/deps.
    let places = own.ancestors().skip(2).take(2).map(|target| target.join("bpf/berth.bpf.o"));
    match places.into_iter().find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => {
            bail!("no berth.bpf.o: build it with `cargo xtask build`, or say where it is with BERTH_OBJECT")
        }
    }
}

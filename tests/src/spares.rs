//! Instances of berth that are loaded already and have never been attached, as far as anybody can tell: handed from one
//! test to the next where the verifier takes seconds, as in an emulated machine. Wanted by `BERTH_REUSE=RUN`, which names the
//! run: whoever sets it removes what is left after it. Elsewhere each test loads its own.
//!
//! A spare is a pin directory with maps, programs and no links. A berth that starts on one takes it over, as after a
//! restart, and finds it empty.

use std::env;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::berth::BPFFS;
use crate::bpf::{sys, wipe};

/// Set to the run's name where instances are reused: others' may be of other programs.
pub const VARIABLE: &str = "BERTH_REUSE";

/// Whether they are reused here.
pub fn are_wanted() -> bool {
    prefix().is_some()
}

/// With what the names of this run's spares begin.
fn prefix() -> Option<String> {
    let run = env::var(VARIABLE).ok().filter(|run| !run.is_empty())?;
    Some(format!("berth-spare-{run}-"))
}

/// Moves a spare, emptied, to where an instance's pins are to be; false if there is none.
pub fn take(pins: &Path) -> Result<bool> {
    let prefix = prefix().context("no run whose spares are wanted")?;
    for entry in fs::read_dir(BPFFS).context("list the pins")? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(&prefix) {
            continue;
        }
        match fs::rename(entry.path(), pins) {
            // Another test was quicker.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).context("take a spare"),
            Ok(()) => {
                wipe::maps_of(&objects(&programs(pins)?)?)?;
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// An instance's maps and programs, held while it is taken down.
#[derive(Debug)]
pub struct Kept {
    directory: PathBuf,
}

impl Kept {
    /// Pins what an instance consists of a second time.
    pub fn of(pins: &Path) -> Result<Self> {
        let name = pins.file_name().and_then(|name| name.to_str()).context("pins without a name")?;
        let kept = Self { directory: Path::new(BPFFS).join(format!("{name}-kept")) };
        // Whatever is wrong, nothing of it stays.
        kept.fill(pins).inspect_err(|_| drop(fs::remove_dir_all(&kept.directory)))?;
        Ok(kept)
    }

    /// Leaves it to the next test.
    pub fn offer(self) -> Result<()> {
        let name =
            self.directory.file_name().and_then(|name| name.to_str()).context("a spare without a name")?;
        let prefix = prefix().context("no run that wants spares")?;
        fs::rename(&self.directory, Path::new(BPFFS).join(format!("{prefix}{name}"))).context("offer a spare")
    }

    fn fill(&self, pins: &Path) -> Result<()> {
        let programs = programs(pins)?;
        let programs = programs.file_name().context("programs without a name")?;
        for directory in
            ["links/cgroup", "links/tc", "maps"].map(Path::new).into_iter().chain([programs.as_ref()])
        {
            fs::create_dir_all(self.directory.join(directory))?;
        }
        for directory in [Path::new("maps"), programs.as_ref()] {
            for entry in fs::read_dir(pins.join(directory))? {
                let name = entry?.file_name();
                let object = sys::pinned(&pins.join(directory).join(&name))?;
                sys::pin(object.as_fd(), &self.directory.join(directory).join(&name))?;
            }
        }
        // What tells a berth what is here comes last.
        for entry in fs::read_dir(pins)? {
            let name = entry?.file_name();
            if name.to_string_lossy().starts_with("abi-") {
                fs::create_dir(self.directory.join(name))?;
            }
        }
        Ok(())
    }
}

/// The one directory of programs among an instance's pins.
fn programs(pins: &Path) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(pins)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("programs-") {
            found.push(entry.path());
        }
    }
    match found.pop() {
        Some(programs) if found.is_empty() => Ok(programs),
        _ => bail!("{} has not one directory of programs", pins.display()),
    }
}

fn objects(directory: &Path) -> Result<Vec<OwnedFd>> {
    fs::read_dir(directory)?.map(|entry| Ok(sys::pinned(&entry?.path())?)).collect()
}

//! What tests have left loaded for the next one (`tests/src/spares.rs`).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::object::programs::Program;
use crate::object::verify::{self, Verdict};

const BPFFS: &str = "/sys/fs/bpf";

/// What the verifier has said of those of the programs that are there.
pub fn verdicts(programs: &[Program]) -> Result<Vec<(String, Verdict)>> {
    let Some(directory) = find(Path::new(BPFFS))? else { return Ok(Vec::new()) };
    let pins = programs.iter().map(|program| (program, directory.join(&program.name)));
    let pins = pins.filter(|(_, path)| path.exists());
    pins.map(|(program, path)| Ok((program.name.clone(), verify::pinned(&path)?))).collect()
}

/// The directory of the programs of an instance.
fn find(bpffs: &Path) -> Result<Option<PathBuf>> {
    let Ok(spares) = fs::read_dir(bpffs) else { return Ok(None) };
    for spare in spares {
        let spare = spare.context("list the pins")?;
        if !spare.file_name().to_string_lossy().starts_with("berth-spare-") {
            continue;
        }
        for entry in fs::read_dir(spare.path()).context("list a spare")? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("programs-") {
                return Ok(Some(entry.path()));
            }
        }
    }
    Ok(None)
}

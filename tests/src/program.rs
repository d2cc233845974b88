//! Finding programs: those this workspace builds, and those that run where they should not any more.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process;

use anyhow::{Context, Result, bail};

use crate::pidfd::PidFd;
use crate::wait::LIMIT;

/// A program this workspace builds: the environment's `variable`, or else the one beside the running test.
pub fn find(name: &str, variable: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    // Tests run from target/PROFILE/deps, binaries from target/PROFILE.
    let found =
        own.ancestors().skip(1).take(2).map(|directory| directory.join(name)).find(|path| path.is_file());
    match found {
        Some(path) => Ok(path),
        None => bail!("no {name} near {}: build it, or say where it is with {variable}", own.display()),
    }
}

/// Kills every process in a network namespace, but for this one, and waits until they are gone.
pub fn kill_in_netns(inode: u64) -> Result<()> {
    for pid in processes_in_netns(inode)? {
        // One that has ended by itself since is as good as killed.
        let Ok(held) = PidFd::open(pid) else { continue };
        // Asked again now that its id cannot become somebody else's.
        if netns_of(pid) == Some(inode) {
            held.signal(libc::SIGKILL).with_context(|| format!("kill process {pid}"))?;
            held.wait(LIMIT)?;
        }
    }
    Ok(())
}

/// The processes in a network namespace, but for this one.
pub fn processes_in_netns(inode: u64) -> io::Result<Vec<u32>> {
    let own = process::id();
    let pids =
        fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    Ok(pids.filter(|&pid| pid != own && netns_of(pid) == Some(inode)).collect())
}

fn netns_of(pid: u32) -> Option<u64> {
    Some(fs::metadata(format!("/proc/{pid}/ns/net")).ok()?.ino())
}

//! Removes what a run that was killed has left: its cgroups, namespaces, pins and directories.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Once;

use anyhow::Result;

use crate::{berth, cgroup, lxc, name, netns};

/// Sweeps once in the life of this process. What cannot be removed is told and left.
pub fn once() {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(|| {
        if let Err(error) = now() {
            eprintln!("leftovers of an earlier run: {error:#}");
        }
    });
}

/// Sweeps.
pub fn now() -> Result<()> {
    // Processes first: they hold the rest.
    for_each_stale(&cgroup::mount_point()?, |path, name| {
        cgroup::remove(path)?;
        lxc::container_of(name).map_or(Ok(()), lxc::remove_cgroups)
    });
    for_each_stale(Path::new(netns::DIRECTORY), |_, name| netns::remove(name));
    // Pins last: enforcement ends with them.
    for_each_stale(Path::new(berth::BPFFS), |path, _| remove_directory(path));
    for_each_stale(&std::env::temp_dir(), |path, _| remove_directory(path));
    for_each_stale(&lxc::locks(), |path, _| remove_directory(path));
    Ok(())
}

fn for_each_stale(directory: &Path, remove: impl Fn(&Path, &str) -> Result<()>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let stale = |name: &&str| name::is_stale(lxc::container_of(name).unwrap_or(name));
        let Some(name) = name.to_str().filter(stale) else { continue };
        if let Err(error) = remove(&entry.path(), name) {
            eprintln!("leftover {} of an earlier run: {error:#}", entry.path().display());
        }
    }
}

fn remove_directory(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        // Another run that started at the same time has swept it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => Ok(result?),
    }
}

//! Cgroups of the version 2 hierarchy, made for one test.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::name;
use crate::wait::{self, LIMIT};

/// A cgroup. Dropping it kills what is in it and removes it.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Makes `berth-test-<pid>-<n>/<name>` in the version 2 hierarchy.
    pub fn new(name: &str) -> Result<Self> {
        crate::sweep::once();
        let path = mount_point()?.join(name::unique()).join(name);
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self { path })
    }

    /// Makes a cgroup in this one.
    pub fn child(&self, name: &str) -> Result<Self> {
        let path = self.path.join(name);
        fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self { path })
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its path in the hierarchy, as /proc/PID/cgroup and `ss --cgroup` name it.
    pub fn hierarchy_path(&self) -> Result<PathBuf> {
        Ok(Path::new("/").join(self.path.strip_prefix(mount_point()?)?))
    }

    /// The id programs know it by.
    pub fn id(&self) -> io::Result<u64> {
        Ok(fs::metadata(&self.path)?.ino())
    }

    /// The processes in it, those of cgroups below it not among them.
    pub fn processes(&self) -> io::Result<Vec<u32>> {
        let text = fs::read_to_string(self.path.join("cgroup.procs"))?;
        Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Moves a process here.
    pub fn add(&self, pid: u32) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), pid.to_string())
    }

    /// Makes it again after [`Cgroup::remove`]: another one by the same name.
    pub fn make_again(&self) -> Result<()> {
        fs::create_dir(&self.path).with_context(|| format!("create {} again", self.path.display()))
    }

    /// Kills what is in it and removes it, with everything below it. It is no error if it is gone already.
    pub fn remove(&self) -> Result<()> {
        remove(&self.path)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let parent = self.path.parent().filter(|parent| is_ours(parent));
        if let Err(error) = self.remove() {
            eprintln!("cgroup {} is left behind: {error:#}", self.path.display());
        } else if let Some(parent) = parent {
            // Fails if a child made by hand is still there, which then says so itself.
            let _ = fs::remove_dir(parent);
        }
    }
}

/// Where the version 2 hierarchy is mounted: /sys/fs/cgroup on most hosts, elsewhere beside version 1.
pub fn mount_point() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts")?;
    match find_cgroup2(&mounts) {
        Some(path) => Ok(path.into()),
        None => bail!("no cgroup version 2 hierarchy is mounted"),
    }
}

/// Where every hierarchy is mounted, those of version 1 included.
pub fn mount_points() -> io::Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/mounts")?;
    let hierarchies = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind) = (words.next()?, words.next()?);
        kind.starts_with("cgroup").then(|| PathBuf::from(place))
    });
    Ok(hierarchies.collect())
}

/// Kills what is in a cgroup and removes it, with everything below it.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let gone = |error: &io::Error| {
        error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
    };
    match fs::write(path.join("cgroup.kill"), "1") {
        Err(error) if gone(&error) => return Ok(()),
        result => result.with_context(|| format!("kill what is in {}", path.display()))?,
    }
    wait::until_true(&format!("{} to be gone", path.display()), LIMIT, || match remove_tree(path) {
        Err(error) if !gone(&error) => Err(error.into()),
        _ => Ok(true),
    })
}

fn remove_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

fn is_ours(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).and_then(name::maker).is_some()
}

fn find_cgroup2(mounts: &str) -> Option<&str> {
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let path = words.next()?;
        (words.next()? == "cgroup2").then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::find_cgroup2;

    #[test]
    fn finds_version_2_beside_version_1() {
        let hybrid =
            "cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(find_cgroup2(hybrid), Some("/sys/fs/cgroup/unified"));
        assert_eq!(find_cgroup2("none /sys/fs/cgroup cgroup2 rw 0 0\n"), Some("/sys/fs/cgroup"));
        assert_eq!(find_cgroup2("proc /proc proc rw 0 0\n"), None);
    }
}

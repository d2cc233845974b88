//! Control groups (v2).

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::{ContainersError, error::Context as _};

/// Deepest cgroup that may be a container's: the programs keep levels in bytes.
const MAX_LEVEL: u32 = 255;

/// A control group that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Its path from the root of the hierarchy, beginning with a slash, as `/proc/PID/cgroup` has it.
    pub path: PathBuf,
    /// Its id, which is its inode number. A cgroup that is removed and made again has another.
    pub id: u64,
    /// How many levels it is below the root; never zero.
    pub level: u32,
}

impl Cgroup {
    /// Whether this cgroup is the one at `other` (a path as in [`Self::path`]), inside it or around it.
    pub fn overlaps(&self, other: &Path) -> bool {
        self.path.starts_with(other) || other.starts_with(&self.path)
    }
}

/// The cgroup v2 hierarchy.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    mount: PathBuf,
}

impl Hierarchy {
    /// Finds where it is mounted.
    pub fn find() -> Result<Self, ContainersError> {
        /// Inode of the root of the whole hierarchy; a cgroup namespace's root has another.
        const ROOT_INODE: u64 = 1;

        let table =
            fs::read_to_string("/proc/self/mountinfo").context(|| "read /proc/self/mountinfo".to_owned())?;
        let mount = cgroup2_mount(&table).ok_or(ContainersError::NoCgroup2)?;
        let metadata = fs::metadata(&mount).context(|| format!("look at {}", mount.display()))?;
        if metadata.ino() != ROOT_INODE {
            return Err(ContainersError::CgroupNamespace { mount });
        }
        Ok(Self { mount })
    }

    /// One that is mounted there.
    #[cfg(test)]
    pub(super) fn at(mount: PathBuf) -> Self {
        Self { mount }
    }

    /// Where it is mounted.
    pub fn mount(&self) -> &Path {
        &self.mount
    }

    /// The cgroup that `argument` names: an absolute path under the mount point, or a path from the root of the
    /// hierarchy, with or without a slash in front.
    pub fn cgroup(&self, argument: &Path) -> Result<Cgroup, ContainersError> {
        let below = self.below(argument)?;
        let level = u32::try_from(below.components().count()).unwrap_or(u32::MAX);
        if level == 0 {
            return Err(ContainersError::RootCgroup);
        }
        let missing = || ContainersError::NoCgroup { path: argument.to_owned(), mount: self.mount.clone() };
        let metadata = match fs::symlink_metadata(self.mount.join(&below)) {
            Err(error) if is_absence(&error) => return Err(missing()),
            found => found.context(|| format!("look at cgroup {}", argument.display()))?,
        };
        if !metadata.is_dir() {
            return Err(missing());
        }
        if level > MAX_LEVEL {
            return Err(ContainersError::CgroupTooDeep {
                path: argument.to_owned(),
                level,
                limit: MAX_LEVEL,
            });
        }
        Ok(Cgroup { path: Path::new("/").join(below), id: metadata.ino(), level })
    }

    /// Whether it is still there, and not another one of the same path.
    pub fn holds(&self, cgroup: &Cgroup) -> bool {
        fs::symlink_metadata(self.directory(cgroup)).is_ok_and(|metadata| metadata.ino() == cgroup.id)
    }

    /// Its directory.
    pub fn directory(&self, cgroup: &Cgroup) -> PathBuf {
        let below = cgroup.path.strip_prefix("/").unwrap_or(&cgroup.path);
        self.mount.join(below)
    }

    /// The names of the cgroups in the one at this path from the root of the hierarchy; none if there is no such.
    pub fn children(&self, path: &Path) -> Vec<String> {
        let found = children(&self.mount.join(path.strip_prefix("/").unwrap_or(path))).unwrap_or_default();
        found.iter().filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect()
    }

    /// The ids of the cgroup and all its descendants.
    pub fn subtree(&self, cgroup: &Cgroup) -> Result<Vec<u64>, ContainersError> {
        let mut ids = vec![cgroup.id];
        self.visit(cgroup, |directory| {
            ids.push(fs::symlink_metadata(directory)?.ino());
            Ok(())
        })?;
        ids.dedup();
        Ok(ids)
    }

    /// The processes in the cgroup and all its descendants.
    pub fn processes(&self, cgroup: &Cgroup) -> Result<Vec<u32>, ContainersError> {
        let mut pids = Vec::new();
        self.visit(cgroup, |directory| {
            let list = match fs::read_to_string(directory.join("cgroup.procs")) {
                // Threaded cgroups do not list processes; the one above them does.
                Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => String::new(),
                read => read?,
            };
            pids.extend(list.lines().filter_map(|line| line.parse::<u32>().ok()));
            Ok(())
        })?;
        // Zero stands for processes outside our pid namespace.
        pids.retain(|pid| *pid != 0);
        Ok(pids)
    }

    /// The path below the mount point, without dots.
    fn below(&self, argument: &Path) -> Result<PathBuf, ContainersError> {
        // The mount point may be named by way of a symbolic link.
        let resolved = fs::canonicalize(argument)
            .ok()
            .filter(|path| argument.is_absolute() && path.starts_with(&self.mount));
        let path = resolved.as_deref().unwrap_or(argument);
        let path = path.strip_prefix(&self.mount).unwrap_or(path);
        let mut below = PathBuf::new();
        for component in path.components() {
            match component {
                Component::Normal(name) => below.push(name),
                Component::RootDir | Component::CurDir => {}
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(ContainersError::NotInHierarchy {
                        path: argument.to_owned(),
                        mount: self.mount.clone(),
                    });
                }
            }
        }
        Ok(below)
    }

    /// Calls `see` with the directory of the cgroup and of each descendant. Those that vanish meanwhile are left out.
    fn visit(
        &self,
        cgroup: &Cgroup,
        mut see: impl FnMut(&Path) -> io::Result<()>,
    ) -> Result<(), ContainersError> {
        let mut pending = vec![self.directory(cgroup)];
        while let Some(directory) = pending.pop() {
            match children(&directory).and_then(|found| see(&directory).map(|()| found)) {
                Ok(found) => pending.extend(found),
                Err(error) if is_absence(&error) => {}
                Err(error) => {
                    return Err(error).context(|| format!("read {}", directory.display()));
                }
            }
        }
        Ok(())
    }
}

fn children(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// ENODEV is what reading a file of a removed cgroup gives.
fn is_absence(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

/// Where the table (proc(5), `/proc/PID/mountinfo`) has a cgroup2 file system, the whole of one if possible.
fn cgroup2_mount(table: &str) -> Option<PathBuf> {
    let mut found = None;
    for line in table.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        if right.split(' ').next() != Some("cgroup2") {
            continue;
        }
        let mut fields = left.split(' ').skip(3);
        let (Some(root), Some(point)) = (fields.next(), fields.next()) else {
            continue;
        };
        let point = PathBuf::from(unescape(point));
        if root == "/" {
            return Some(point);
        }
        found.get_or_insert(point);
    }
    found
}

/// Blanks, tabs, newlines and backslashes stand in the table as a backslash and three octal digits.
fn unescape(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let (Some(code), Some(rest)) = (code, part.get(3..)) {
            text.push(code as char);
            text.push_str(rest);
        } else {
            text.push('\\');
            text.push_str(part);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_is_found_among_others() {
        let table = "\
            25 20 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            31 25 0:28 / /sys/fs/cgroup/cpu rw,nosuid shared:9 - cgroup cgroup rw,cpu\n\
            32 25 0:29 /part /elsewhere rw - cgroup2 none rw\n\
            33 25 0:29 / /a\\040place/cgroup rw - cgroup2 none rw\n";
        assert_eq!(cgroup2_mount(table), Some(PathBuf::from("/a place/cgroup")));
        let without: String = table.lines().take(2).flat_map(|line| [line, "\n"]).collect();
        assert_eq!(cgroup2_mount(&without), None);
    }

    #[test]
    fn a_path_may_be_given_in_three_ways() {
        let directory = tempfile::tempdir().unwrap();
        let mount = directory.path().canonicalize().unwrap();
        fs::create_dir_all(mount.join("a/b")).unwrap();
        let hierarchy = Hierarchy::at(mount.clone());
        let id = fs::metadata(mount.join("a/b")).unwrap().ino();
        let expected = Cgroup { path: "/a/b".into(), id, level: 2 };
        for argument in [&mount.join("a/b"), Path::new("a/b"), Path::new("/a/./b/")] {
            assert_eq!(hierarchy.cgroup(argument).unwrap(), expected, "{argument:?}");
        }
        assert!(hierarchy.holds(&expected));
        fs::remove_dir(mount.join("a/b")).unwrap();
        assert!(!hierarchy.holds(&expected));
    }

    #[test]
    fn what_is_no_container_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let mount = directory.path().canonicalize().unwrap();
        fs::write(mount.join("cgroup.procs"), "").unwrap();
        let hierarchy = Hierarchy::at(mount.clone());
        let refused = |argument: &str| hierarchy.cgroup(Path::new(argument)).unwrap_err();
        assert!(matches!(refused("/"), ContainersError::RootCgroup));
        assert!(matches!(refused(mount.to_str().unwrap()), ContainersError::RootCgroup));
        assert!(matches!(refused("none"), ContainersError::NoCgroup { .. }));
        assert!(matches!(refused("cgroup.procs"), ContainersError::NoCgroup { .. }));
        assert!(matches!(refused("a/../.."), ContainersError::NotInHierarchy { .. }));
        let deep = "d/".repeat(256);
        fs::create_dir_all(mount.join(&deep)).unwrap();
        assert!(matches!(refused(&deep), ContainersError::CgroupTooDeep { level: 256, .. }));
    }

    #[test]
    fn overlap_goes_by_components() {
        let cgroup = Cgroup { path: "/a/b".into(), id: 1, level: 2 };
        for (other, expected) in
            [("/a/b", true), ("/a", true), ("/a/b/c", true), ("/a/bc", false), ("/b", false)]
        {
            assert_eq!(cgroup.overlaps(Path::new(other)), expected, "{other}");
        }
    }

    #[test]
    fn descendants_are_found_with_their_processes() {
        let directory = tempfile::tempdir().unwrap();
        let mount = directory.path().canonicalize().unwrap();
        fs::create_dir_all(mount.join("a/b/c")).unwrap();
        for (place, pids) in [("a", ""), ("a/b", "12\n0\n"), ("a/b/c", "7\n")] {
            fs::write(mount.join(place).join("cgroup.procs"), pids).unwrap();
        }
        let hierarchy = Hierarchy::at(mount.clone());
        let cgroup = hierarchy.cgroup(Path::new("a")).unwrap();
        assert_eq!(hierarchy.subtree(&cgroup).unwrap().len(), 3);
        assert_eq!(hierarchy.processes(&cgroup).unwrap(), [12, 7]);
    }
}

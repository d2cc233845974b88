//! The pin directory.
//!
//! ```text
//! PIN/abi-2/                                    the version of all layouts in here
//! PIN/maps/NAME
//! PIN/programs-DIGEST/NAME                      the digest is that of the object they were loaded from
//! PIN/replacing/NAME                            programs on their way into the links
//! PIN/discarded/NAME                            programs on their way out
//! PIN/links/cgroup/LEVEL-ID/PROGRAM             links to the cgroup with this id, LEVEL levels below the root
//! PIN/links/tc/IFINDEX-(in|out)-PROGRAM         a TCX link, or a directory that stands for a clsact filter
//! PIN/links/tc/IFINDEX-qdisc/                   berth made the interface's clsact qdisc
//! ```
//!
//! BPF file systems have no files of text, and no dots in names: what is to be remembered is a directory's name. The
//! part from `links` on and `abi-` stay as they are in all versions, so that each can take down what another left.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use berth_common::abi::{VERSION, names};
use nix::fcntl::{Flock, FlockArg};

use super::{ControlError, bpffs, error::Context as _};

/// What is in a pin directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinned {
    /// Nothing; it may not even exist.
    Nothing,
    /// A berth's, of this ABI version.
    Berth {
        /// [`berth_common::abi::VERSION`] of the loader that made it.
        abi: u32,
    },
    /// Something else.
    Foreign,
}

/// Paths in a pin directory.
#[derive(Clone, Debug)]
pub(super) struct Pins {
    root: PathBuf,
}

impl Pins {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What is here.
    pub fn found(&self) -> Result<Pinned, ControlError> {
        let entries = match names_in(&self.root) {
            // A BPF file system keeps names with dots for itself: it refuses even to look for one.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) && bpffs::is_dotted(&self.root) => {
                return Err(ControlError::DottedPath(self.root.clone()));
            }
            entries => entries.context(|| format!("read the pin directory {}", self.root.display()))?,
        };
        let abi = entries.iter().find_map(|name| name.strip_prefix("abi-")?.parse().ok());
        Ok(match abi {
            Some(abi) => Pinned::Berth { abi },
            None if entries.is_empty() => Pinned::Nothing,
            None => Pinned::Foreign,
        })
    }

    /// Fails unless this version's pins are here.
    pub fn require(&self) -> Result<(), ControlError> {
        match self.found()? {
            Pinned::Berth { abi: VERSION } => Ok(()),
            Pinned::Berth { abi } => Err(ControlError::OtherAbi { directory: self.root.clone(), found: abi }),
            Pinned::Nothing => Err(ControlError::NotLoaded(self.root.clone())),
            Pinned::Foreign => Err(ControlError::Foreign(self.root.clone())),
        }
    }

    /// Where everything is put together before it takes this place.
    pub fn draft(&self) -> Self {
        let mut name = self.root.file_name().unwrap_or_default().to_owned();
        name.push("-new");
        Self { root: self.root.with_file_name(name) }
    }

    /// Makes the directories for programs of this digest.
    pub fn create(&self, digest: &str) -> Result<(), ControlError> {
        for directory in [
            self.root.join(format!("abi-{VERSION}")),
            self.maps(),
            self.programs(digest),
            self.cgroups(),
            self.tc(),
        ] {
            create_directory(&directory)?;
        }
        Ok(())
    }

    pub fn maps(&self) -> PathBuf {
        self.root.join("maps")
    }

    pub fn map(&self, name: &str) -> PathBuf {
        self.maps().join(name)
    }

    pub fn programs(&self, digest: &str) -> PathBuf {
        self.root.join(format!("programs-{digest}"))
    }

    /// Where programs are put before all links run them.
    pub fn programs_draft(&self) -> PathBuf {
        self.root.join("replacing")
    }

    /// Where programs are put to be removed.
    pub fn programs_discarded(&self) -> PathBuf {
        self.root.join("discarded")
    }

    /// The directories of programs that are here, drafts aside.
    pub fn program_directories(&self) -> Result<Vec<PathBuf>, ControlError> {
        let entries = names_in(&self.root).context(|| format!("read {}", self.root.display()))?;
        Ok(entries
            .iter()
            .filter(|name| name.starts_with("programs-"))
            .map(|name| self.root.join(name))
            .collect())
    }

    pub fn cgroups(&self) -> PathBuf {
        self.root.join("links/cgroup")
    }

    pub fn cgroup(&self, level: u32, id: u64) -> PathBuf {
        self.cgroups().join(format!("{level}-{id}"))
    }

    /// Level and id of the cgroups that have links here.
    pub fn attached_cgroups(&self) -> Result<Vec<(u32, u64)>, ControlError> {
        let directory = self.cgroups();
        let entries = names_in(&directory).context(|| format!("read {}", directory.display()))?;
        Ok(entries
            .iter()
            .filter_map(|name| {
                let (level, id) = name.split_once('-')?;
                Some((level.parse().ok()?, id.parse().ok()?))
            })
            .collect())
    }

    pub fn tc(&self) -> PathBuf {
        self.root.join("links/tc")
    }

    /// Whether a whole set of maps is here: a `down` that was cut off leaves less.
    pub fn check_maps(&self) -> Result<(), ControlError> {
        for name in names::MAPS {
            let path = self.map(name);
            if !path.exists() {
                return Err(ControlError::Damaged { directory: self.root.clone(), missing: path });
            }
        }
        Ok(())
    }
}

/// Keeps other processes from loading, replacing or taking down in the same place for as long as it lives.
pub(super) fn lock(pins: &Pins) -> Result<Flock<fs::File>, ControlError> {
    let parent = pins.root().parent().unwrap_or(Path::new("/"));
    let what = || format!("lock {}", parent.display());
    let directory = fs::File::open(parent).context(what)?;
    Flock::lock(directory, FlockArg::LockExclusive).map_err(|(_, error)| error).context(what)
}

/// Makes a directory and those above it, for root alone.
pub(super) fn create_directory(path: &Path) -> Result<(), ControlError> {
    use std::os::unix::fs::DirBuilderExt as _;

    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .context(|| format!("make {}", path.display()))
}

/// Removes a file or a whole directory, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), ControlError> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.context(|| format!("remove {}", path.display())),
    }
}

/// The names in a directory; none if it is not there.
pub(super) fn names_in(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pinned_is_told_by_the_marker() {
        let directory = tempfile::tempdir().unwrap();
        let pins = Pins::new(&directory.path().join("berth"));
        assert_eq!(pins.found().unwrap(), Pinned::Nothing);
        create_directory(pins.root()).unwrap();
        assert_eq!(pins.found().unwrap(), Pinned::Nothing);
        create_directory(&pins.root().join("other")).unwrap();
        assert_eq!(pins.found().unwrap(), Pinned::Foreign);
        create_directory(&pins.root().join("abi-7")).unwrap();
        assert_eq!(pins.found().unwrap(), Pinned::Berth { abi: 7 });
    }

    #[test]
    fn another_version_is_refused_with_advice() {
        let directory = tempfile::tempdir().unwrap();
        let pins = Pins::new(directory.path());
        assert!(matches!(pins.require(), Err(ControlError::NotLoaded(_))));
        create_directory(&pins.root().join("abi-999")).unwrap();
        let text = pins.require().unwrap_err().to_string();
        assert!(text.contains("ABI version 999") && text.contains("berth down"), "{text}");
    }

    #[test]
    fn a_draft_lies_beside_and_its_names_have_no_dots() {
        let pins = Pins::new(Path::new("/bpf/berth"));
        assert_eq!(pins.draft().root(), Path::new("/bpf/berth-new"));
        assert_eq!(pins.cgroup(2, 77), Path::new("/bpf/berth/links/cgroup/2-77"));
    }

    #[test]
    fn missing_maps_are_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let pins = Pins::new(directory.path());
        pins.create("0").unwrap();
        assert!(matches!(pins.check_maps(), Err(ControlError::Damaged { .. })));
    }
}

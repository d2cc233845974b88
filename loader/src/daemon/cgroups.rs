//! Watching cgroups come and go.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::{DaemonError, readable::Readable};

/// Watches directories of the cgroup file system, in which making and removing a cgroup are changes like any other.
pub struct Watch {
    inotify: Readable<Inotify>,
    watched: HashSet<WatchDescriptor>,
}

impl Watch {
    /// Watches nothing yet.
    pub fn new() -> Result<Self, DaemonError> {
        Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .map_err(Into::into)
            .and_then(Readable::new)
            .map(|inotify| Self { inotify, watched: HashSet::new() })
            .map_err(|error| DaemonError::Watch { what: "cgroups", error })
    }

    /// Watches these directories and no others; in place of one that does not exist, the nearest above it that does.
    /// What cannot be watched is left to the regular look at everything.
    pub fn set(&mut self, directories: &[PathBuf]) {
        let inotify = self.inotify.get();
        let flags = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        // A directory that is watched already keeps its descriptor; one that was made anew gets another.
        let watched: HashSet<_> = directories
            .iter()
            .filter_map(|directory| {
                let mut existing = directory.ancestors().filter(|path| path.is_dir());
                existing.find_map(|path: &Path| inotify.add_watch(path, flags).ok())
            })
            .collect();
        for gone in self.watched.difference(&watched) {
            // One whose directory is gone has gone with it.
            let _ = inotify.rm_watch(*gone);
        }
        self.watched = watched;
    }

    /// Waits until something happens in one of the directories.
    pub async fn changed(&mut self) {
        let read = |inotify: &mut Inotify| {
            while inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
            ((), true)
        };
        if self.inotify.read(read).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn sees_directories_come_and_go() {
        let top = tempfile::tempdir().unwrap();
        let (parent, child) = (top.path().join("parent"), top.path().join("parent/child"));
        let mut watch = Watch::new().unwrap();

        watch.set(std::slice::from_ref(&parent));
        fs::create_dir(&parent).unwrap();
        timeout(Duration::from_secs(5), watch.changed()).await.unwrap();

        watch.set(std::slice::from_ref(&parent));
        fs::create_dir(&child).unwrap();
        timeout(Duration::from_secs(5), watch.changed()).await.unwrap();

        fs::remove_dir(&child).unwrap();
        timeout(Duration::from_secs(5), watch.changed()).await.unwrap();

        // That a watch has ended is reported too, once.
        watch.set(&[]);
        timeout(Duration::from_secs(5), watch.changed()).await.unwrap();
        fs::create_dir(&child).unwrap();
        assert!(timeout(Duration::from_millis(100), watch.changed()).await.is_err());
    }
}

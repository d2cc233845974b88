//! One at a time: the daemon, or a command that works without it.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use super::Paths;
use crate::api::error::{ApiError, Code};

/// Held by whoever has the node in care. The kernel gives it back when its holder dies.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes the lock, unless somebody else has it.
    pub fn try_take(paths: &Paths) -> Result<Self, LockError> {
        make_directory(&paths.run_dir)?;
        let path = paths.lock();
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| LockError::Io { path: path.clone(), error })?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Self { _file: file }),
            Err((_, Errno::EWOULDBLOCK)) => Err(LockError::Busy(path)),
            Err((_, error)) => Err(LockError::Io { path, error: error.into() }),
        }
    }
}

fn make_directory(path: &Path) -> Result<(), LockError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(|error| LockError::Io { path: path.to_owned(), error })
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("another berth has the node in hand ({} is locked); try again when it is done", .0.display())]
    Busy(PathBuf),
    /// The system said no.
    #[error("cannot use {}; {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

impl From<LockError> for ApiError {
    fn from(error: LockError) -> Self {
        let code = match &error {
            LockError::Io { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => {
                Code::Unsupported
            }
            _ => Code::Failed,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths {
            config: PathBuf::new(),
            config_named: false,
            state_dir: PathBuf::new(),
            run_dir: directory.path().join("run"),
            pin_dir: PathBuf::new(),
        };
        let lock = Lock::try_take(&paths).unwrap();
        assert!(matches!(Lock::try_take(&paths), Err(LockError::Busy(_))));
        drop(lock);
        Lock::try_take(&paths).unwrap();
    }
}

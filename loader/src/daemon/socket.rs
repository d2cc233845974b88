//! The daemon's socket.

use std::{
    fs, io,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
};

use nix::sys::stat::{Mode, umask};

use super::DaemonError;

/// The daemon's socket, which goes away with this.
pub struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

impl Socket {
    /// Makes the socket at `path`. What is there already was left behind: whoever has the lock has no rival.
    pub fn bind(path: &Path) -> Result<Self, DaemonError> {
        match bind(path) {
            Ok(listener) => Ok(Self { path: path.to_owned(), listener }),
            Err(error) => Err(DaemonError::Socket { path: path.to_owned(), error }),
        }
    }

    /// The socket, for the server.
    pub fn listener(&self) -> Result<tokio::net::UnixListener, DaemonError> {
        self.listener
            .try_clone()
            .and_then(tokio::net::UnixListener::from_std)
            .map_err(|error| DaemonError::Socket { path: self.path.clone(), error })
    }
}

/// At another path first: a client finds a socket that answers, or none.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let new = path.with_extension("sock.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let before = umask(Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(&new);
    umask(before);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    fs::rename(&new, path)?;
    Ok(listener)
}

impl Drop for Socket {
    fn drop(&mut self) {
        // If it cannot be removed, the next daemon replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::PermissionsExt as _, net::UnixStream};

    use super::*;

    #[test]
    fn replaces_what_was_left_behind_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("berth.sock");
        drop(UnixListener::bind(&path).unwrap());
        let socket = Socket::bind(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(socket);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

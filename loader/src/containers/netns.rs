//! Network namespaces.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::MetadataExt as _;

use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Socket, Type};

use super::{ContainersError, error::Context as _};

/// A network namespace, by its place in the `nsfs` file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Netns {
    device: u64,
    inode: u64,
}

impl Netns {
    /// The calling thread's.
    pub fn own() -> Result<Self, ContainersError> {
        let file = File::open("/proc/thread-self/ns/net")
            .context(|| "open this thread's network namespace".to_owned())?;
        Self::of_file(&file)
    }

    /// A process's.
    pub fn of(pid: u32) -> Result<Self, ContainersError> {
        Self::of_file(&open(pid)?)
    }

    fn of_file(file: &File) -> Result<Self, ContainersError> {
        let metadata = file.metadata().context(|| "identify a network namespace".to_owned())?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// The cookie (`SO_NETNS_COOKIE`) of the calling thread's network namespace, by which the programs know it.
pub fn netns_cookie() -> Result<u64, ContainersError> {
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)
        .context(|| "make a socket to ask for the network namespace's cookie".to_owned())?;
    cookie_of(&socket).context(|| "read the network namespace's cookie".to_owned())
}

/// A process's network namespace, to enter.
pub(super) fn open(pid: u32) -> Result<File, ContainersError> {
    match File::open(format!("/proc/{pid}/ns/net")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ContainersError::NoProcess(pid)),
        opened => opened.context(|| format!("open the network namespace of process {pid}")),
    }
}

/// Runs `work` in a network namespace, on a thread that ends with it: nothing of ours stays behind in there.
pub(super) fn inside<T: Send>(
    namespace: &File,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)?;
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn cookie_of(socket: &Socket) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let mut length: libc::socklen_t = 8;
    // SAFETY: both pointers are to live local variables, and `length` is the size of the first.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(cookie) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_namespace_is_our_process_s() {
        assert_eq!(Netns::own().unwrap(), Netns::of(std::process::id()).unwrap());
    }

    #[test]
    fn cookies_are_lasting() {
        let cookie = netns_cookie().unwrap();
        assert_ne!(cookie, 0);
        assert_eq!(cookie, netns_cookie().unwrap());
    }

    #[test]
    fn a_process_that_does_not_exist_is_named() {
        let error = Netns::of(u32::MAX).unwrap_err();
        assert_eq!(error.to_string(), "there is no process 4294967295");
    }
}

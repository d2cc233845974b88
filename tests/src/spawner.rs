//! A small process that makes sockets where it stands and hands them over.
//!
//! A socket belongs to the cgroup and the network namespace of the task that made it, for good; the test then uses it
//! from its own process. What goes over the seqpacket pair: a [`Request`] there, an errno back, with the socket
//! attached if the errno is 0.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recv, recvmsg, send,
    sendmsg, setsockopt, socketpair, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::process::Process;
use crate::program;
use crate::wait::{LIMIT, uninterrupted};

const REQUEST_LENGTH: usize = 16;

/// A socket that is wanted, in the kernel's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// `AF_…`
    pub domain: i32,
    /// `SOCK_…`, flags included.
    pub kind: i32,
    /// `IPPROTO_…`, or an ethertype in network order for packet sockets.
    pub protocol: i32,
    /// Whether the spawner keeps the socket open, too, until it ends.
    pub keep: bool,
}

impl Request {
    fn to_bytes(self) -> [u8; REQUEST_LENGTH] {
        let words = [self.domain, self.kind, self.protocol, i32::from(self.keep)];
        let mut bytes = [0; REQUEST_LENGTH];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: [u8; REQUEST_LENGTH]) -> Self {
        let mut words =
            bytes.chunks_exact(4).map(|word| i32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
        let mut next = || words.next().unwrap_or_default();
        Self { domain: next(), kind: next(), protocol: next(), keep: next() != 0 }
    }
}

/// A running spawner.
#[derive(Debug)]
pub struct Spawner {
    socket: Mutex<OwnedFd>,
    process: Process,
}

impl Spawner {
    /// Starts one with what `place` makes: a command for the program it is given, in the right cgroup and namespace.
    pub fn start(place: impl FnOnce(&str) -> io::Result<Command>) -> Result<Self> {
        let path = program::find("berth-spawner", "BERTH_SPAWNER")?;
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let limit = TimeVal::milliseconds(i64::try_from(LIMIT.as_millis())?);
        setsockopt(&ours, sockopt::ReceiveTimeout, &limit)?;
        let mut command = place(path.to_str().context("the spawner's path is not UTF-8")?)?;
        let process = Process::spawn_with_stdin(&mut command, Stdio::from(theirs))?;
        Ok(Self { socket: Mutex::new(ours), process })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Has a socket made.
    pub fn socket(&self, request: Request) -> io::Result<OwnedFd> {
        let socket =
            self.socket.lock().map_err(|_| io::Error::other("another thread failed in the spawner"))?;
        uninterrupted(|| Ok(send(socket.as_raw_fd(), &request.to_bytes(), MsgFlags::MSG_NOSIGNAL)?))?;
        let made = uninterrupted(|| receive(socket.as_fd()))?;
        // The spawner's own copy is closed by then: a socket that is dropped here at once must be gone at once.
        let mut closed = [0; 4];
        uninterrupted(|| Ok(recv(socket.as_raw_fd(), &mut closed, MsgFlags::empty())?))?;
        Ok(made)
    }
}

/// What the spawner program does: serves the pair's other end until it is closed.
pub fn serve(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut kept = Vec::new();
    loop {
        let mut bytes = [0; REQUEST_LENGTH];
        match uninterrupted(|| Ok(recv(socket.as_raw_fd(), &mut bytes, MsgFlags::empty())?))? {
            0 => return Ok(()),
            REQUEST_LENGTH => {}
            length => return Err(io::Error::other(format!("a request of {length} bytes"))),
        }
        let request = Request::from_bytes(bytes);
        match make(request) {
            Ok(made) => {
                reply(socket, 0, &[made.as_raw_fd()])?;
                kept.extend(request.keep.then_some(made));
                reply(socket, 0, &[])?;
            }
            Err(error) => reply(socket, error.raw_os_error().unwrap_or(libc::EIO), &[])?,
        }
    }
}

fn make(request: Request) -> io::Result<OwnedFd> {
    let Request { domain, kind, protocol, keep: _ } = request;
    // SAFETY: the call takes three integers and touches no memory of ours.
    let fd = unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn reply(socket: BorrowedFd<'_>, errno: i32, fds: &[i32]) -> io::Result<()> {
    let bytes = errno.to_ne_bytes();
    let rights = [ControlMessage::ScmRights(fds)];
    let messages = if fds.is_empty() { &[][..] } else { &rights[..] };
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&bytes)], messages, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

fn receive(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut bytes = [0; 4];
    let mut control = nix::cmsg_space!([i32; 1]);
    let mut data = [IoSliceMut::new(&mut bytes)];
    let message =
        recvmsg::<()>(socket.as_raw_fd(), &mut data, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let length = message.bytes;
    let mut received = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = part {
            // SAFETY: the kernel has just put these descriptors into our table and nobody else has them.
            received.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    match (length, i32::from_ne_bytes(bytes), received.pop()) {
        (4, 0, Some(fd)) => Ok(fd),
        (4, errno, None) if errno != 0 => Err(io::Error::from_raw_os_error(errno)),
        _ => Err(io::Error::other("the spawner has ended or does not speak our language")),
    }
}

#[cfg(test)]
mod tests {
    use super::Request;

    #[test]
    fn requests_survive_the_wire() {
        let request = Request { domain: 10, kind: 3 | 0o4000, protocol: -1, keep: true };
        assert_eq!(Request::from_bytes(request.to_bytes()), request);
    }
}

//! Waiting for a file descriptor.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
};

use tokio::io::{Interest, unix::AsyncFd};

/// Something with a file descriptor that becomes readable when there is something to do.
pub struct Readable<T: AsFd>(AsyncFd<Descriptor<T>>);

struct Descriptor<T>(T);

impl<T: AsFd> AsRawFd for Descriptor<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl<T: AsFd> Readable<T> {
    /// Takes `inner`, whose descriptor is in non-blocking mode and stays the same one.
    pub fn new(inner: T) -> io::Result<Self> {
        // SAFETY: `inner` is owned by the AsyncFd from here on and nothing takes it out, so that its descriptor, which
        // it holds open, is neither closed nor replaced before it is deregistered.
        let registered = unsafe { AsyncFd::register_with_interest(Descriptor(inner), Interest::READABLE) };
        Ok(Self(registered?))
    }

    /// What was taken.
    pub fn get(&self) -> &T {
        &self.0.get_ref().0
    }

    /// Waits until there is something to read, and has `read` do so, which says whether it left nothing.
    pub async fn read<R>(&mut self, read: impl FnOnce(&mut T) -> (R, bool)) -> io::Result<R> {
        let mut guard = self.0.readable_mut().await?;
        let (result, nothing_left) = read(&mut guard.get_inner_mut().0);
        if nothing_left {
            guard.clear_ready();
        }
        Ok(result)
    }
}

//! Network namespaces with a name under /run/netns, where `ip netns` and `nsenter --net=` find them.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use crate::program;

/// Where named network namespaces are.
pub const DIRECTORY: &str = "/run/netns";

/// A network namespace. Dropping it kills the processes in it and removes its name; it ends with the last socket in
/// it.
#[derive(Debug)]
pub struct Netns {
    name: String,
    file: File,
}

impl Netns {
    /// Makes a namespace with lo down and nothing else in it.
    pub fn create(name: &str) -> Result<Arc<Self>> {
        crate::sweep::once();
        let path = Path::new(DIRECTORY).join(name);
        let _lock = prepare_directory().context("prepare /run/netns")?;
        File::options()
            .write(true)
            .create_new(true)
            .open(&path)
            .with_context(|| format!("create {}", path.display()))?;
        let file = pin_new_namespace(&path).inspect_err(|_| {
            // The error that matters is the first one.
            let _ = fs::remove_file(&path);
        });
        let file = file.with_context(|| format!("make network namespace {name}"))?;
        Ok(Arc::new(Self { name: name.to_owned(), file }))
    }

    /// That of a process, which has no name. Dropping it does nothing to it.
    pub fn of_process(id: u32) -> Result<Arc<Self>> {
        let path = format!("/proc/{id}/ns/net");
        let file = File::open(&path).with_context(|| format!("open {path}"))?;
        Ok(Arc::new(Self { name: String::new(), file }))
    }

    /// Its name; empty if it has none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for it, for `nsenter --net=`.
    pub fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }

    /// What tells it from every other namespace that lives.
    pub fn inode(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.ino())
    }

    /// A descriptor of its own for it.
    pub fn to_fd(&self) -> io::Result<OwnedFd> {
        self.file.as_fd().try_clone_to_owned()
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        if self.name.is_empty() {
            return;
        }
        if let Err(error) = remove(&self.name) {
            eprintln!("network namespace {} is left behind: {error:#}", self.name);
        }
    }
}

/// Runs a closure in a namespace, on a thread of its own: namespaces belong to threads. A panic in it goes on here.
pub fn in_netns<T: Send>(netns: &Netns, run: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(netns, CloneFlags::CLONE_NEWNET)?;
            Ok(run())
        });
        thread.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
    })
}

/// Kills what runs in the namespace of this name, and removes the name.
pub(crate) fn remove(name: &str) -> Result<()> {
    let path = Path::new(DIRECTORY).join(name);
    let _lock = prepare_directory()?;
    if let Ok(metadata) = fs::metadata(&path) {
        program::kill_in_netns(metadata.ino())?;
    }
    match umount2(&path, MntFlags::MNT_DETACH) {
        // Never mounted: the maker was killed in between.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
        Err(errno) => return Err(errno).with_context(|| format!("unmount {}", path.display())),
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn pin_new_namespace(path: &Path) -> Result<File> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).context("unshare")?;
            let own = "/proc/thread-self/ns/net";
            mount(Some(own), path, None::<&str>, MsFlags::MS_BIND, None::<&str>).context("bind mount")?;
            Ok(File::open(path)?)
        });
        thread.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
    })
}

/// Makes the directory a shared mount exactly as `ip netns add` does: a bind mount made here before that and one
/// made there after it would otherwise hide each other. The lock is the one it takes, too.
fn prepare_directory() -> Result<Flock<File>> {
    fs::create_dir_all(DIRECTORY)?;
    let directory = File::open(DIRECTORY)?;
    let lock = Flock::lock(directory, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    let share =
        || mount(None::<&str>, DIRECTORY, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    match share() {
        Err(Errno::EINVAL) => {
            mount(
                Some(DIRECTORY),
                DIRECTORY,
                None::<&str>,
                MsFlags::MS_BIND | MsFlags::MS_REC,
                None::<&str>,
            )?;
            share()?;
        }
        result => result?,
    }
    Ok(lock)
}

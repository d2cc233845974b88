//! Commands that find the machine other than it is, or are somebody else. What is done to them is done by system calls
//! between fork and exec, so it needs no programs.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

const BPFFS: &CStr = c"/sys/fs/bpf";
const NOBODY: libc::uid_t = 65_534;

/// Has a command find no BPF file system where it expects one.
pub fn without_bpffs(command: &mut Command) {
    with_own_mounts(command, CloneFlags::empty(), || {
        // It may be mounted several times over.
        while umount2(BPFFS, MntFlags::MNT_DETACH).is_ok() {}
        Ok(())
    });
}

/// Has a command find no cgroup version 2.
pub fn without_cgroup2(command: &mut Command) -> Result<()> {
    let places = cgroup2_mounts()?;
    with_own_mounts(command, CloneFlags::empty(), move || unmount(&places));
    Ok(())
}

/// Has a command find its own cgroup where the root of the hierarchy should be.
pub fn with_part_of_cgroup2(command: &mut Command) -> Result<()> {
    let places = cgroup2_mounts()?;
    with_own_mounts(command, CloneFlags::CLONE_NEWCGROUP, move || {
        unmount(&places)?;
        let Some(place) = places.first() else { return Err(Errno::ENOENT) };
        mount(Some(c"none"), place.as_c_str(), Some(c"cgroup2"), MsFlags::empty(), None::<&CStr>)
    });
    Ok(())
}

/// Has a command find the kernel of another release.
pub fn with_release(command: &mut Command, file: &Path) -> Result<()> {
    let file = CString::new(file.as_os_str().as_bytes())?;
    let place = c"/proc/sys/kernel/osrelease";
    with_own_mounts(command, CloneFlags::empty(), move || {
        mount(Some(file.as_c_str()), place, None::<&CStr>, MsFlags::MS_BIND, None::<&CStr>)
    });
    Ok(())
}

/// Has a command run as somebody without rights.
pub fn as_nobody(command: &mut Command) {
    between(command, || {
        // SAFETY: an empty list is not looked at; the other calls take integers.
        let failed = unsafe {
            libc::setgroups(0, std::ptr::null()) != 0
                || libc::setresgid(NOBODY, NOBODY, NOBODY) != 0
                || libc::setresuid(NOBODY, NOBODY, NOBODY) != 0
        };
        if failed { Err(Errno::last()) } else { Ok(()) }
    });
}

/// Takes a capability, by its number in capabilities(7), from a command for good.
pub fn without_capability(command: &mut Command, number: libc::c_ulong) {
    between(command, move || {
        // SAFETY: the call takes integers.
        Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) }).map(drop)
    });
}

fn with_own_mounts(
    command: &mut Command,
    also: CloneFlags,
    change: impl Fn() -> nix::Result<()> + Send + Sync + 'static,
) {
    between(command, move || {
        unshare(CloneFlags::CLONE_NEWNS | also)?;
        // What is mounted from here on is seen by nobody else.
        mount(None::<&CStr>, c"/", None::<&CStr>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&CStr>)?;
        change()
    });
}

/// `change` makes system calls on what it owns and neither allocates nor locks.
fn between(command: &mut Command, change: impl Fn() -> nix::Result<()> + Send + Sync + 'static) {
    // SAFETY: as the child of a fork in a process of many threads must not; all of it is in this file.
    unsafe { command.pre_exec(move || change().map_err(io::Error::from)) };
}

fn unmount(places: &[CString]) -> nix::Result<()> {
    places.iter().try_for_each(|place| umount2(place.as_c_str(), MntFlags::MNT_DETACH))
}

fn cgroup2_mounts() -> Result<Vec<CString>> {
    let mounts = fs::read_to_string("/proc/mounts")?;
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let found = fields.filter(|fields| fields.get(2) == Some(&"cgroup2"));
    Ok(found.map(|fields| CString::new(fields[1])).collect::<Result<_, _>>()?)
}

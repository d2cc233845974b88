//! The file systems that programs expect.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context as _, Result};
use nix::mount::{MsFlags, mount};

const MOUNTS: [(&str, &str); 11] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("devpts", "/dev/pts"),
    ("tmpfs", "/dev/shm"),
    ("tmpfs", "/run"),
    ("tmpfs", "/tmp"),
    ("bpf", "/sys/fs/bpf"),
    ("cgroup2", "/sys/fs/cgroup"),
    ("securityfs", "/sys/kernel/security"),
    ("tracefs", "/sys/kernel/tracing"),
];

pub fn all() -> Result<()> {
    for (kind, place) in MOUNTS {
        // Those of /dev are made here, those of /sys are there or the kernel has not what belongs on them.
        let _ = fs::create_dir_all(place);
        let none = None::<&str>;
        match mount(Some(kind), place, Some(kind), MsFlags::empty(), none) {
            // A kernel may have mounted /dev itself.
            Ok(()) | Err(nix::Error::EBUSY) => {}
            Err(error) => return Err(error).with_context(|| format!("cannot mount {place}")),
        }
    }
    // Neither is in the way where it is there.
    for (target, place) in [("/proc/self/fd", "/dev/fd"), ("/proc/self/fd/2", "/dev/stderr")] {
        let _ = symlink(target, place);
    }
    let _ = fs::create_dir_all("/run/netns");
    Ok(())
}

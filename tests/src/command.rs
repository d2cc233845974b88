//! Commands that run in a network namespace and a cgroup and change nothing else.
//!
//! `ip netns exec` would mount another /sys, where bpffs and the cgroup hierarchy are not.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, setns};

use crate::cgroup::Cgroup;
use crate::netns::Netns;

/// A command that will run in a namespace and, where one is given, in a cgroup.
pub fn command_in(netns: &Netns, cgroup: Option<&Cgroup>, program: &str) -> io::Result<Command> {
    let netns = netns.to_fd()?;
    let procs = cgroup.map(|cgroup| File::options().write(true).open(cgroup.path().join("cgroup.procs")));
    let procs = procs.transpose()?;
    let mut command = Command::new(program);
    // SAFETY: the closure makes two system calls on descriptors that it owns, and neither allocates nor locks, as
    // the child of a fork in a process of many threads must not.
    unsafe { command.pre_exec(move || enter(&netns, procs.as_ref())) };
    Ok(command)
}

fn enter(netns: &OwnedFd, mut procs: Option<&File>) -> io::Result<()> {
    if let Some(procs) = &mut procs {
        // Zero stands for whoever writes it.
        procs.write_all(b"0")?;
    }
    Ok(setns(netns, CloneFlags::CLONE_NEWNET)?)
}

//! Running a program as the first process must: it is the parent of every orphan.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How a program ended.
pub enum Ended {
    Well,
    Badly,
    /// It was killed, and every other process with it.
    TooLate,
}

pub fn for_at_most(command: &mut Command, output: &File, limit: Duration) -> Result<Ended> {
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?).process_group(0);
    let child = Pid::from_raw(command.spawn()?.id().try_into()?);
    let deadline = Instant::now() + limit;
    let mut ended = Ended::TooLate;
    while Instant::now() < deadline {
        match reap() {
            Some(WaitStatus::Exited(pid, status)) if pid == child => {
                ended = if status == 0 { Ended::Well } else { Ended::Badly };
                break;
            }
            Some(WaitStatus::Signaled(pid, _, _)) if pid == child => {
                ended = Ended::Badly;
                break;
            }
            // Somebody else's child, which was left to us.
            Some(_) => {}
            None => sleep(Duration::from_millis(5)),
        }
    }
    if matches!(ended, Ended::TooLate) {
        // All but the first process.
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        sleep(Duration::from_millis(200));
    }
    while reap().is_some() {}
    Ok(ended)
}

fn reap() -> Option<WaitStatus> {
    match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        // There are children, or none at all.
        Ok(WaitStatus::StillAlive) | Err(_) => None,
        Ok(status) => Some(status),
    }
}

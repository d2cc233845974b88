//! The process that waits: it has nothing of its own to lose, so it can clear up after the other one, also when that was
//! interrupted, killed, or never came to an end.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::pidfd::PidFd;
use crate::{berth, cgroup, lxc, name, netns, sweep};

/// It takes a fraction of this, unless something hangs.
const LIMIT: Duration = Duration::from_secs(120);
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// How the other process's run ended.
enum End {
    Exited(ExitStatus),
    Interrupted(Signal),
    TooLate,
}

/// Has another process act, and clears up after it.
pub fn main(arguments: &[&str]) -> ExitCode {
    run(arguments).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(arguments: &[&str]) -> Result<ExitCode> {
    ensure!(nix::unistd::geteuid().is_root(), "the demo needs root: it makes network namespaces and cgroups");
    let signals: SigSet = SIGNALS.into_iter().collect();
    signals.thread_block()?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?;
    let mut actor = start(arguments).context("start the demo's other process")?;
    let end = wait(&mut actor, &signals);
    // Ended or not: what it has made is known by its id, and taken for garbage once it is no more.
    actor.kill()?;
    actor.wait()?;
    if let Ok(End::Interrupted(signal)) = &end {
        eprintln!("\n{signal}: clearing up");
    }
    sweep::now()?;
    let left = left_by(actor.id())?;
    ensure!(left.is_empty(), "left behind: {left:?}");
    match end? {
        End::Exited(status) if status.success() => Ok(ExitCode::SUCCESS),
        End::Exited(_) => Ok(ExitCode::FAILURE),
        End::Interrupted(signal) => Ok(ExitCode::from(128 + u8::try_from(signal as i32)?)),
        End::TooLate => bail!("it did not come to an end within {LIMIT:?}"),
    }
}

fn start(arguments: &[&str]) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    // Ctrl-C is for this process alone.
    command.args(arguments).process_group(0);
    let prepare = || {
        SigSet::empty().thread_set_mask()?;
        Ok(set_pdeathsig(Signal::SIGKILL)?)
    };
    // SAFETY: two system calls, neither of which allocates or locks.
    unsafe { command.pre_exec(prepare) };
    command.spawn()
}

/// Waits for its end, a signal, or the time when it should have ended.
fn wait(actor: &mut Child, signals: &SignalFd) -> Result<End> {
    let held = PidFd::open(actor.id())?;
    let deadline = Instant::now() + LIMIT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut ready = [readable(signals.as_fd()), readable(held.as_fd())];
        poll(&mut ready, timeout)?;
        if ready[0].any().unwrap_or(false) {
            let signal = signals.read_signal()?.context("a signal that was none")?;
            return Ok(End::Interrupted(Signal::try_from(i32::try_from(signal.ssi_signo)?)?));
        }
        if let Some(status) = actor.try_wait()? {
            return Ok(End::Exited(status));
        }
        if left.is_zero() {
            return Ok(End::TooLate);
        }
    }
}

/// What bears the name of a process, in every place where something could.
fn left_by(pid: u32) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let places = [PathBuf::from(netns::DIRECTORY), berth::BPFFS.into(), std::env::temp_dir()];
    for place in cgroup::mount_points()?.into_iter().chain(places) {
        let Ok(entries) = fs::read_dir(&place) else { continue };
        found.extend(
            entries.flatten().filter(|entry| is_of(&entry.file_name(), pid)).map(|entry| entry.path()),
        );
    }
    Ok(found)
}

fn is_of(name: &OsStr, pid: u32) -> bool {
    name.to_str().is_some_and(|name| name::maker(lxc::container_of(name).unwrap_or(name)) == Some(pid))
}

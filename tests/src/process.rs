//! Child processes that cannot outlive their value, block on their output, or hang.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::pidfd::PidFd;
use crate::wait::{LIMIT, patient};

/// What a finished program left.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Output {
    /// The exit code; none if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Whether it ended with exit code 0.
    pub fn success(&self) -> bool {
        self.status.success()
    }
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pidfd: PidFd,
    stdout: File,
    stderr: File,
    name: String,
}

impl Process {
    /// Starts a program with an empty standard input unless one was set with [`Process::spawn_with_stdin`]; its
    /// output goes to files, so that it never blocks on us.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        Self::spawn_with_stdin(command, Stdio::null())
    }

    /// Starts a program that reads `stdin`.
    pub fn spawn_with_stdin(command: &mut Command, stdin: impl Into<Stdio>) -> Result<Self> {
        let name = format!("{} {}", command.get_program().display(), arguments(command));
        let stdout = tempfile::tempfile()?;
        let stderr = tempfile::tempfile()?;
        command.stdin(stdin).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
        let spawning = SPAWNING.read().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        drop(spawning);
        // Nobody has waited for the child yet, so the id is still its own.
        let pidfd = PidFd::open(child.id())?;
        Ok(Self { child, pidfd, stdout, stderr, name })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// What it has printed so far.
    pub fn stdout(&mut self) -> Result<String> {
        contents(&self.stdout)
    }

    /// What it has complained of so far.
    pub fn stderr(&mut self) -> Result<String> {
        contents(&self.stderr)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: libc::c_int) -> Result<()> {
        self.pidfd.signal(signal).with_context(|| format!("signal {signal} to {}", self.name))
    }

    /// Waits for its end; kills it and fails if that takes longer than `limit`.
    pub fn wait(mut self, limit: Duration) -> Result<Output> {
        let ended = self.ended_within(limit)?;
        if !ended {
            self.child.kill()?;
        }
        let status = self.child.wait()?;
        let output = Output { status, stdout: self.stdout()?, stderr: self.stderr()? };
        if !ended {
            bail!("{} did not end within {limit:?}:\n{}{}", self.name, output.stdout, output.stderr);
        }
        Ok(output)
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits, at most `limit`; then kills it and fails.
    pub fn terminate(self, limit: Duration) -> Result<Output> {
        self.signal(libc::SIGTERM)?;
        self.wait(limit)
    }

    fn ended_within(&self, limit: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + patient(limit);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.pidfd.wait(left)? {
                return Ok(true);
            }
            if left.is_zero() {
                return Ok(false);
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has been waited for, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Held while a program is being started. Until it runs, it has copies of all that is open here.
static SPAWNING: RwLock<()> = RwLock::new(());

/// Waits until what was closed before is closed by everybody: a program that another thread was starting meanwhile held it
/// open for as long.
pub fn settle() {
    drop(SPAWNING.write().unwrap_or_else(PoisonError::into_inner));
}

/// Runs a program to its end, within [`LIMIT`].
pub fn run(command: &mut Command) -> Result<Output> {
    run_for(command, LIMIT)
}

/// Runs a program to its end, within `limit`.
pub fn run_for(command: &mut Command, limit: Duration) -> Result<Output> {
    Process::spawn(command)?.wait(limit)
}

/// Runs a program that has to succeed within [`LIMIT`], and gives what it printed.
pub fn ok(command: &mut Command) -> Result<String> {
    ok_for(command, LIMIT)
}

/// Runs a program that has to succeed within [`LIMIT`], with this text as its input.
pub fn ok_with_input(command: &mut Command, text: &str) -> Result<()> {
    let mut input = tempfile::tempfile()?;
    input.write_all(text.as_bytes())?;
    input.rewind()?;
    let output = Process::spawn_with_stdin(command, input)?.wait(LIMIT)?;
    ensure!(output.success(), "{}{}", output.stdout, output.stderr);
    Ok(())
}

/// Runs a program that has to succeed within `limit`, and gives what it printed.
pub fn ok_for(command: &mut Command, limit: Duration) -> Result<String> {
    let output = run_for(command, limit)?;
    if output.success() {
        return Ok(output.stdout);
    }
    let ending = match output.status.signal() {
        Some(signal) => format!("was ended by signal {signal}"),
        None => format!("ended with {}", output.status),
    };
    let program = command.get_program().display();
    bail!("{program} {} {ending}:\n{}{}", arguments(command), output.stdout, output.stderr);
}

fn arguments(command: &Command) -> String {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

fn contents(file: &File) -> Result<String> {
    // The child writes through the same open file: reading must not move where it writes.
    let mut file = File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file)))?;
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_code_are_kept() -> Result<()> {
        let output = run(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]))?;
        assert_eq!(output.code(), Some(3));
        assert_eq!(output.stdout, "out\n");
        assert_eq!(output.stderr, "err\n");
        Ok(())
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let error =
            run_for(Command::new("sh").args(["-c", "echo begun; exec sleep 60"]), Duration::from_millis(200));
        let text = format!("{:#}", error.unwrap_err());
        assert!(text.contains("did not end within 200ms") && text.contains("begun"), "{text}");
    }

    #[test]
    fn output_can_be_read_while_it_runs() -> Result<()> {
        let mut process = Process::spawn(Command::new("sh").args(["-c", "echo one; sleep 0.2; echo two"]))?;
        crate::wait::until_true("the first line", LIMIT, || Ok(process.stdout()? == "one\n"))?;
        assert!(process.is_running()?);
        assert_eq!(process.wait(LIMIT)?.stdout, "one\ntwo\n");
        Ok(())
    }

    #[test]
    fn dropping_kills() -> Result<()> {
        let process = Process::spawn(Command::new("sleep").arg("60"))?;
        let held = PidFd::open(process.id())?;
        drop(process);
        assert!(held.wait(LIMIT)?);
        Ok(())
    }
}

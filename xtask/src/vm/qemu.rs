//! Booting one machine, under hard time limits.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::arch::Arch;

/// Longest time from power-on to the first sign of life, and between two.
const BOOT: Duration = Duration::from_secs(90);
const MEMORY: &str = "2560";
/// Quick rather than safe: nobody else is in there. Addresses are not random, since the emulator translates code anew for
/// each place that it is at: a command takes it a fifth of the time so.
const COMMAND_LINE: &str =
    "panic=-1 quiet no_timer_check mitigations=off init_on_alloc=0 rcupdate.rcu_expedited=1 norandmaps";

/// What runs the machine's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Accel {
    /// The processor
    Kvm,
    /// Software
    Tcg,
}

impl Accel {
    /// KVM where it is known to work: a device alone is no proof, and QEMU may hang with it.
    pub fn detect(arch: Arch) -> Self {
        if !arch.is_here() {
            return Self::Tcg;
        }
        let openable = OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        if openable && has_virtualization(&cpu) { Self::Kvm } else { Self::Tcg }
    }

    fn arguments(self, arch: Arch) -> [&'static str; 4] {
        match (self, arch) {
            (Self::Kvm, _) => ["-accel", "kvm", "-cpu", "host"],
            // One thread for both processors: with a thread each, QEMU before 8.1 can translate code that the other
            // processor is writing and keep what it was. A kernel that patches itself, as for a BPF LSM program, then
            // meets a breakpoint that is no more, and dies.
            (Self::Tcg, Arch::X86_64) => ["-accel", "tcg,thread=single", "-cpu", "max"],
            // Emulating the authentication of pointers takes more than half of all time.
            (Self::Tcg, Arch::Aarch64) => ["-accel", "tcg,thread=multi", "-cpu", "max,pauth=off"],
        }
    }
}

/// What a machine is made of.
pub struct Machine<'a> {
    pub arch: Arch,
    pub accel: Accel,
    pub image: &'a Path,
    pub initramfs: &'a Path,
    /// Where the kernel's messages go.
    pub console: &'a Path,
    /// The machine is killed after that.
    pub limit: Duration,
    /// For the kernel's command line.
    pub append: &'a str,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// It switched itself off, or crashed.
    Exited,
    TooLong,
    /// It said nothing for too long.
    Silent,
}

impl Machine<'_> {
    /// Runs the machine, giving each line it prints to `line`.
    pub fn run(&self, silence: Duration, mut line: impl FnMut(&str)) -> Result<End> {
        // What it had to say in an earlier run must not be taken for this one's.
        File::create(self.console)?;
        let mut guard = Guard(self.command().spawn().context("cannot run QEMU")?);
        let lines = lines(&mut guard.0)?;
        let deadline = Instant::now() + self.limit;
        let mut patience = BOOT;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            match lines.recv_timeout(rest.min(patience)) {
                Ok(text) => {
                    patience = silence;
                    line(&text);
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(End::Exited),
                Err(RecvTimeoutError::Timeout) if rest <= patience => return Ok(End::TooLong),
                Err(RecvTimeoutError::Timeout) => return Ok(End::Silent),
            }
        }
    }

    fn command(&self) -> Command {
        let (ports, console) = match self.arch {
            Arch::X86_64 => (["-serial", "chardev:out"].as_slice(), "ttyS0"),
            // This one has a single port of its own, and of another kind.
            Arch::Aarch64 => {
                (["-machine", "virt", "-device", "pci-serial,chardev=out"].as_slice(), "ttyAMA0")
            }
        };
        // The machine goes with us, even where we are killed.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(format!("qemu-system-{}", self.arch.name()))
            .args(["-nodefaults", "-display", "none", "-no-reboot", "-m", MEMORY, "-smp", "2"])
            .args(self.accel.arguments(self.arch))
            .arg("-serial")
            .arg(prefixed("file:", self.console))
            // On a pipe of ours; signals are none of its business.
            .args(["-chardev", "stdio,id=out,signal=off"])
            .args(ports)
            .arg("-kernel")
            .arg(self.image)
            .arg("-initrd")
            .arg(self.initramfs)
            .arg("-append")
            .arg(format!("console={console} {COMMAND_LINE} {}", self.append))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    }
}

/// Kills the machine, however we go.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lines(child: &mut Child) -> Result<Receiver<String>> {
    let output = child.stdout.take().context("no output")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// QEMU reads two commas as one that is not a separator.
fn prefixed(prefix: &str, path: &Path) -> PathBuf {
    format!("{prefix}{}", path.display().to_string().replace(',', ",,")).into()
}

fn has_virtualization(cpu: &str) -> bool {
    cpu.lines()
        .filter(|line| line.starts_with("flags"))
        .any(|line| line.split_whitespace().any(|flag| flag == "vmx" || flag == "svm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_processor_that_can_is_used() {
        assert!(has_virtualization("processor: 0\nflags\t\t: fpu vmx sse\n"));
        assert!(!has_virtualization("flags\t\t: fpu sse\nbugs: vmxish\n"));
    }

    #[test]
    fn commas_in_paths_separate_nothing() {
        assert_eq!(prefixed("file:", Path::new("/a,b")), Path::new("file:/a,,b"));
    }
}

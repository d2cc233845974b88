//! What runs in the machine, as its first process: does what the plan says, and switches off.

mod left;
mod mounts;
mod run;
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::process::Command;

use anyhow::{Context as _, Result};
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::sys::reboot::{RebootMode, reboot};

use super::protocol::{Event, OBJECT, PLAN, Plan};
use crate::object::inspect;
use crate::object::verify::{self, Verdict};

/// The second serial port: the first, which is of another kind on some machines, has the kernel's messages.
const OUTPUT: &str = if cfg!(target_arch = "x86_64") { "/dev/ttyS1" } else { "/dev/ttyS0" };

/// Whether this process is a machine's first.
pub fn is_here() -> bool {
    std::process::id() == 1 && std::path::Path::new(PLAN).exists()
}

/// Never returns: without its first process, a machine crashes.
pub fn main() -> ! {
    if let Err(error) = start() {
        // On the console, for the output may be what is missing.
        eprintln!("vm: {error:#}");
    }
    nix::unistd::sync();
    let _ = reboot(RebootMode::RB_POWER_OFF);
    loop {
        std::thread::park();
    }
}

fn start() -> Result<()> {
    mounts::all()?;
    let output = OpenOptions::new().read(true).write(true).open(OUTPUT).context("no second serial port")?;
    let mut guest = Guest { output };
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned();
    guest.tell(&Event::Booted { release })?;
    if let Err(error) = guest.work() {
        guest.tell(&Event::Trouble { what: format!("{error:#}") })?;
    }
    guest.tell(&Event::Done)
}

struct Guest {
    output: File,
}

impl Guest {
    fn work(&mut self) -> Result<()> {
        let plan: Plan = serde_json::from_slice(&fs::read(PLAN)?).context("the plan cannot be read")?;
        for path in &plan.modules {
            if let Err(error) = load(path) {
                self.tell(&Event::Trouble { what: format!("module {path}: {error:#}") })?;
            }
        }
        for (path, value) in &plan.sysctls {
            fs::write(format!("/proc/sys/{path}"), value).with_context(|| format!("set {path}"))?;
        }
        if !plan.programs.is_empty() {
            // For scripts; what is there stays.
            Command::new("/usr/bin/busybox").args(["--install", "-s", "/usr/bin"]).status()?;
            Command::new("/usr/bin/ip").args(["link", "set", "lo", "up"]).status()?;
            for (name, path) in &plan.programs {
                tests::program(self, &plan, name, path)?;
            }
        }
        // What the tests have left loaded need not be loaded again, which takes minutes.
        if plan.verify { self.verify() } else { Ok(()) }
    }

    fn verify(&mut self) -> Result<()> {
        let object = fs::read(OBJECT)?;
        let mut programs = inspect::found(&object)?;
        let mut verdicts = left::verdicts(&programs)?;
        programs.retain(|program| verdicts.iter().all(|(name, _)| *name != program.name));
        verdicts.extend(verify::verify(&object, &programs)?);
        for (program, verdict) in verdicts {
            self.tell(&match verdict {
                Verdict::Verified { walked, jited_bytes } => {
                    Event::Verified { program, instructions: walked, jited: jited_bytes }
                }
                Verdict::RefusedHere(reason) => Event::RefusedHere { program, reason },
                Verdict::Rejected(error) => Event::Rejected { program, log: format!("{error:#}") },
            })?;
        }
        Ok(())
    }

    fn tell(&mut self, event: &Event) -> Result<()> {
        self.output.write_all(event.line().as_bytes()).context("cannot write to the host")
    }
}

fn load(path: &str) -> Result<()> {
    let file = File::open(path)?;
    match finit_module(&file, c"", ModuleInitFlags::empty()) {
        // It came with another, or is built in.
        Ok(()) | Err(nix::Error::EEXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

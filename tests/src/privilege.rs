//! Whether privileged tests can run here.

use std::thread;

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, unshare};

use crate::bpf::sys;
use crate::cgroup;

/// Set to 1, lets a privileged test end with "NOT RUN" where it cannot run, instead of failing.
pub const ALLOW: &str = "BERTH_ALLOW_UNPRIVILEGED";

/// The first line of every privileged test: ends the test where it cannot run, if that has been allowed, and fails it
/// otherwise. The test returns `anyhow::Result<()>`.
#[macro_export]
macro_rules! privileged {
    () => {
        if !$crate::privilege::granted()? {
            return Ok(());
        }
    };
}

/// Whether privileged tests can run here; an error unless it has been allowed that they cannot.
pub fn granted() -> Result<bool> {
    let Err(error) = check() else { return Ok(true) };
    if std::env::var_os(ALLOW).is_some_and(|value| value == "1") {
        eprintln!("NOT RUN: {}: {error:#}", thread::current().name().unwrap_or("a privileged test"));
        return Ok(false);
    }
    Err(error)
        .with_context(|| format!("this test needs more than it has here ({ALLOW}=1 lets it be left out)"))
}

fn check() -> Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "it does not run as root");
    let unshared = thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET)).join();
    unshared.map_err(|_| anyhow::anyhow!("a thread failed"))?.context("no network namespace can be made")?;
    cgroup::mount_point()?;
    sys::create_array("berth_probe", 8, 1).context("no BPF map can be made")?;
    Ok(())
}

//! Rules in the kernel's own netfilter.

use std::io::{Seek as _, Write as _};

use anyhow::{Result, ensure};
use berth_tests::process::Process;
use berth_tests::{Endpoint, wait};

/// Puts tables in force in the namespace of `judge`, in place of those that are there.
pub fn restore(judge: &dyn Endpoint, is_ipv4: bool, text: &str) -> Result<()> {
    let mut input = tempfile::tempfile()?;
    input.write_all(text.as_bytes())?;
    input.rewind()?;
    let mut command = judge.command(if is_ipv4 { "iptables-restore" } else { "ip6tables-restore" })?;
    let output = Process::spawn_with_stdin(&mut command, input)?.wait(wait::LIMIT)?;
    ensure!(output.success(), "netfilter does not take the rules: {}{}", output.stdout, output.stderr);
    Ok(())
}

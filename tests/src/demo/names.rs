//! UDP.

use anyhow::Result;

use super::console::Console;
use super::dns::{ADDRESS, NAME};
use super::stage::Stage;
use crate::topology::REMOTE_V4;
use crate::wait::LIMIT;
use crate::{Endpoint as _, Process};

/// Both containers ask the same server for a name.
pub fn resolve(console: &mut Console, stage: &mut Stage) -> Result<()> {
    let server = REMOTE_V4.to_string();
    let (outputs, growth) = stage.during(|| {
        let clients = stage.guests().map(|guest| {
            let mut command = guest.command("busybox")?;
            Process::spawn(command.args(["nslookup", NAME, &server]))
        });
        let clients: Vec<Process> = clients.into_iter().collect::<Result<_>>()?;
        clients.into_iter().map(|client| client.wait(LIMIT)).collect::<Result<Vec<_>>>()
    })?;
    for (guest, output) in stage.guests().into_iter().zip(outputs) {
        let lines: Vec<&str> = output.stdout.lines().filter(|line| !line.trim().is_empty()).collect();
        console.show(guest.name(), &format!("nslookup {NAME} {server}"), &lines.join("\n"));
        console.check(
            &format!("{} has the answer", guest.name()),
            output.stdout.contains(&ADDRESS.to_string()),
            output.stderr,
        );
        let traffic = growth.traffic(guest.name());
        let counted = (traffic.incoming.packets, traffic.outgoing.packets);
        console.check(
            &format!("{}'s were 2 questions out (A and AAAA), 2 answers in", guest.name()),
            counted == (2, 2),
            format!("{counted:?}"),
        );
    }
    Ok(())
}

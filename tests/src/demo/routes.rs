//! Traceroute: ICMP errors, which are about other packets.

use anyhow::{Result, bail};

use super::console::Console;
use super::stage::Stage;
use crate::topology::{FAR_V4, REMOTE_V4};
use crate::wait::LIMIT;
use crate::{Endpoint as _, Output, Process};

/// How often it is tried again when both happen to have chosen the same port.
const TRIES: u32 = 3;

/// Both trace the way to the far host.
pub fn trace(console: &mut Console, stage: &mut Stage) -> Result<()> {
    let target = FAR_V4.to_string();
    let arguments = ["traceroute", "-n", "-q", "2", "-w", "1", "-m", "5", &target];
    let (outputs, growth) = stage.during(|| trace_at_once(stage, &arguments))?;
    for (guest, output) in stage.guests().into_iter().zip(outputs) {
        console.show(guest.name(), &arguments.join(" "), &output.stdout);
        let hops: Vec<&str> = output.stdout.lines().skip(1).collect();
        let through = hops.first().is_some_and(|hop| hop.contains(&REMOTE_V4.to_string()));
        let to = hops.get(1).is_some_and(|hop| hop.contains(&target));
        let lost = output.stdout.contains('*');
        console.check(
            &format!("{} sees both hops, and every probe is answered", guest.name()),
            through && to && !lost && hops.len() == 2,
            output.stderr,
        );
        let traffic = growth.traffic(guest.name());
        let counted = (traffic.incoming.packets, traffic.outgoing.packets);
        console.check(
            &format!("{}'s were 4 probes out, 4 errors in", guest.name()),
            counted == (4, 4),
            format!("{counted:?}"),
        );
    }
    Ok(())
}

/// The program takes its port from its process id, of which each container has its own: the second one's bind() fails
/// if they are the same, as it would without berth.
fn trace_at_once(stage: &Stage, arguments: &[&str]) -> Result<Vec<Output>> {
    for _ in 0..TRIES {
        let traces = stage.guests().map(|guest| Process::spawn(guest.command("busybox")?.args(arguments)));
        let traces: Vec<Process> = traces.into_iter().collect::<Result<_>>()?;
        let outputs = traces.into_iter().map(|trace| trace.wait(2 * LIMIT)).collect::<Result<Vec<_>>>()?;
        if !outputs.iter().any(|output| output.stderr.contains("in use")) {
            return Ok(outputs);
        }
    }
    bail!("both have chosen the same port, {TRIES} times")
}

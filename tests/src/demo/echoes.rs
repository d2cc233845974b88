//! Ping.

use std::io::Read as _;

use anyhow::Result;

use super::console::Console;
use super::stage::Stage;
use crate::frame::Packet;
use crate::sockets::{icmp, send_packet};
use crate::topology::{NODE_V4, REMOTE_V4, REMOTE2_V4};
use crate::wait::LIMIT;
use crate::{Endpoint as _, Process, Sockets as _};

/// Of both containers' pings.
const ID: u16 = 77;
const IP_HEADER: usize = 20;

/// Both ping with the program of that name.
pub fn ping(console: &mut Console, stage: &mut Stage) -> Result<()> {
    // Each in a process namespace of its own: both may have the same process id, hence the same echo id.
    let targets = [REMOTE_V4.to_string(), REMOTE2_V4.to_string()];
    let arguments = |target| ["ping", "-c", "5", "-i", "0.2", "-W", "2", target];
    let (outputs, growth) = stage.during(|| {
        let pings = stage
            .guests()
            .into_iter()
            .zip(&targets)
            .map(|(guest, target)| Process::spawn(guest.command("busybox")?.args(arguments(target))));
        let pings: Vec<Process> = pings.collect::<Result<_>>()?;
        pings.into_iter().map(|ping| ping.wait(LIMIT)).collect::<Result<Vec<_>>>()
    })?;
    for ((guest, target), output) in stage.guests().into_iter().zip(&targets).zip(outputs) {
        let lines: Vec<&str> = output.stdout.lines().filter(|line| line.contains("packet")).collect();
        console.show(guest.name(), &arguments(target).join(" "), &lines.join("\n"));
        let traffic = growth.traffic(guest.name());
        let counted = (traffic.incoming.packets, traffic.outgoing.packets);
        console.check(
            &format!("{}: five requests, five replies, none lost, all its own", guest.name()),
            output.stdout.contains("5 packets received") && counted == (5, 5),
            format!("{counted:?} of {}{}", output.stdout, output.stderr),
        );
    }
    stage.show_some(console, &["flows", "list"], |line| line.contains(" icmp "))?;
    Ok(())
}

/// Both use the same id with the same destination: the second goes by another on the wire, and hears of its own.
pub fn clash(console: &mut Console, stage: &mut Stage) -> Result<()> {
    for guest in stage.guests() {
        let mut socket = guest.raw_with_header(NODE_V4, icmp(NODE_V4))?;
        let request = Packet::echo_request(NODE_V4, REMOTE_V4, ID, 1).payload(guest.name()).build()?;
        send_packet(&socket, &request, REMOTE_V4)?;
        let mut reply = [0; 64];
        let length = socket.read(&mut reply)?;
        let id = reply.get(IP_HEADER + 4..IP_HEADER + 6) == Some(&ID.to_be_bytes()[..]);
        let own = reply.get(..length).is_some_and(|reply| reply.ends_with(guest.name().as_bytes()));
        let what = format!("{} pings {REMOTE_V4} with id {ID}, and gets its own reply", guest.name());
        console.check(&what, id && own, length);
    }
    stage.show_some(console, &["flows", "list"], |line| line.contains(&format!(" {REMOTE_V4} ")))?;
    Ok(())
}

//! Raw sockets.

use std::io::{ErrorKind, Read as _};
use std::time::Duration;

use anyhow::Result;
use socket2::Socket;

use super::console::Console;
use super::guest::Guest;
use super::stage::Stage;
use crate::Sockets as _;
use crate::frame::Packet;
use crate::sockets::{icmp, send_packet};
use crate::topology::{NODE_V4, REMOTE2_V4};

const IP_HEADER: usize = 20;
/// How long nothing has to come before it is taken that nothing will.
const QUIET: Duration = Duration::from_millis(300);

/// Both listen to all ICMP there is, and ping.
pub fn listen(console: &mut Console, stage: &mut Stage) -> Result<()> {
    let ids = [501_u16, 502];
    let (seen, growth) = stage.during(|| {
        let open = |guest: &Guest| guest.raw_with_header(NODE_V4, icmp(NODE_V4));
        let [web, app] = stage.guests().map(open);
        let sockets = [web?, app?];
        for sequence in 1..=3 {
            for (socket, id) in sockets.iter().zip(ids) {
                let request = Packet::echo_request(NODE_V4, REMOTE2_V4, id, sequence).build()?;
                send_packet(socket, &request, REMOTE2_V4)?;
            }
        }
        sockets.iter().map(replies).collect::<Result<Vec<_>>>()
    })?;
    Console::say(&format!("both open a raw ICMP socket; web pings with id {}, app with {}", ids[0], ids[1]));
    for ((guest, id), seen) in stage.guests().into_iter().zip(ids).zip(seen) {
        let name = guest.name();
        Console::say(&format!("{name}'s socket has seen replies to {seen:?}"));
        console.check(&format!("{name} has seen its own three, and no other"), seen == [id; 3], "");
        console.check(
            &format!("the other's three were withheld from {name}'s socket (not-owner)"),
            growth.drops(name, "not-owner") == 3,
            format!("{growth:?}"),
        );
    }
    Ok(())
}

/// The ids of the replies that a socket has.
fn replies(socket: &Socket) -> Result<Vec<u16>> {
    let mut socket = socket;
    socket.set_read_timeout(Some(QUIET))?;
    let mut ids = Vec::new();
    let mut packet = [0; 256];
    loop {
        match socket.read(&mut packet) {
            Ok(length) if length >= IP_HEADER + 6 => {
                ids.push(u16::from_be_bytes([packet[IP_HEADER + 4], packet[IP_HEADER + 5]]));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(ids),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

//! Events for people.

use std::net::{IpAddr, SocketAddr};

use crate::{
    api::{
        error::{ApiError, Code},
        event::{Event, Packet},
    },
    cli::output::Output,
};

/// The kind of event that is no packet.
const BIND: &str = "bind";

/// Prints one event in one line.
pub fn event(event: &Event, json: bool, output: &Output) -> Result<(), ApiError> {
    if json {
        let line = serde_json::to_string(event);
        return output.line(&line.map_err(|error| ApiError::new(Code::Failed, error.to_string()))?);
    }
    let Event { time, kind, container, reason, .. } = event;
    let what = if kind == BIND { bound(&event.packet) } else { packet(&event.packet) };
    let mut line = format!("{time} {container} {kind} {reason}: {what}");
    if let Some(holder) = &event.holder {
        line.push_str(" (held by ");
        line.push_str(holder);
        line.push(')');
    }
    match event.suppressed {
        0 => output.line(&line),
        more => output.line(&format!("{line} (and {more} more before)")),
    }
}

/// Of a call of bind(), only where to.
fn bound(packet: &Packet) -> String {
    format!("{} {}", packet.protocol, end(packet.dst, packet.dport))
}

fn packet(packet: &Packet) -> String {
    let Packet { protocol, src, sport, dst, dport, .. } = packet;
    format!("{protocol} {} > {}", end(*src, *sport), end(*dst, *dport))
}

/// An address with its port.
pub fn end(address: IpAddr, port: u16) -> String {
    SocketAddr::new(address, port).to_string()
}

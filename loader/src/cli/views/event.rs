//! Events for people.

use std::net::{IpAddr, SocketAddr};

use crate::{
    api::{
        error::{ApiError, Code},
        event::{Event, Packet},
    },
    cli::output::Output,
};

/// Prints one event in one line.
pub fn event(event: &Event, json: bool, output: &Output) -> Result<(), ApiError> {
    if json {
        let line = serde_json::to_string(event);
        return output.line(&line.map_err(|error| ApiError::new(Code::Failed, error.to_string()))?);
    }
    let Event { time, kind, container, reason, .. } = event;
    let mut line = format!("{time} {container} {kind} {reason}: {}", packet(&event.packet));
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

fn packet(packet: &Packet) -> String {
    let Packet { protocol, src, sport, dst, dport, .. } = packet;
    format!("{protocol} {} > {}", end(*src, *sport), end(*dst, *dport))
}

/// An address with its port.
pub fn end(address: IpAddr, port: u16) -> String {
    SocketAddr::new(address, port).to_string()
}

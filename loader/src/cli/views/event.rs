//! Events for people.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
};

use crate::{
    api::{
        error::{ApiError, Code},
        event::{Event, Logged, Packet},
        flow::Flow,
    },
    cli::output::Output,
};

/// The kind of event that is no packet.
const BIND: &str = "bind";
/// The flags of a TCP segment, as the kernel's own LOG calls and orders them.
const TCP_FLAGS: [(u8, &str); 8] = [
    (0x80, "CWR"),
    (0x40, "ECE"),
    (0x20, "URG"),
    (0x10, "ACK"),
    (0x08, "PSH"),
    (0x04, "RST"),
    (0x02, "SYN"),
    (0x01, "FIN"),
];

/// Prints one event in one line.
pub fn event(event: &Event, json: bool, output: &Output) -> Result<(), ApiError> {
    if json {
        let line = serde_json::to_string(event);
        return output.line(&line.map_err(|error| ApiError::new(Code::Failed, error.to_string()))?);
    }
    let Event { time, kind, container, reason, .. } = event;
    let what = if kind == BIND { bound(&event.packet) } else { packet(&event.packet) };
    let mut line = format!("{time} {container} {kind} {reason}: {what}");
    if let Some(log) = &event.log {
        line = format!("{time} {container} {kind} {}: {}{what}{}", log.chain, log.prefix, details(log));
    }
    if let Some(flow) = &event.flow {
        let Flow { state, out, back, age_ms, .. } = flow;
        line = format!(
            "{line}, {state}, {} packets ({} bytes) out, {} ({}) in, {}.{:03} s",
            out.packets,
            out.bytes,
            back.packets,
            back.bytes,
            age_ms / 1_000,
            age_ms % 1_000
        );
    }
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

/// More of a logged packet, in the words of the kernel's own LOG.
fn details(log: &Logged) -> String {
    let mut text = format!(" LEN={} TOS={:#04x} TTL={} MARK={:#x}", log.length, log.tos, log.ttl, log.mark);
    if let Some(flags) = log.tcp_flags {
        let set = TCP_FLAGS.iter().filter(|(flag, _)| flags & flag != 0);
        set.for_each(|(_, name)| text.extend([" ", name]));
    }
    if let Some(kind) = log.icmp_type {
        let _ = write!(text, " TYPE={kind}");
    }
    text
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

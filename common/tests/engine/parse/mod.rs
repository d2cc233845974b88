//! From bytes to headers.

mod corpus;
mod ftp;
mod icmp;
mod link;
mod network;
mod question;
mod transport;
mod truncated;

use berth_common::{
    abi::units::{Port, Protocol},
    engine::{
        Headers,
        headers::{Kind, Part},
    },
    memory::Bytes,
};

const V4: (&str, &str) = ("192.0.2.1", "198.51.100.7");
const V6: (&str, &str) = ("2001:db8::1", "2001:db8:f::7");
const BOTH: [(&str, &str); 2] = [V4, V6];

/// What a test expects of a packet's headers.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    protocol: u8,
    kind: Kind,
    ports: (u16, u16),
    detail: u8,
}

fn parsed(packet: &[u8]) -> Headers {
    Bytes(packet).in_packet().expect("headers")
}

fn seen(headers: &Headers) -> Expected {
    Expected {
        protocol: headers.protocol.0,
        kind: headers.kind,
        ports: (headers.source_port.0, headers.destination_port.0),
        detail: headers.detail,
    }
}

/// Headers with these fields, for comparison with all that was parsed.
fn headers(ends: (&str, &str), expected: &Expected, (transport, payload): (u32, u32)) -> Headers {
    Headers {
        source: crate::support::ip_address(ends.0).into(),
        destination: crate::support::ip_address(ends.1).into(),
        source_port: Port(expected.ports.0),
        destination_port: Port(expected.ports.1),
        fragment_id: 0,
        transport,
        payload: u16::try_from(payload).expect("it is small"),
        network: 0,
        protocol: Protocol(expected.protocol),
        kind: expected.kind,
        fragment: Part::Whole,
        detail: expected.detail,
    }
}

//! How flows stand, and how long they last.
//!
//! All of it is nf_conntrack's (net/netfilter/nf_conntrack_proto_{tcp,udp,gre,icmp,generic}.c). How TCP moves on is in
//! [`super::tcp`], and SCTP in [`super::sctp`].

use super::Headers;
use crate::{
    abi::{
        config::Config,
        flow::State,
        timeout::Timeout,
        units::{Nanos, Protocol},
    },
    wire::tcp,
};

/// One that has ended before it was answered: until the packet that has ended it is at its destination. (nf_conntrack deletes
/// the entry, which that packet keeps.)
pub const OVER: Nanos = Nanos::seconds(1);

/// UDP that goes to and fro for so long is a stream.
const STREAM: Nanos = Nanos::seconds(2);

/// Whether a protocol's packets say where a flow stands, and may make no sense in it.
#[inline(always)]
pub const fn has_phases(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::TCP | Protocol::SCTP)
}

/// Whether a flow can begin with a packet. `policy` is [`Tables::tcp`](super::Tables::tcp).
#[inline(always)]
pub const fn may_begin(headers: &Headers, policy: u32) -> bool {
    match headers.protocol {
        Protocol::TCP => segment_may_begin(headers.detail, policy),
        Protocol::SCTP => headers.detail != 0,
        _ => true,
    }
}

/// A connection begins with a SYN, or in mid-stream with a plain ACK (`nf_conntrack_tcp_loose`).
#[inline(always)]
const fn segment_may_begin(flags: u8, policy: u32) -> bool {
    let ack = flags & tcp::ACK != 0;
    match flags & (tcp::SYN | tcp::FIN | tcp::RST) {
        tcp::SYN => !ack,
        0 => ack && policy & Config::TCP_STRICT == 0,
        _ => false,
    }
}

/// A flow of a protocol without phases that nobody has answered.
#[inline(always)]
pub const fn unreplied(protocol: Protocol) -> Timeout {
    match protocol {
        Protocol::UDP | Protocol::UDPLITE => Timeout::UDP,
        Protocol::ICMP => Timeout::ICMP,
        Protocol::ICMPV6 => Timeout::ICMPV6,
        Protocol::GRE => Timeout::GRE,
        _ => Timeout::GENERIC,
    }
}

/// One that goes to and fro, and is worth keeping for that.
#[inline(always)]
const fn assured(protocol: Protocol) -> Option<Timeout> {
    match protocol {
        Protocol::UDP | Protocol::UDPLITE => Some(Timeout::UDP_STREAM),
        Protocol::GRE => Some(Timeout::GRE_STREAM),
        _ => None,
    }
}

/// Where a flow of a protocol without phases stands after one more packet, at the `age` that it has, and how long it lasts
/// then.
#[inline(always)]
pub fn next(state: State, from_opener: bool, protocol: Protocol, age: Nanos) -> (State, Timeout) {
    let after = if from_opener { state } else { state.with(State::REPLIED) };
    match assured(protocol) {
        Some(timeout) if state.has(State::REPLIED) && (protocol != Protocol::UDP || age > STREAM) => {
            (after.with(State::ASSURED), timeout)
        }
        _ => (after, unreplied(protocol)),
    }
}

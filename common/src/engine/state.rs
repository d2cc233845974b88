//! The states of a flow and how long each lasts.
//!
//! States and timeouts are nf_conntrack's (net/netfilter/nf_conntrack_proto_{tcp,udp,icmp,generic}.c), without its
//! window tracking.

use crate::{
    abi::{
        flow::{Flow, State},
        units::{Nanos, Protocol},
    },
    wire::tcp,
};

/// The state a flow begins in, given the protocol and TCP flags of its first packet.
#[inline(always)]
pub const fn first(protocol: Protocol, flags: u8) -> State {
    match protocol {
        Protocol::TCP if flags & tcp::RST != 0 => State::Close,
        Protocol::TCP => match (flags & tcp::SYN != 0, flags & tcp::ACK != 0) {
            (true, false) => State::SynSent,
            (true, true) => State::SynRecv,
            _ => State::Established,
        },
        _ => State::Unreplied,
    }
}

/// Whether a flow of TCP can begin with a packet of these flags: with a SYN, or in mid-stream with a plain ACK
/// (`nf_conntrack_tcp_loose`).
#[inline(always)]
pub const fn may_begin(flags: u8) -> bool {
    let ack = flags & tcp::ACK != 0;
    match flags & (tcp::SYN | tcp::FIN | tcp::RST) {
        tcp::SYN => !ack,
        0 => ack,
        _ => false,
    }
}

/// State and flags after one more packet with these TCP flags.
#[inline(always)]
pub const fn next(state: State, flags: u8, from_opener: bool, tcp_flags: u8) -> (State, u8) {
    let flags = if from_opener { flags } else { flags | Flow::REPLIED };
    match state {
        State::Unreplied if from_opener => (State::Unreplied, flags),
        State::Unreplied | State::Replied => (State::Replied, flags),
        _ => tcp_next(state, flags, from_opener, tcp_flags),
    }
}

#[inline(always)]
const fn tcp_next(state: State, flags: u8, from_opener: bool, tcp_flags: u8) -> (State, u8) {
    if tcp_flags & tcp::RST != 0 {
        return (State::Close, flags);
    }
    let syn = tcp_flags & tcp::SYN != 0;
    let ack = tcp_flags & tcp::ACK != 0;
    if syn && !ack && from_opener && matches!(state, State::TimeWait | State::Close) {
        return (State::SynSent, flags & Flow::OPENER_LOW);
    }
    let flags = match (tcp_flags & tcp::FIN != 0, from_opener) {
        (false, _) => flags,
        (true, true) => flags | Flow::OPENER_FIN,
        (true, false) => flags | Flow::RESPONDER_FIN,
    };
    let closed = match (flags & Flow::OPENER_FIN != 0, flags & Flow::RESPONDER_FIN != 0) {
        (true, true) => return (State::TimeWait, flags),
        (false, false) => false,
        _ => true,
    };
    let next = match state {
        _ if closed => State::FinWait,
        State::SynSent if syn && !from_opener => State::SynRecv,
        State::SynSent | State::SynRecv if ack && !syn => State::Established,
        other => other,
    };
    (next, flags)
}

/// How long a flow in `state` with these flags lasts without packets.
#[inline(always)]
pub const fn timeout(state: State, flags: u8, protocol: Protocol) -> Nanos {
    match state {
        State::Unreplied => match protocol {
            Protocol::UDP | Protocol::UDPLITE | Protocol::ICMP | Protocol::ICMPV6 | Protocol::GRE => {
                Nanos::seconds(30)
            }
            _ => Nanos::seconds(600),
        },
        State::Replied => match protocol {
            Protocol::UDP | Protocol::UDPLITE => Nanos::seconds(120),
            Protocol::ICMP | Protocol::ICMPV6 => Nanos::seconds(30),
            Protocol::GRE => Nanos::seconds(180),
            _ => Nanos::seconds(600),
        },
        State::SynSent | State::FinWait | State::TimeWait => Nanos::seconds(120),
        State::SynRecv => Nanos::seconds(60),
        // Picked up in mid-stream, and only one side heard so far.
        State::Established if flags & Flow::REPLIED == 0 => Nanos::seconds(300),
        // 5 days, as TCP allows.
        State::Established => Nanos::seconds(432_000),
        State::Close => Nanos::seconds(10),
    }
}

//! How flows stand, and how long they last.
//!
//! All of it is nf_conntrack's (net/netfilter/nf_conntrack_proto_{tcp,udp,gre,icmp,generic}.c). How TCP moves on is in
//! [`super::tcp`].

use crate::{
    abi::{
        config::Config,
        flow::{Phase, State},
        units::{Nanos, Protocol},
    },
    wire::tcp,
};

/// A connection that waits for an acknowledgement, at most (`nf_conntrack_tcp_timeout_unacknowledged`).
pub const UNACKNOWLEDGED: Nanos = Nanos::seconds(300);
/// One whose end repeats itself, at most (`nf_conntrack_tcp_timeout_max_retrans`).
pub const REPEATING: Nanos = Nanos::seconds(300);
/// One that has ended before it was answered: until the packet that has ended it is at its destination. (nf_conntrack deletes
/// the entry, which that packet keeps.)
pub const OVER: Nanos = Nanos::seconds(1);

/// UDP that goes to and fro for so long is a stream.
const STREAM: Nanos = Nanos::seconds(2);

/// Whether a flow of TCP can begin with a packet of these flags: with a SYN, or in mid-stream with a plain ACK
/// (`nf_conntrack_tcp_loose`). `policy` is [`Tables::tcp`](super::Tables::tcp).
#[inline(always)]
pub const fn may_begin(flags: u8, policy: u32) -> bool {
    let ack = flags & tcp::ACK != 0;
    match flags & (tcp::SYN | tcp::FIN | tcp::RST) {
        tcp::SYN => !ack,
        0 => ack && policy & Config::TCP_STRICT == 0,
        _ => false,
    }
}

/// A TCP connection in this phase.
#[inline(always)]
pub const fn of_phase(phase: Phase) -> Nanos {
    match phase {
        Phase::SynSent | Phase::SynSent2 | Phase::FinWait | Phase::TimeWait => Nanos::seconds(120),
        // One of no phase but tells whose it is.
        Phase::SynRecv | Phase::CloseWait | Phase::None => Nanos::seconds(60),
        // 5 days, as TCP allows.
        Phase::Established => Nanos::seconds(432_000),
        Phase::LastAck => Nanos::seconds(30),
        Phase::Close => Nanos::seconds(10),
    }
}

/// A flow of another protocol than TCP that nobody has answered.
#[inline(always)]
pub const fn unreplied(protocol: Protocol) -> Nanos {
    match protocol {
        Protocol::UDP | Protocol::UDPLITE | Protocol::ICMP | Protocol::ICMPV6 | Protocol::GRE => {
            Nanos::seconds(30)
        }
        _ => Nanos::seconds(600),
    }
}

/// One that goes to and fro, and is worth keeping for that.
#[inline(always)]
const fn assured(protocol: Protocol) -> Option<Nanos> {
    match protocol {
        Protocol::UDP | Protocol::UDPLITE => Some(Nanos::seconds(120)),
        Protocol::GRE => Some(Nanos::seconds(180)),
        _ => None,
    }
}

/// Where a flow of another protocol than TCP stands after one more packet, at the `age` that it has, and how long it lasts
/// then.
#[inline(always)]
pub fn next(state: State, from_opener: bool, protocol: Protocol, age: Nanos) -> (State, Nanos) {
    let after = if from_opener { state } else { state.with(State::REPLIED) };
    match assured(protocol) {
        Some(lifetime) if state.has(State::REPLIED) && (protocol != Protocol::UDP || age > STREAM) => {
            (after.with(State::ASSURED), lifetime)
        }
        _ => (after, unreplied(protocol)),
    }
}

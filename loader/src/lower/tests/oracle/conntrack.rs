//! `conntrack_mt` (net/netfilter/xt_conntrack.c), line by line.

use super::{
    super::packet::{Packet, Tracking},
    matching::{agrees, in_network, in_ports},
};
use crate::rules::{
    condition::Condition,
    matches::conntrack::{Conntrack, CtState, CtStatus, Direction, End},
    values::flags::Flags,
};

/// A flow as it is known from one of its packets: its first packet's ends. What an ICMP error does not tell is missing.
struct Flow {
    protocol: Option<u8>,
    source: Option<u128>,
    destination: Option<u128>,
    ports: Option<(u16, u16)>,
}

pub(super) fn conntrack(wanted: &Conntrack, packet: &Packet) -> bool {
    let (state, flow) = match packet.tracking {
        Tracking::Untracked => (CtState::Untracked, None),
        Tracking::Invalid => (CtState::Invalid, None),
        Tracking::Flow { state, direction, status } => (state, Some((direction, status))),
    };
    if !agrees(wanted.state.as_ref(), |states| states.contains(state)) {
        return false;
    }
    let Some((direction, status)) = flow else {
        return wanted.state.is_some();
    };
    if wanted.direction.is_some_and(|wanted| wanted != direction) {
        return false;
    }
    let flow = flow_of(packet, state, direction);
    let reply = Flow {
        protocol: flow.protocol,
        source: flow.destination,
        destination: flow.source,
        ports: flow.ports.map(|(source, destination)| (destination, source)),
    };
    known(wanted.protocol.as_ref(), flow.protocol, |protocol, is| protocol.0 == is)
        && ends(&wanted.original_source, &wanted.original_destination, &flow)
        && ends(&wanted.reply_source, &wanted.reply_destination, &reply)
        && agrees(wanted.status.as_ref(), |wanted| {
            let bit = |flag| match flag {
                CtStatus::Expected => 1,
                CtStatus::SeenReply => 2,
                CtStatus::Assured => 4,
                CtStatus::Confirmed => 8,
            };
            wanted.iter().any(|flag| status & bit(flag) != 0)
        })
}

/// `state_mt`, which is the same of states alone.
pub(super) fn state(wanted: Condition<Flags<CtState>>, packet: &Packet) -> bool {
    conntrack(&Conntrack { state: Some(wanted), ..Conntrack::default() }, packet)
}

/// Whether the packet's connection has a master, whose helper is the only one.
pub(super) const fn was_announced(packet: &Packet) -> bool {
    match packet.tracking {
        Tracking::Untracked | Tracking::Invalid => false,
        Tracking::Flow { status, .. } => status & 1 != 0,
    }
}

fn flow_of(packet: &Packet, state: CtState, direction: Direction) -> Flow {
    let is_error = state == CtState::Related && packet.is_icmp();
    let ports = if packet.is_icmp() { None } else { Some(packet.ports().unwrap_or((0, 0))) };
    let far = (!is_error).then_some(packet.source);
    let near = Some(packet.destination);
    let protocol = (!is_error).then_some(packet.protocol);
    match direction {
        Direction::Original => Flow { protocol, source: far, destination: near, ports },
        Direction::Reply => Flow {
            protocol,
            source: near,
            destination: far,
            ports: ports.map(|(source, destination)| (destination, source)),
        },
    }
}

fn ends(source: &End, destination: &End, flow: &Flow) -> bool {
    known(source.address.as_ref(), flow.source, in_network)
        && known(destination.address.as_ref(), flow.destination, in_network)
        && known(source.port.as_ref(), flow.ports, |range, (port, _)| in_ports(*range, port))
        && known(destination.port.as_ref(), flow.ports, |range, (_, port)| in_ports(*range, port))
}

/// Whether what is asked, if anything is, has the answer that is wanted; it has none if that is not known.
fn known<T, V>(
    asked: Option<&crate::rules::condition::Condition<T>>,
    value: Option<V>,
    is: impl FnOnce(&T, V) -> bool,
) -> bool {
    match (asked, value) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(asked), Some(value)) => is(&asked.value, value) != asked.negated,
    }
}

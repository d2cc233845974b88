//! State and ends of the flow (net/netfilter/xt_conntrack.c).
//!
//! A packet of no flow (invalid, untracked) satisfies nothing but states; and if a rule asks for its state, and gets it,
//! the kernel does not look at what else the rule says.
//!
//! What the rule says of the flow's ends is found in the packet, as its direction has it; as long as no address is
//! translated, the ends of the replies are those of the flow the other way round. An ICMP error is the exception: the flow
//! that it is about is in the packet it quotes. Its own destination is an end of the flow (the kernel checks that too), but
//! protocol, ports, and the other end are not known, so that it satisfies no condition on them, negated or not. The same
//! goes for the ports of ICMP flows, which are ids to the kernel. Flows of protocols without ports have port 0.

use berth_common::abi::{
    rules::dimension::{direction, state},
    units::Protocol,
};

use super::super::{
    Reason,
    values::{self, ports, signed},
};
use crate::{
    compile::{
        Values,
        input::{Condition, Dimension, Family},
    },
    rules::{
        self,
        matches::conntrack::{Conntrack, CtState, CtStatus, Direction, End},
        values::flags::Flags,
    },
};

type Fields = Vec<(Dimension, Values)>;

/// `-m state`, or `--ctstate` alone.
pub(super) fn state(asked: rules::condition::Condition<Flags<CtState>>, family: Family) -> Condition {
    Condition::Field(Dimension::State, states(asked, family))
}

pub(super) fn conditions(conntrack: &Conntrack, family: Family) -> Result<Vec<Condition>, Reason> {
    let asked = match conntrack.state {
        Some(asked) => states(asked, family),
        None => tracked(),
    };
    if (Conntrack { state: None, ..conntrack.clone() }) == Conntrack::default() {
        return Ok(vec![Condition::Field(Dimension::State, asked)]);
    }
    let flow = Flow::new(conntrack, family)?;
    let mut alternatives: Vec<Fields> = Vec::new();
    for way in [Direction::Original, Direction::Reply] {
        if conntrack.direction.is_none_or(|wanted| wanted == way) {
            alternatives.extend(flow.alternatives(way, &asked));
        }
    }
    alternatives.push(vec![(Dimension::State, asked.without(&tracked()))]);
    Ok(vec![Condition::Either(alternatives)])
}

/// The states that a packet may be in. No flow is translated.
fn states(asked: rules::condition::Condition<Flags<CtState>>, family: Family) -> Values {
    let number = |asked| match asked {
        CtState::Invalid => Some(state::INVALID),
        CtState::New => Some(state::NEW),
        CtState::Related => Some(state::RELATED),
        CtState::Established => Some(state::ESTABLISHED),
        CtState::Untracked => Some(state::UNTRACKED),
        CtState::Snat | CtState::Dnat => None,
    };
    let numbers = asked.value.iter().filter_map(number).map(|number| number.into()..=number.into());
    signed(Dimension::State, Values::new(numbers), asked.negated, family)
}

/// The states of packets that have a flow.
fn tracked() -> Values {
    Values::new([state::NEW.into()..=state::RELATED.into()])
}

/// What a rule asks of a flow.
struct Flow {
    family: Family,
    /// Conditions that do not depend on the direction, and what is asked of the protocol.
    status: Option<Values>,
    protocol: Option<Values>,
    /// The end that has opened it, and the other one.
    opener: Asked,
    responder: Asked,
}

/// What a rule asks of one end.
#[derive(Default)]
struct Asked {
    address: Option<Values>,
    port: Option<Values>,
}

impl Flow {
    fn new(conntrack: &Conntrack, family: Family) -> Result<Self, Reason> {
        let protocol = conntrack.protocol.map(|protocol| {
            signed(Dimension::Protocol, Values::one(protocol.value.0), protocol.negated, family)
        });
        Ok(Self {
            family,
            status: conntrack
                .status
                .map(|status| signed(Dimension::Status, statuses(status.value), status.negated, family)),
            protocol,
            opener: Asked::of([&conntrack.original_source, &conntrack.reply_destination], family)?,
            responder: Asked::of([&conntrack.original_destination, &conntrack.reply_source], family)?,
        })
    }

    /// What a packet in one direction may be like.
    fn alternatives(&self, way: Direction, states: &Values) -> Vec<Fields> {
        let (number, source, destination) = match way {
            Direction::Original => (direction::ORIGINAL, &self.opener, &self.responder),
            Direction::Reply => (direction::REPLY, &self.responder, &self.opener),
        };
        let mut known = vec![(Dimension::Direction, Values::one(number))];
        known.extend(self.status.iter().map(|status| (Dimension::Status, status.clone())));
        known.extend(destination.address.iter().map(|address| (Dimension::Destination, address.clone())));
        let mut own = Vec::new();
        own.extend(source.address.iter().map(|address| (Dimension::Source, address.clone())));
        own.extend(self.protocol.iter().map(|protocol| (Dimension::Protocol, protocol.clone())));
        let ports = [(Dimension::SourcePort, source), (Dimension::DestinationPort, destination)]
            .into_iter()
            .filter_map(|(dimension, end)| Some((dimension, end.port.clone()?)));
        own.extend(ports);
        let states = states.intersection(&tracked());
        let with = |fields: &[(Dimension, Values)], states: &Values| {
            [&known[..], fields, &[(Dimension::State, states.clone())]].concat()
        };
        if own.is_empty() {
            return vec![with(&[], &states)];
        }
        if source.port.is_some() || destination.port.is_some() {
            own = self.but_icmp(own);
            return vec![with(&own, &states)];
        }
        let related = Values::one(state::RELATED);
        vec![with(&own, &states.without(&related)), with(&self.but_icmp(own), &states.intersection(&related))]
    }

    /// The same for packets that are not ICMP.
    fn but_icmp(&self, mut fields: Fields) -> Fields {
        let icmp = match self.family {
            Family::Ipv4 => Protocol::ICMP,
            Family::Ipv6 => Protocol::ICMPV6,
        };
        let other = Values::one(icmp.0).except(Dimension::Protocol, self.family);
        match fields.iter_mut().find(|(dimension, _)| *dimension == Dimension::Protocol) {
            Some((_, values)) => *values = values.intersection(&other),
            None => fields.push((Dimension::Protocol, other)),
        }
        fields
    }
}

impl Asked {
    /// What is asked of an end, under both of its names.
    fn of(ends: [&End; 2], family: Family) -> Result<Self, Reason> {
        let mut asked = Self::default();
        for end in ends {
            if let Some(address) = end.address {
                let values =
                    signed(Dimension::Source, values::network(&address.value)?, address.negated, family);
                asked.address = Some(narrowed(asked.address, values));
            }
            if let Some(port) = end.port {
                let mut values = signed(Dimension::SourcePort, ports(port.value), port.negated, family);
                if values.contains(0) {
                    values = values.union(&Values::absent());
                }
                asked.port = Some(narrowed(asked.port, values));
            }
        }
        Ok(asked)
    }
}

fn narrowed(before: Option<Values>, values: Values) -> Values {
    match before {
        Some(before) => before.intersection(&values),
        None => values,
    }
}

/// Any of these; NONE, which is the empty mask, is no flow's (`status_mask & ct->status`).
fn statuses(asked: Flags<CtStatus>) -> Values {
    use berth_common::abi::rules::status::{ASSURED, CONFIRMED, EXPECTED, SEEN_REPLY};
    let mask = asked.iter().fold(0, |mask, status| {
        mask | match status {
            CtStatus::Expected => EXPECTED,
            CtStatus::SeenReply => SEEN_REPLY,
            CtStatus::Assured => ASSURED,
            CtStatus::Confirmed => CONFIRMED,
        }
    });
    Values::new([0..=u8::MAX.into()]).without(&Values::masked(mask, 0))
}

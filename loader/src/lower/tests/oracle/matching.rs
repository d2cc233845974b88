//! Header and matches, as the kernel's files of their names evaluate them.

use std::collections::HashMap;

use berth_common::engine::classify::Surroundings;

use super::{
    super::packet::{Packet, Part, Upper},
    conntrack,
};
use crate::{
    compile::{input::Family, tests::world::World},
    rules::{
        condition::Condition,
        header::Header,
        matches::{
            Match,
            addrtype::AddressType,
            frag::More,
            hl::Hl,
            icmp::IcmpType,
            icmp6::Icmp6Type,
            multiport::Side,
            statistic::Statistic,
            tcp::{Tcp, TcpFlag},
            ttl::Ttl,
        },
        values::{
            flags::{Flag, Flags},
            interface::Interface,
            network::Network,
            ports::PortRange,
            range::AddressRange,
        },
    },
};

/// Nanoseconds of a tick of the clock, of which there are 250 in a second.
pub(in crate::lower::tests) const JIFFY: u64 = 4_000_000;

/// Credits in a tick (`CREDITS_PER_JIFFY`).
const CREDITS: u64 = 128;

/// What matches keep, by their address.
#[derive(Default)]
pub(super) struct State {
    limits: HashMap<*const Match, LimitState>,
    turns: HashMap<*const Match, u32>,
}

struct LimitState {
    previous: u64,
    credit: u64,
}

pub(super) fn header(header: &Header, packet: &Packet) -> bool {
    let is_fragment = matches!(packet.part, Part::Later | Part::Last);
    agrees(header.source.as_ref(), |network| in_network(network, packet.source))
        && agrees(header.destination.as_ref(), |network| in_network(network, packet.destination))
        && agrees(header.input.as_ref(), |interface| is_called(interface, packet.input))
        && agrees(header.output.as_ref(), |interface| is_called(interface, packet.output))
        && agrees(header.protocol.as_ref(), |protocol| protocol.0 == packet.protocol)
        && agrees(header.fragment.as_ref(), |()| is_fragment)
}

/// Whether what is asked, if anything is, has the answer that is wanted.
pub(super) fn agrees<T>(asked: Option<&Condition<T>>, is: impl FnOnce(&T) -> bool) -> bool {
    asked.is_none_or(|asked| is(&asked.value) != asked.negated)
}

pub(super) fn in_network(network: &Network, address: u128) -> bool {
    match network {
        Network::V4 { address: wanted, mask } => {
            address & u128::from(mask.to_bits()) == u128::from(wanted.to_bits())
        }
        Network::V6 { address: wanted, mask } => address & mask.to_bits() == wanted.to_bits(),
    }
}

pub(super) fn in_ports(range: PortRange, port: u16) -> bool {
    (range.first..=range.last).contains(&port)
}

fn in_range(range: &AddressRange, address: u128) -> bool {
    match range {
        AddressRange::V4 { first, last } => {
            (u128::from(first.to_bits())..=u128::from(last.to_bits())).contains(&address)
        }
        AddressRange::V6 { first, last } => (first.to_bits()..=last.to_bits()).contains(&address),
    }
}

/// A packet without an interface is at one without a name.
fn is_called(interface: &Interface, name: Option<&str>) -> bool {
    let name = name.unwrap_or_default();
    match interface {
        Interface::Name(wanted) => wanted == name,
        Interface::Prefix(prefix) => name.starts_with(prefix.as_str()),
    }
}

impl State {
    pub(super) fn holds(&mut self, one: &Match, packet: &Packet, world: &mut World) -> bool {
        match one {
            Match::Comment(_) => true,
            Match::Addrtype(addrtype) => {
                agrees(addrtype.source.as_ref(), |types| {
                    is_of_type(*types, packet.source_type, packet.family)
                }) && agrees(addrtype.destination.as_ref(), |types| {
                    is_of_type(*types, packet.destination_type, packet.family)
                })
            }
            Match::Conntrack(wanted) => conntrack::conntrack(wanted, packet),
            Match::Helper(helper) => conntrack::was_announced(packet) != helper.name.negated,
            Match::State(state) => conntrack::state(state.state, packet),
            Match::Dscp(dscp) => agrees(Some(&dscp.value), |point| packet.tos >> 2 == point.0),
            Match::Tos(tos) => agrees(Some(&tos.value), |tos| packet.tos & tos.mask == tos.value),
            Match::Length(length) => agrees(Some(&length.length), |range| {
                (u32::from(range.first)..=u32::from(range.last)).contains(&packet.length)
            }),
            Match::Ttl(ttl) => match ttl {
                Ttl::Is(hops) => agrees(Some(hops), |hops| packet.ttl == *hops),
                Ttl::Below(hops) => packet.ttl < *hops,
                Ttl::Above(hops) => packet.ttl > *hops,
            },
            Match::Hl(hl) => match hl {
                Hl::Is(hops) => agrees(Some(hops), |hops| packet.ttl == *hops),
                Hl::Below(hops) => packet.ttl < *hops,
                Hl::Above(hops) => packet.ttl > *hops,
            },
            Match::Frag(frag) => {
                let (is_first, follows) = match packet.part {
                    Part::Whole => return false,
                    Part::First => (true, true),
                    Part::Later => (false, true),
                    Part::Last => (false, false),
                    Part::Atomic => (true, false),
                };
                (is_first || !frag.first) && frag.more.is_none_or(|more| follows == (more == More::Follow))
            }
            Match::Icmp(icmp) => is_icmp(packet, icmp.kind.negated, |kind, code| match icmp.kind.value {
                IcmpType::Any => true,
                IcmpType::Type(wanted) => kind == wanted,
                IcmpType::Code(wanted, with) => (kind, code) == (wanted, with),
            }),
            Match::Icmp6(icmp) => is_icmp(packet, icmp.kind.negated, |kind, code| match icmp.kind.value {
                Icmp6Type::Type(wanted) => kind == wanted,
                Icmp6Type::Code(wanted, with) => (kind, code) == (wanted, with),
            }),
            Match::Iprange(iprange) => {
                agrees(iprange.source.as_ref(), |range| in_range(range, packet.source))
                    && agrees(iprange.destination.as_ref(), |range| in_range(range, packet.destination))
            }
            Match::Mac(mac) => {
                packet.mac.is_some_and(|address| agrees(Some(&mac.source), |wanted| wanted.0 == address))
            }
            Match::Mark(mark) => agrees(Some(&mark.mark), |mark| packet.mark & mark.mask == mark.value),
            Match::Pkttype(kind) => agrees(Some(&kind.kind), |kind| packet.kind == *kind),
            Match::Multiport(multiport) => packet.ports().is_some_and(|(source, destination)| {
                let listed = |port: u16| multiport.ports.value.0.iter().any(|range| in_ports(*range, port));
                let is = match multiport.side {
                    Side::Source => listed(source),
                    Side::Destination => listed(destination),
                    Side::Either => listed(source) || listed(destination),
                };
                is != multiport.ports.negated
            }),
            Match::Udp(udp) => packet.ports().is_some_and(|(source, destination)| {
                agrees(udp.source.as_ref(), |range| in_ports(*range, source))
                    && agrees(udp.destination.as_ref(), |range| in_ports(*range, destination))
            }),
            Match::Tcp(tcp) => is_tcp(tcp, packet),
            Match::Limit(limit) => {
                let (now, avg) = (world.now / JIFFY, limit.rate.interval);
                let cap = user2credits(avg * u64::from(limit.burst));
                let state = self.limits.entry(one).or_insert(LimitState { previous: now, credit: cap });
                state.credit = (state.credit + (now - state.previous) * CREDITS).min(cap);
                state.previous = now;
                let cost = user2credits(avg);
                let has = state.credit >= cost;
                if has {
                    state.credit -= cost;
                }
                has
            }
            Match::Statistic(Statistic::Random { probability }) => {
                agrees(Some(probability), |share| world.random() & 0x7fff_ffff < share.0)
            }
            Match::Statistic(Statistic::Nth { every, packet }) => {
                let last = every.value - 1;
                let count = self.turns.entry(one).or_insert(last - packet);
                *count = if *count == last { 0 } else { *count + 1 };
                (*count == 0) != every.negated
            }
            Match::Connlimit(_)
            | Match::Connmark(_)
            | Match::Hashlimit(_)
            | Match::Recent(_)
            | Match::Set(_) => {
                panic!("{} is nothing that can be told from the packet", one.name())
            }
        }
    }
}

/// xt_limit.c with HZ 250.
fn user2credits(user: u64) -> u64 {
    if user > 0xffff_ffff / (250 * CREDITS) {
        return user / 10_000 * 250 * CREDITS;
    }
    user * 250 * CREDITS / 10_000
}

fn is_icmp(packet: &Packet, negated: bool, is: impl FnOnce(u8, u8) -> bool) -> bool {
    match packet.upper {
        Upper::Icmp(kind, code) => is(kind, code) != negated,
        Upper::Bare | Upper::Ports(..) | Upper::Tcp { .. } => false,
    }
}

fn is_tcp(tcp: &Tcp, packet: &Packet) -> bool {
    let Upper::Tcp { source, destination, flags, options } = packet.upper else {
        return false;
    };
    let bits = |wanted: Flags<TcpFlag>| {
        let bit = |flag: &TcpFlag| match flag {
            TcpFlag::Fin => 1,
            TcpFlag::Syn => 2,
            TcpFlag::Rst => 4,
            TcpFlag::Psh => 8,
            TcpFlag::Ack => 16,
            TcpFlag::Urg => 32,
        };
        TcpFlag::NAMES
            .iter()
            .filter(|(_, flag)| wanted.contains(*flag))
            .map(|(_, flag)| bit(flag))
            .sum::<u8>()
    };
    agrees(tcp.source.as_ref(), |range| in_ports(*range, source))
        && agrees(tcp.destination.as_ref(), |range| in_ports(*range, destination))
        && agrees(tcp.flags.as_ref(), |wanted| flags & bits(wanted.mask) == bits(wanted.set))
        && agrees(tcp.option.as_ref(), |kind| *kind < 8 && options >> kind & 1 != 0)
}

/// `match_type`, and of IPv6 `match_type6`, which wants all types of the mask.
fn is_of_type(wanted: Flags<AddressType>, kind: Option<AddressType>, family: Family) -> bool {
    if family == Family::Ipv4 {
        return kind.is_some_and(|kind| wanted.contains(kind));
    }
    let is_local = kind == Some(AddressType::Local);
    let is_unicast = is_local || kind == Some(AddressType::Unicast);
    let is_multicast = kind == Some(AddressType::Multicast);
    wanted.iter().all(|kind| match kind {
        AddressType::Multicast => is_multicast,
        AddressType::Unicast => is_unicast,
        AddressType::Local => is_local,
        AddressType::Broadcast => false,
    })
}

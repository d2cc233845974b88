//! Packets aimed at the ends of what rules name.

use berth_common::memory::generate::Random;

use super::packet::{Packet, Part, Tracking, Upper};
use crate::{
    compile::input::{BuiltIn, Family},
    rules::{
        condition::Condition,
        matches::{
            Match,
            addrtype::AddressType,
            conntrack::{CtState, Direction, End},
            hl::Hl,
            icmp::IcmpType,
            icmp6::Icmp6Type,
            pkttype::PacketType,
            ttl::Ttl,
        },
        rule::Rule,
        ruleset::Ruleset,
        values::{network::Network, ports::PortRange, range::AddressRange},
    },
};

/// What rules name, and its neighbours.
#[derive(Default)]
pub(super) struct Targets {
    addresses: Vec<u128>,
    ports: Vec<u16>,
    icmp: Vec<(u8, u8)>,
    protocols: Vec<u8>,
    lengths: Vec<u32>,
    tos: Vec<u8>,
    hops: Vec<u8>,
    marks: Vec<u32>,
    macs: Vec<[u8; 6]>,
}

impl Targets {
    pub(super) fn new(ruleset: &Ruleset) -> Self {
        let mut targets = Self::default();
        let chains = ruleset.tables.values().flat_map(|table| &table.chains);
        for rule in chains.flat_map(|chain| &chain.rules) {
            targets.rule(rule);
        }
        targets
    }

    fn rule(&mut self, rule: &Rule) {
        let networks = [rule.header.source, rule.header.destination];
        for network in networks.into_iter().flatten() {
            self.network(&network.value);
        }
        self.protocols.extend(rule.header.protocol.map(|protocol| protocol.value.0));
        for one in &rule.matches {
            self.matching(one);
        }
    }

    fn matching(&mut self, one: &Match) {
        match one {
            Match::Conntrack(wanted) => {
                self.protocols.extend(wanted.protocol.map(|protocol| protocol.value.0));
                let ends = [
                    &wanted.original_source,
                    &wanted.original_destination,
                    &wanted.reply_source,
                    &wanted.reply_destination,
                ];
                for End { address, port } in ends {
                    if let Some(address) = address {
                        self.network(&address.value);
                    }
                    self.ports(port.map(|port| port.value));
                }
            }
            Match::Dscp(dscp) => {
                let first = dscp.value.value.0 << 2;
                self.tos.extend([first.wrapping_sub(1), first, first | 3, (first | 3).wrapping_add(1)]);
            }
            Match::Tos(tos) => {
                let value = tos.value.value.value;
                self.tos.extend([value, value ^ 1, value ^ 0x40, value ^ tos.value.value.mask]);
            }
            Match::Length(length) => {
                let (first, last) = (length.length.value.first.into(), length.length.value.last.into());
                self.lengths.extend([u32::saturating_sub(first, 1), first, last, last + 1]);
            }
            Match::Ttl(Ttl::Is(Condition { value: hops, .. }) | Ttl::Below(hops) | Ttl::Above(hops))
            | Match::Hl(Hl::Is(Condition { value: hops, .. }) | Hl::Below(hops) | Hl::Above(hops)) => {
                self.hops.extend([*hops, hops.wrapping_sub(1), hops.wrapping_add(1)]);
            }
            Match::Icmp(icmp) => match icmp.kind.value {
                IcmpType::Any => {}
                IcmpType::Type(kind) => self.icmp.extend([(kind, 0), (kind, 255), (kind.wrapping_add(1), 0)]),
                IcmpType::Code(kind, code) => self.icmp.extend([(kind, code), (kind, code ^ 1)]),
            },
            Match::Icmp6(icmp) => match icmp.kind.value {
                Icmp6Type::Type(kind) => {
                    self.icmp.extend([(kind, 0), (kind, 255), (kind.wrapping_sub(1), 255)]);
                }
                Icmp6Type::Code(kind, code) => self.icmp.extend([(kind, code), (kind, code ^ 1)]),
            },
            Match::Iprange(iprange) => {
                for range in [&iprange.source, &iprange.destination].into_iter().flatten() {
                    let (first, last) = match range.value {
                        AddressRange::V4 { first, last } => (first.to_bits().into(), last.to_bits().into()),
                        AddressRange::V6 { first, last } => (first.to_bits(), last.to_bits()),
                    };
                    self.addresses.extend([first, last, first.wrapping_sub(1), last.wrapping_add(1)]);
                }
            }
            Match::Mac(mac) => self.macs.push(mac.source.value.0),
            Match::Mark(mark) => {
                let value = mark.mark.value;
                self.marks.extend([value.value, value.value & value.mask, value.value ^ 1]);
            }
            Match::Multiport(multiport) => self.ports(multiport.ports.value.0.iter().copied()),
            Match::Tcp(tcp) => {
                self.ports([tcp.source, tcp.destination].into_iter().flatten().map(|range| range.value));
            }
            Match::Udp(udp) => {
                self.ports([udp.source, udp.destination].into_iter().flatten().map(|range| range.value));
            }
            _ => {}
        }
    }

    fn network(&mut self, network: &Network) {
        let (first, host) = match network {
            Network::V4 { address, mask } => (address.to_bits().into(), (!mask.to_bits()).into()),
            Network::V6 { address, mask } => (address.to_bits(), !mask.to_bits()),
        };
        let last = first | host;
        self.addresses.extend([
            first,
            last,
            first.wrapping_sub(1),
            last.wrapping_add(1),
            first | host & 0x55,
        ]);
    }

    fn ports(&mut self, ranges: impl IntoIterator<Item = PortRange>) {
        for PortRange { first, last } in ranges {
            self.ports.extend([first, last, first.wrapping_sub(1), last.wrapping_add(1)]);
        }
    }

    /// A packet whose every part is mostly one that some rule names, or its neighbour.
    pub(super) fn packet(&self, random: &mut Random, family: Family) -> Packet {
        let chain = random.pick(&BuiltIn::ALL).unwrap();
        let (is_in, is_out) = match chain {
            BuiltIn::Input | BuiltIn::NatInput => (true, false),
            BuiltIn::Output | BuiltIn::NatOutput => (false, true),
            BuiltIn::Forward => (true, true),
            BuiltIn::NatPrerouting => (true, random.once_in(2)),
            BuiltIn::NatPostrouting => (random.once_in(2), true),
        };
        let interface = |random: &mut Random, there: bool| {
            random.pick(&["eth0", "eth1", "lo", "veth-long-name1", "wlan0"]).filter(|_| there)
        };
        let (input, output) = (interface(random, is_in), interface(random, is_out));
        let parts: &[Part] = match (family, random.once_in(4)) {
            (_, false) => &[Part::Whole],
            (Family::Ipv4, true) => &[Part::First, Part::Later, Part::Last],
            (Family::Ipv6, true) => &[Part::First, Part::Later, Part::Last, Part::Atomic],
        };
        let part = random.pick(parts).unwrap();
        let protocol = self.protocol(random, family);
        let upper = if matches!(part, Part::Later | Part::Last) {
            Upper::Bare
        } else {
            self.upper(random, family, protocol)
        };
        let types = [
            None,
            Some(AddressType::Unicast),
            Some(AddressType::Local),
            Some(AddressType::Multicast),
            if family == Family::Ipv4 { Some(AddressType::Broadcast) } else { None },
        ];
        Packet {
            family,
            chain,
            source: self.address(random, family),
            destination: self.address(random, family),
            input,
            output,
            protocol,
            part,
            upper,
            length: near(random, &self.lengths, |random| u32::from(random.byte()) * 8 + 20),
            tos: near(random, &self.tos, Random::byte),
            ttl: near(random, &self.hops, Random::byte),
            mark: near(random, &self.marks, |random| u32::from(random.byte())),
            mac: random
                .pick(&self.macs)
                .filter(|_| !random.once_in(3))
                .or((!random.once_in(3)).then_some([2; 6])),
            kind: random.pick(&[PacketType::Unicast, PacketType::Broadcast, PacketType::Multicast]).unwrap(),
            source_type: random.pick(&types).unwrap(),
            destination_type: random.pick(&types).unwrap(),
            tracking: tracking(random),
        }
    }

    fn address(&self, random: &mut Random, family: Family) -> u128 {
        let all = if family == Family::Ipv4 { u128::from(u32::MAX) } else { u128::MAX };
        near(random, &self.addresses, |random| u128::from(random.bits()) << 64 | u128::from(random.bits()))
            & all
    }

    fn protocol(&self, random: &mut Random, family: Family) -> u8 {
        let icmp = if family == Family::Ipv4 { 1 } else { 58 };
        near(random, &self.protocols, |random| random.pick(&[6, 17, icmp, 47, 132, 33, 136]).unwrap())
    }

    fn upper(&self, random: &mut Random, family: Family, protocol: u8) -> Upper {
        let port = |random: &mut Random| {
            near(random, &self.ports, |random| u16::from_le_bytes([random.byte(), random.byte()]))
        };
        match (protocol, family) {
            (6, _) => Upper::Tcp {
                source: port(random),
                destination: port(random),
                flags: random.byte(),
                options: random.byte(),
            },
            (17 | 33 | 132 | 136, _) => Upper::Ports(port(random), port(random)),
            (1, Family::Ipv4) | (58, Family::Ipv6) => {
                let (kind, code) = near(random, &self.icmp, |random| (random.byte(), random.byte() % 4));
                Upper::Icmp(kind, code)
            }
            _ => Upper::Bare,
        }
    }
}

fn tracking(random: &mut Random) -> Tracking {
    let state = match random.below(8) {
        0 => return Tracking::Invalid,
        1 => return Tracking::Untracked,
        2 | 3 => CtState::New,
        4 | 5 => CtState::Related,
        _ => CtState::Established,
    };
    let direction = random.pick(&[Direction::Original, Direction::Reply]).unwrap();
    Tracking::Flow { state, direction, status: random.byte() & 0xf }
}

/// Mostly one of `known`.
fn near<T: Copy>(random: &mut Random, known: &[T], other: impl FnOnce(&mut Random) -> T) -> T {
    match random.pick(known) {
        Some(value) if !random.once_in(5) => value,
        _ => other(random),
    }
}

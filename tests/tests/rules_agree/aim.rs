//! What rules name, and its neighbours: what packets are aimed at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use berth::rules::{
    condition::Condition,
    family::Family,
    matches::{
        Match,
        conntrack::{Conntrack, End},
        hl::Hl,
        icmp::IcmpType,
        icmp6::Icmp6Type,
        ttl::Ttl,
    },
    rule::Rule,
    ruleset::Ruleset,
    values::{network::Network, ports::PortRange, range::AddressRange},
};
use berth_common::memory::generate::Random;
use berth_tests::link::Mac;

use crate::sets::PORTS;

/// What rules name, and its neighbours.
#[derive(Default)]
pub struct Aim {
    addresses: Vec<IpAddr>,
    ports: Vec<u16>,
    icmp: Vec<(u8, u8)>,
    protocols: Vec<u8>,
    lengths: Vec<u16>,
    tos: Vec<u8>,
    hops: Vec<u8>,
    macs: Vec<Mac>,
}

impl Aim {
    /// What the rules of a ruleset name.
    pub fn at(ruleset: &Ruleset) -> Self {
        let mut aim = Self::default();
        for rule in ruleset.tables.values().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules) {
            aim.rule(rule, ruleset.family);
        }
        aim
    }

    /// Mostly an address that is named; in any case one that may be.
    pub fn address(
        &self,
        random: &mut Random,
        family: Family,
        may_be: impl Fn(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        let named = (0..4).filter_map(|_| random.pick(&self.addresses)).find(|address| may_be(*address));
        named.or_else(|| (0..100).map(|_| usual_address(random, family)).find(|address| may_be(*address)))
    }

    /// Mostly a port that is named.
    pub fn port(&self, random: &mut Random) -> u16 {
        near(random, &self.ports, |random| u16::from_le_bytes([random.byte(), random.byte()]))
    }

    /// Mostly type and code that are named.
    pub fn icmp(&self, random: &mut Random) -> (u8, u8) {
        near(random, &self.icmp, |random| (random.byte() % 150, random.byte() % 4))
    }

    /// Mostly a protocol that is named.
    pub fn protocol(&self, random: &mut Random, usual: &[u8]) -> u8 {
        near(random, &self.protocols, |random| random.pick(usual).unwrap_or(17))
    }

    /// Mostly a length that is named.
    pub fn length(&self, random: &mut Random) -> u16 {
        near(random, &self.lengths, |random| u16::from(random.byte()))
    }

    /// Mostly a type of service that is named.
    pub fn tos(&self, random: &mut Random) -> u8 {
        near(random, &self.tos, Random::byte)
    }

    /// Mostly a time to live that is named.
    pub fn hops(&self, random: &mut Random) -> u8 {
        near(random, &self.hops, Random::byte)
    }

    /// Mostly a hardware address that is named.
    pub fn mac(&self, random: &mut Random) -> Mac {
        near(random, &self.macs, |random| [0x02, 0, 0, 0, random.byte() % 2, random.byte()])
    }

    fn rule(&mut self, rule: &Rule, family: Family) {
        for network in [rule.header.source, rule.header.destination].into_iter().flatten() {
            self.network(&network.value);
        }
        self.protocols.extend(rule.header.protocol.map(|protocol| protocol.value.0));
        for one in &rule.matches {
            self.matching(one, family);
        }
    }

    fn matching(&mut self, one: &Match, family: Family) {
        match one {
            Match::Conntrack(conntrack) => self.conntrack(conntrack),
            Match::Dscp(dscp) => {
                let (first, last) = (dscp.value.value.0 << 2, dscp.value.value.0 << 2 | 3);
                self.tos.extend([first.wrapping_sub(1), first, last, last.wrapping_add(1)]);
            }
            Match::Tos(tos) => {
                let value = tos.value.value.value;
                self.tos.extend([value, value ^ 1, value ^ 0x40, value ^ tos.value.value.mask]);
            }
            Match::Length(length) => {
                let (first, last) = (length.length.value.first, length.length.value.last);
                self.lengths.extend([first.saturating_sub(1), first, last, last.saturating_add(1)]);
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
                    self.range(family, first, last);
                }
            }
            Match::Set(_) => self.ports.extend(PORTS),
            Match::Mac(mac) => self.macs.push(mac.source.value.0),
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

    fn conntrack(&mut self, conntrack: &Conntrack) {
        for End { address, port } in [
            &conntrack.original_source,
            &conntrack.original_destination,
            &conntrack.reply_source,
            &conntrack.reply_destination,
        ] {
            if let Some(address) = address {
                self.network(&address.value);
            }
            self.ports(port.map(|port| port.value));
        }
    }

    fn network(&mut self, network: &Network) {
        let (family, first, host) = match network {
            Network::V4 { address, mask } => {
                (Family::Ipv4, address.to_bits().into(), (!mask.to_bits()).into())
            }
            Network::V6 { address, mask } => (Family::Ipv6, address.to_bits(), !mask.to_bits()),
        };
        self.range(family, first, first | host);
    }

    fn range(&mut self, family: Family, first: u128, last: u128) {
        let middle = first + (last - first) / 3;
        let all = [first, last, middle, first.wrapping_sub(1), last.wrapping_add(1)];
        self.addresses.extend(all.map(|bits| match family {
            Family::Ipv4 => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX))),
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::from_bits(bits)),
        }));
    }

    fn ports(&mut self, ranges: impl IntoIterator<Item = PortRange>) {
        for PortRange { first, last } in ranges {
            self.ports.extend([first, last, first.wrapping_sub(1), last.wrapping_add(1)]);
        }
    }
}

/// One near to those that rules mostly name.
fn usual_address(random: &mut Random, family: Family) -> IpAddr {
    let network = random.byte() % 4;
    match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::new(10, 0, network, random.byte())),
        Family::Ipv6 => {
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, network.into(), 0, 0, 0, random.byte().into()))
        }
    }
}

/// Mostly one of `known`.
fn near<T: Copy>(random: &mut Random, known: &[T], other: impl FnOnce(&mut Random) -> T) -> T {
    match random.pick(known) {
        Some(value) if !random.once_in(5) => value,
        _ => other(random),
    }
}

//! Random matches that keep no state.

use super::{address, numbers, scene::Scene, stateful};
use crate::rules::{
    condition::Condition,
    family::Family,
    hook::Hook,
    matches::{
        Match,
        addrtype::{AddressType, Addrtype, Side},
        comment::{Comment, MAX_COMMENT},
        connmark::Connmark,
        conntrack::{Conntrack, CtState, CtStatus, Direction, End},
        dscp::{CodePoint, Dscp},
        frag::{Frag, More},
        helper::{Helper, HelperName},
        hl::Hl,
        icmp::{Icmp, IcmpType},
        icmp6::{Icmp6, Icmp6Type},
        iprange::Iprange,
        length::{Length, LengthRange},
        mac::MacSource,
        mark::Mark,
        multiport::{self, Multiport, Ports},
        pkttype::{PacketType, Pkttype},
        set::{self, Set},
        state::State,
        tcp::{Tcp, TcpFlag, TcpFlags},
        tos::{MaskedTos, Tos},
        ttl::Ttl,
        udp::Udp,
    },
    piece::Piece,
    values::{
        flags::{Flag, Flags},
        mac::Mac,
        name::Name,
        ports::PortRange,
        protocol::Protocol,
    },
};

impl Scene<'_> {
    /// The match of this name, if the rule can have it.
    pub fn matching(&mut self, name: &str) -> Option<Match> {
        let (family, protocol) = (self.family(), self.protocol);
        let made: Match = match name {
            "addrtype" => self.addrtype()?.into(),
            "comment" => Comment { text: numbers::text(self.random, MAX_COMMENT) }.into(),
            "connlimit" => stateful::connlimit(self).into(),
            "connmark" => {
                let mark = numbers::mark(self.random);
                Connmark { mark: self.condition(mark) }.into()
            }
            "conntrack" => self.conntrack().into(),
            "dscp" => {
                let value = CodePoint(self.random.byte() & 0x3f);
                Dscp { value: self.condition(value) }.into()
            }
            "frag" if family == Family::Ipv6 => self.frag().into(),
            "hashlimit" => stateful::hashlimit(self)?.into(),
            "helper" => {
                let name = self.random.pick(&[HelperName::Any, HelperName::Ftp])?;
                Helper { name: self.condition(name) }.into()
            }
            "hl" if family == Family::Ipv6 => match (self.random.below(3), self.hops()) {
                (0, value) => Hl::Is(self.condition(value)).into(),
                (1, value) => Hl::Below(value).into(),
                (_, value) => Hl::Above(value).into(),
            },
            "icmp" if protocol == Some(Protocol::ICMP) && family == Family::Ipv4 => {
                let kind =
                    match (self.random.below(4), self.random.pick(&[0, 3, 5, 8, 11, 13, 200]).unwrap_or(8)) {
                        (0, _) => IcmpType::Any,
                        (1, kind) => IcmpType::Code(kind, self.random.byte() % 4),
                        (_, kind) => IcmpType::Type(kind),
                    };
                Icmp {
                    kind: Condition { negated: kind != IcmpType::Any && self.random.once_in(4), value: kind },
                }
                .into()
            }
            "icmp6" if protocol == Some(Protocol::ICMPV6) && family == Family::Ipv6 => {
                let kind = self.random.pick(&[1, 2, 3, 128, 129, 133, 135, 136, 255]).unwrap_or(128);
                let code = self.random.byte() % 4;
                let kind =
                    if self.random.once_in(3) { Icmp6Type::Code(kind, code) } else { Icmp6Type::Type(kind) };
                Icmp6 { kind: self.condition(kind) }.into()
            }
            "iprange" => self.iprange().into(),
            "length" => {
                let (a, b) = (self.size(), self.size());
                let range = LengthRange { first: a.min(b), last: a.max(b) };
                Length { length: self.condition(range) }.into()
            }
            "limit" => stateful::limit(self).into(),
            "mac" => {
                let mac = Mac([0x02, 0, 0, 0, self.random.byte() % 2, self.random.byte()]);
                MacSource { source: self.condition(mac) }.into()
            }
            "mark" => {
                let mark = numbers::mark(self.random);
                Mark { mark: self.condition(mark) }.into()
            }
            "multiport" if protocol.is_some_and(has_ports) => self.multiport()?.into(),
            "pkttype" => {
                let kinds = [PacketType::Unicast, PacketType::Broadcast, PacketType::Multicast];
                let kind = self.random.pick(&kinds)?;
                Pkttype { kind: self.condition(kind) }.into()
            }
            "recent" => stateful::recent(self)?.into(),
            "set" => self.set()?.into(),
            "state" => {
                let known = [
                    CtState::Invalid,
                    CtState::New,
                    CtState::Related,
                    CtState::Established,
                    CtState::Untracked,
                ];
                let state = some(self, &known);
                State { state: self.condition(state) }.into()
            }
            "statistic" => stateful::statistic(self).into(),
            "tcp" if protocol == Some(Protocol::TCP) => self.tcp().into(),
            "tos" => {
                let value = MaskedTos {
                    value: self.random.byte() & 0x3e,
                    mask: self.random.pick(&[0xff, 0x3f, 0x10])?,
                };
                Tos { value: self.condition(value) }.into()
            }
            "ttl" if family == Family::Ipv4 => match (self.random.below(3), self.hops()) {
                (0, value) => Ttl::Is(self.condition(value)).into(),
                (1, value) => Ttl::Below(value).into(),
                (_, value) => Ttl::Above(value).into(),
            },
            "udp" if protocol == Some(Protocol::UDP) => {
                Udp { source: self.ports(), destination: self.ports() }.into()
            }
            _ => return None,
        };
        Some(made)
    }

    fn addrtype(&mut self) -> Option<Addrtype> {
        let known: &[AddressType] = match self.family() {
            Family::Ipv4 => {
                &[AddressType::Unicast, AddressType::Local, AddressType::Broadcast, AddressType::Multicast]
            }
            Family::Ipv6 => &[AddressType::Unicast, AddressType::Local, AddressType::Multicast],
        };
        let ask = |scene: &mut Self| {
            let types = some(scene, known);
            Some(scene.condition(types))
        };
        let (source, destination) = match self.random.below(3) {
            0 => (ask(self), None),
            1 => (None, ask(self)),
            _ => (ask(self), ask(self)),
        };
        let sides: &[Option<Side>] = match self.hook {
            Hook::Prerouting | Hook::Input => &[None, None, Some(Side::Input)],
            Hook::Forward => &[None, None, Some(Side::Input), Some(Side::Output)],
            Hook::Output | Hook::Postrouting => &[None, None, Some(Side::Output)],
        };
        Some(Addrtype { source, destination, interface: self.random.pick(sides)? })
    }

    fn conntrack(&mut self) -> Conntrack {
        let mut made = Conntrack::default();
        if self.random.once_in(4) {
            made.protocol = Some(self.condition(Protocol::UDP));
        }
        for end in [
            &mut made.original_source,
            &mut made.original_destination,
            &mut made.reply_source,
            &mut made.reply_destination,
        ] {
            if self.random.once_in(8) {
                let address = address::whole_network(self.random, self.wanted.family);
                let port = numbers::ports(self.random);
                *end = End { address: Some(self.condition(address)), port: None };
                if self.random.once_in(2) {
                    end.port = Some(self.condition(port));
                }
            }
        }
        if self.random.once_in(6) {
            let all: Vec<CtStatus> = CtStatus::NAMES.iter().map(|&(_, status)| status).collect();
            let status = if self.random.once_in(4) { Flags::EMPTY } else { some(self, &all) };
            made.status = Some(self.condition(status));
        }
        if self.random.once_in(6) {
            made.direction = self.random.pick(&[Direction::Original, Direction::Reply]);
        }
        if made == Conntrack::default() || self.random.once_in(2) {
            let all: Vec<CtState> = CtState::NAMES.iter().map(|&(_, state)| state).collect();
            let state = some(self, &all);
            made.state = Some(self.condition(state));
        }
        made
    }

    fn frag(&mut self) -> Frag {
        let more = self.random.pick(&[None, Some(More::Follow), Some(More::None)]).flatten();
        Frag { first: self.random.once_in(2), more }
    }

    fn iprange(&mut self) -> Iprange {
        let which = self.random.below(3);
        let mut ask = |there: bool| {
            let range = address::range(self.random, self.wanted.family);
            there.then(|| self.condition(range))
        };
        Iprange { source: ask(which != 0), destination: ask(which != 1) }
    }

    fn multiport(&mut self) -> Option<Multiport> {
        let mut ports = Vec::new();
        let mut left = 1 + self.random.below(multiport::MAX_PORTS);
        while left > 0 {
            let range = numbers::ports(self.random);
            let range = if left == 1 { PortRange::one(range.first) } else { range };
            left -= if range.first == range.last { 1 } else { 2 };
            ports.push(range);
        }
        let sides = [multiport::Side::Source, multiport::Side::Destination, multiport::Side::Either];
        Some(Multiport { side: self.random.pick(&sides)?, ports: self.condition(Ports(ports)) })
    }

    fn set(&mut self) -> Option<Set> {
        let (name, dimensions) = self.wanted.sets.get(self.random.below(self.wanted.sets.len()))?;
        let name = Name::read(Piece { text: name, column: 1 }, "set", set::MAX_NAME).ok()?;
        let direction = |_| self.random.pick(&[set::Direction::Source, set::Direction::Destination]);
        let directions = (0..*dimensions).filter_map(direction).collect();
        Some(Set { negated: self.random.once_in(4), name, directions })
    }

    fn tcp(&mut self) -> Tcp {
        let all: Vec<TcpFlag> = TcpFlag::NAMES.iter().map(|&(_, flag)| flag).collect();
        let mask = some(self, &all);
        let set = Flags::of(&mask.iter().filter(|_| self.random.once_in(2)).collect::<Vec<_>>());
        let kind = self.random.pick(&[2, 3, 4, 8]).unwrap_or(2);
        Tcp {
            source: self.ports(),
            destination: self.ports(),
            option: if self.random.once_in(8) { Some(self.condition(kind)) } else { None },
            flags: if self.random.once_in(4) { Some(self.condition(TcpFlags { mask, set })) } else { None },
        }
    }

    fn ports(&mut self) -> Option<Condition<PortRange>> {
        let ports = numbers::ports(self.random);
        if self.random.once_in(2) { Some(self.condition(ports)) } else { None }
    }

    fn hops(&mut self) -> u8 {
        self.random.pick(&[0, 1, 63, 64, 65, 255]).unwrap_or(64)
    }

    fn size(&mut self) -> u16 {
        self.random.pick(&[0, 28, 40, 60, 64, 100, 576, 1_500, 65_535]).unwrap_or(60)
    }
}

/// One or more of `all`.
pub(super) fn some<F: Flag>(scene: &mut Scene<'_>, all: &[F]) -> Flags<F> {
    let mut flags = Flags::of(&all.iter().copied().filter(|_| scene.random.once_in(3)).collect::<Vec<_>>());
    if let Some(flag) = scene.random.pick(all) {
        flags.insert(flag);
    }
    flags
}

fn has_ports(protocol: Protocol) -> bool {
    [Protocol::TCP, Protocol::UDP, Protocol::UDPLITE, Protocol::SCTP, Protocol::DCCP].contains(&protocol)
}

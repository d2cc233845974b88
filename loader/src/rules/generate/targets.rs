//! Random targets.

use super::{address, matches::some, numbers, scene::Scene};
use crate::rules::{
    family::Family,
    table::TableName,
    targets::{
        Target,
        connmark::{Connmark, Masks},
        dnat::Dnat,
        log::{Detail, Level, Log, MAX_PREFIX},
        mark::{Change, Mark},
        masquerade::Masquerade,
        nat_range::NatRange,
        nflog::{self, Nflog},
        redirect::Redirect,
        reject::{Reject, RejectWith, Unreachable, Unreachable6},
        snat::Snat,
    },
    values::{
        flags::{Flag, Flags},
        ports::PortRange,
        protocol::Protocol,
    },
};

impl Scene<'_> {
    /// A target that sends packets to no chain, or none.
    pub fn target(&mut self) -> Option<Target> {
        match self.random.below(8) {
            0 => None,
            1 => Some(Target::Return),
            2 | 3 => Some(Target::Accept),
            4 if self.table != TableName::Nat => Some(Target::Drop),
            _ => {
                let name = self.random.pick(&self.wanted.targets)?;
                let made = self.module(name)?;
                let fits = made.tables().contains(&self.table) && made.hooks().contains(self.hook);
                fits.then_some(made)
            }
        }
    }

    fn module(&mut self, name: &str) -> Option<Target> {
        let made: Target = match name {
            "CONNMARK" => self.connmark().into(),
            "DNAT" => {
                let base = numbers::word16(self.random);
                let mut to = self.range();
                to.base =
                    to.ports.filter(|ports| ports.first < ports.last && self.random.once_in(3)).map(|_| base);
                Dnat { to, random: self.random.once_in(3), persistent: self.random.once_in(3) }.into()
            }
            "LOG" => {
                let all: Vec<Detail> = Detail::NAMES.iter().map(|&(_, detail)| detail).collect();
                Log {
                    prefix: self.prefix(MAX_PREFIX),
                    level: if self.random.once_in(2) {
                        Level::default()
                    } else {
                        Level(self.random.byte() % 8)
                    },
                    details: if self.random.once_in(2) { Flags::EMPTY } else { some(self, &all) },
                }
                .into()
            }
            "MARK" => Mark { change: self.change() }.into(),
            "MASQUERADE" => Masquerade {
                ports: self.nat_ports(),
                random: self.random.once_in(3),
                random_fully: self.random.once_in(3),
            }
            .into(),
            "NFLOG" => Nflog {
                prefix: self.prefix(nflog::MAX_PREFIX),
                group: self.random.pick(&[0, 1, 65_535])?,
                size: self.random.pick(&[None, Some(0), Some(100)])?,
                threshold: self.random.pick(&[0, 1, 10])?,
            }
            .into(),
            "REDIRECT" => Redirect { ports: self.nat_ports(), random: self.random.once_in(3) }.into(),
            "REJECT" => self.reject()?.into(),
            "SNAT" => Snat {
                to: self.range(),
                random: self.random.once_in(3),
                random_fully: self.random.once_in(3),
                persistent: self.random.once_in(3),
            }
            .into(),
            _ => return None,
        };
        Some(made)
    }

    fn connmark(&mut self) -> Connmark {
        let masks = Masks { packet: numbers::word(self.random), flow: numbers::word(self.random) };
        match self.random.below(3) {
            0 => Connmark::Set(self.change()),
            1 => Connmark::Save(masks),
            _ => Connmark::Restore(masks),
        }
    }

    fn change(&mut self) -> Change {
        Change { clear: numbers::word(self.random), flip: numbers::word(self.random) }
    }

    fn prefix(&mut self, most: usize) -> String {
        if self.random.once_in(3) { String::new() } else { numbers::text(self.random, most) }
    }

    fn reject(&mut self) -> Option<Reject> {
        let mut kinds = match self.family() {
            Family::Ipv4 => vec![
                RejectWith::Icmp(Unreachable::Network),
                RejectWith::Icmp(Unreachable::Host),
                RejectWith::Icmp(Unreachable::Protocol),
                RejectWith::Icmp(Unreachable::Port),
                RejectWith::Icmp(Unreachable::NetworkProhibited),
                RejectWith::Icmp(Unreachable::HostProhibited),
                RejectWith::Icmp(Unreachable::AdministrativelyProhibited),
            ],
            Family::Ipv6 => vec![
                RejectWith::Icmp6(Unreachable6::NoRoute),
                RejectWith::Icmp6(Unreachable6::AdministrativelyProhibited),
                RejectWith::Icmp6(Unreachable6::Address),
                RejectWith::Icmp6(Unreachable6::Port),
                RejectWith::Icmp6(Unreachable6::PolicyFail),
                RejectWith::Icmp6(Unreachable6::RejectRoute),
            ],
        };
        if self.protocol == Some(Protocol::TCP) {
            kinds.extend([RejectWith::TcpReset; 4]);
        }
        Some(Reject { with: self.random.pick(&kinds)? })
    }

    fn range(&mut self) -> NatRange {
        let ports = self.nat_ports();
        let addresses = address::range(self.random, self.wanted.family);
        let addresses = (ports.is_none() || !self.random.once_in(3)).then_some(addresses);
        NatRange { addresses, ports, base: None }
    }

    fn nat_ports(&mut self) -> Option<PortRange> {
        let known = [Protocol::TCP, Protocol::UDP, Protocol::SCTP, Protocol::DCCP];
        let ports = numbers::ports(self.random);
        let can = self.protocol.is_some_and(|protocol| known.contains(&protocol));
        (can && self.random.once_in(2)).then_some(ports)
    }
}

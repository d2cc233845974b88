//! Where a rule is to stand, and what that lets it have.

use berth_common::memory::generate::Random;

use super::{Wanted, address};
use crate::rules::{
    condition::Condition,
    family::Family,
    header::Header,
    hook::Hook,
    matches::Match,
    piece::Piece,
    table::TableName,
    values::{Literal, interface::Interface, protocol::Protocol},
};

/// Where a rule is to stand, and what that lets it have.
pub(super) struct Scene<'a> {
    /// Chance.
    pub random: &'a mut Random,
    /// What is wanted.
    pub wanted: &'a Wanted,
    /// The table.
    pub table: TableName,
    /// The hook from which packets come.
    pub hook: Hook,
    /// Whether the chain is a base chain, where not every interface may be asked for.
    pub base: bool,
    /// The protocol that the rule names, if it does so without negation.
    pub protocol: Option<Protocol>,
}

impl<'a> Scene<'a> {
    /// A rule of a chain.
    pub fn new(random: &'a mut Random, wanted: &'a Wanted, table: TableName, hook: Hook, base: bool) -> Self {
        Self { random, wanted, table, hook, base, protocol: None }
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.wanted.family
    }

    /// `value`, now and then negated.
    pub fn condition<T>(&mut self, value: T) -> Condition<T> {
        Condition { negated: self.random.once_in(4), value }
    }

    /// A header; it decides the protocol.
    pub fn header(&mut self) -> Header {
        let protocol = self.choose_protocol();
        self.protocol = protocol.filter(|protocol| !protocol.negated).map(|protocol| protocol.value);
        Header {
            source: self.address(),
            destination: self.address(),
            input: self.interface(&[Hook::Output, Hook::Postrouting]),
            output: self.interface(&[Hook::Prerouting, Hook::Input]),
            protocol,
            fragment: match self.family() {
                Family::Ipv4 if self.random.once_in(16) => Some(self.condition(())),
                Family::Ipv4 | Family::Ipv6 => None,
            },
        }
    }

    fn choose_protocol(&mut self) -> Option<Condition<Protocol>> {
        let icmp = match self.family() {
            Family::Ipv4 => Protocol::ICMP,
            Family::Ipv6 => Protocol::ICMPV6,
        };
        let rare =
            [Protocol::SCTP, Protocol::UDPLITE, Protocol::DCCP, Protocol(47), Protocol(50), Protocol(253)];
        let protocol = match self.random.below(10) {
            0..2 => return None,
            2..5 => Protocol::TCP,
            5..7 => Protocol::UDP,
            7..9 => icmp,
            _ => self.random.pick(&rare)?,
        };
        Some(Condition { negated: self.random.once_in(10), value: protocol })
    }

    fn address(&mut self) -> Option<Condition<crate::rules::values::network::Network>> {
        if self.random.once_in(2) {
            return None;
        }
        let network = address::network(self.random, self.wanted.family);
        (!network.is_any()).then(|| self.condition(network))
    }

    fn interface(&mut self, without: &[Hook]) -> Option<Condition<Interface>> {
        let forbidden = self.base && without.contains(&self.hook);
        if forbidden || self.wanted.interfaces.is_empty() || !self.random.once_in(5) {
            return None;
        }
        let text = self.wanted.interfaces.get(self.random.below(self.wanted.interfaces.len()))?;
        let interface = Interface::read(Piece { text, column: 1 }, self.wanted.family).ok()?;
        (!interface.is_any()).then(|| self.condition(interface))
    }

    /// Up to four matches. Those of a protocol come at most once, as iptables-nft makes one of several; so do those of
    /// which two have an option of one name, as iptables confuses them in `-m connmark -m mark -m connmark`.
    pub fn matches(&mut self) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        for _ in 0..self.random.below(4) + self.random.below(2) {
            let Some(name) = self.random.pick(&self.wanted.matches) else { break };
            let Some(made) = self.matching(name) else { continue };
            let misplaced = !made.hooks().contains(self.hook);
            let once =
                ["tcp", "udp", "icmp", "icmp6", "mark", "connmark", "set", "recent"].contains(&made.name());
            let twice = once && matches.iter().any(|other| other.name() == made.name());
            if !misplaced && !twice {
                matches.push(made);
            }
        }
        matches
    }
}

//! Entries as they are written: one text may stand for many.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use berth_common::{
    abi::{
        rules::Family,
        set::{Entry, Kind, NOMATCH, Number, OVERFLOW, Parts},
        units::Protocol,
    },
    engine::set::has_ports,
};

use super::{
    Fault, Form,
    form::{family_name, name},
};
use crate::rules::{self, named};

/// What one text stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// The entries.
    pub entries: Vec<Entry>,
}

/// Addresses from one to another, as numbers.
#[derive(Clone, Copy)]
struct Span {
    first: u128,
    last: u128,
}

/// Ports of a protocol, from one to another.
#[derive(Clone, Copy)]
struct Ports {
    protocol: u8,
    first: u16,
    last: u16,
}

impl Element {
    /// Reads a text, which may stand for `limit` entries at most. Those of `nomatch` are exceptions.
    pub fn read(form: &Form, text: &str, nomatch: bool, limit: u32) -> Result<Self, Fault> {
        let reader = Reader { form, text };
        let mut written = text.split(',');
        let mut next = || written.next().ok_or_else(|| reader.wrong());
        let mut entries = match form.kind {
            Kind::BitmapPort => reader.port_entries(next()?)?,
            Kind::HashIp => reader.one(reader.addresses(next()?)?, limit)?,
            Kind::HashNet => reader.one(reader.networks(next()?)?, limit)?,
            Kind::HashIpPort => reader.two(reader.addresses(next()?)?, reader.ports(next()?)?, limit)?,
            Kind::HashNetPort => reader.two(reader.networks(next()?)?, reader.ports(next()?)?, limit)?,
            Kind::HashIpPortIp => {
                let (first, ports) = (reader.addresses(next()?)?, reader.ports(next()?)?);
                let second = reader.address(next()?)?;
                reader.three(&first, ports, &[(second, form.bits())], limit)?
            }
            Kind::HashIpPortNet => {
                let (first, ports) = (reader.addresses(next()?)?, reader.ports(next()?)?);
                let second = reader.networks(next()?)?;
                reader.three(&first, ports, &second, limit)?
            }
        };
        if written.next().is_some() {
            return Err(reader.wrong());
        }
        if nomatch {
            for Entry([first, ..]) in &mut entries {
                *first |= NOMATCH;
            }
        }
        Ok(Self { entries })
    }
}

/// An entry as `add` takes it.
pub fn write(form: &Form, entry: &Entry) -> String {
    let [first, ..] = entry.0;
    let plain = Entry([first & !(NOMATCH | OVERFLOW), entry.0[1], entry.0[2], entry.0[3], entry.0[4]]);
    let Parts { first: address, second, port, protocol, prefix } = plain.parts(form.kind, form.family);
    if form.kind == Kind::BitmapPort {
        return port.to_string();
    }
    let is_second = form.kind == Kind::HashIpPortNet;
    let shown = |number: Number, is_network: bool| {
        let mut text = ip(form.family, number).to_string();
        if is_network && form.kind.has_networks() && prefix != form.bits() {
            let _ = write!(text, "/{prefix}");
        }
        text
    };
    let mut text = shown(address, !is_second);
    if form.kind.has_port() {
        let _ = write!(text, ",{}", port_text(protocol, port));
    }
    if form.kind.parts() > 2 {
        let _ = write!(text, ",{}", shown(second, is_second));
    }
    if first & NOMATCH != 0 {
        text.push_str(" nomatch");
    }
    text
}

fn port_text(protocol: u8, port: u16) -> String {
    let name = named::protocol_name(protocol).map_or_else(|| protocol.to_string(), str::to_owned);
    if is_icmp(protocol) {
        return format!("{name}:{}/{}", port >> 8, port & 0xff);
    }
    format!("{name}:{port}")
}

fn ip(family: Option<Family>, [high, low]: Number) -> IpAddr {
    let bits = u128::from(high) << 64 | u128::from(low);
    match family {
        Some(Family::Ipv6) => Ipv6Addr::from_bits(bits).into(),
        _ => Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or_default()).into(),
    }
}

fn number(bits: u128) -> Number {
    [bits >> 64, bits & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or_default())
}

const fn is_icmp(protocol: u8) -> bool {
    protocol == Protocol::ICMP.0 || protocol == Protocol::ICMPV6.0
}

/// Reads the parts of one text.
struct Reader<'a> {
    form: &'a Form,
    text: &'a str,
}

impl Reader<'_> {
    fn wrong(&self) -> Fault {
        let example = match (self.form.kind, self.form.family) {
            (Kind::BitmapPort, _) => "80 or 8000-8080",
            (Kind::HashIp, Some(Family::Ipv6)) => "2001:db8::1",
            (Kind::HashIp, _) => "192.0.2.1 or 192.0.2.0/30",
            (Kind::HashNet, Some(Family::Ipv6)) => "2001:db8::/32",
            (Kind::HashNet, _) => "192.0.2.0/24",
            (Kind::HashIpPort, Some(Family::Ipv6)) => "2001:db8::1,tcp:80",
            (Kind::HashIpPort, _) => "192.0.2.1,tcp:80",
            (Kind::HashNetPort, Some(Family::Ipv6)) => "2001:db8::/32,tcp:80",
            (Kind::HashNetPort, _) => "192.0.2.0/24,tcp:80",
            (Kind::HashIpPortIp, Some(Family::Ipv6)) => "2001:db8::1,tcp:80,2001:db8::2",
            (Kind::HashIpPortIp, _) => "192.0.2.1,tcp:80,198.51.100.1",
            (Kind::HashIpPortNet, Some(Family::Ipv6)) => "2001:db8::1,tcp:80,2001:db8::/32",
            (Kind::HashIpPortNet, _) => "192.0.2.1,tcp:80,198.51.100.0/24",
        };
        Fault::Entry { text: self.text.to_owned(), kind: name(self.form.kind), example }
    }

    fn family(&self) -> Family {
        self.form.family.unwrap_or(Family::Ipv4)
    }

    fn address(&self, text: &str) -> Result<u128, Fault> {
        let address: IpAddr = text.parse().map_err(|_| self.wrong())?;
        match (address, self.family()) {
            (IpAddr::V4(address), Family::Ipv4) => Ok(address.to_bits().into()),
            (IpAddr::V6(address), Family::Ipv6) => Ok(address.to_bits()),
            (_, family) => Err(Fault::Family { text: self.text.to_owned(), family: family_name(family) }),
        }
    }

    /// One address, a network, or a range.
    fn span(&self, text: &str) -> Result<Span, Fault> {
        if let Some((address, prefix)) = text.split_once('/') {
            let address = self.address(address)?;
            let bits = u32::from(self.form.bits());
            let prefix = self.prefix(prefix)?;
            let host = u128::MAX.checked_shr(128 - (bits - u32::from(prefix))).unwrap_or(0);
            return Ok(Span { first: address & !host, last: address | host });
        }
        if let Some((first, last)) = text.split_once('-') {
            if self.family() == Family::Ipv6 {
                return Err(Fault::Range(self.text.to_owned()));
            }
            let (first, last) = (self.address(first)?, self.address(last)?);
            return Ok(Span { first: first.min(last), last: first.max(last) });
        }
        let address = self.address(text)?;
        Ok(Span { first: address, last: address })
    }

    fn prefix(&self, text: &str) -> Result<u8, Fault> {
        let prefix: u8 = text.parse().map_err(|_| self.wrong())?;
        if prefix == 0 || prefix > self.form.bits() {
            return Err(Fault::Prefix(self.text.to_owned()));
        }
        Ok(prefix)
    }

    /// Each address of a part, by itself.
    fn addresses(&self, text: &str) -> Result<Vec<Span>, Fault> {
        let span = self.span(text)?;
        if self.family() == Family::Ipv6 && span.first != span.last {
            return Err(Fault::Prefix(self.text.to_owned()));
        }
        if self.form.kind == Kind::HashIp && span.first == 0 {
            return Err(Fault::Null(self.text.to_owned()));
        }
        Ok(vec![span])
    }

    /// The networks that a part is made of.
    fn networks(&self, text: &str) -> Result<Vec<(u128, u8)>, Fault> {
        let Span { mut first, last } = self.span(text)?;
        let bits = u32::from(self.form.bits());
        let mut networks = Vec::new();
        while first <= last {
            let aligned = first.trailing_zeros().min(bits - 1);
            let most = (last - first + 1).checked_ilog2().unwrap_or(bits - 1);
            let host = aligned.min(most);
            networks.push((first, u8::try_from(bits - host).unwrap_or_default()));
            let Some(next) = first.checked_add(1 << host) else { break };
            first = next;
        }
        Ok(networks)
    }

    fn ports(&self, text: &str) -> Result<Ports, Fault> {
        let (protocol, ports) = match text.split_once(':') {
            None => (Protocol::TCP.0, text),
            Some((protocol, ports)) => {
                let known = named::protocol(protocol).or_else(|| protocol.parse().ok());
                (known.filter(|protocol| *protocol != 0).ok_or_else(|| self.wrong())?, ports)
            }
        };
        if is_icmp(protocol) {
            let port = self.icmp(protocol, ports)?;
            return Ok(Ports { protocol, first: port, last: port });
        }
        let (first, last) = self.port_range(ports)?;
        if !has_ports(Protocol(protocol)) && (first, last) != (0, 0) {
            return Err(Fault::Pseudo(self.text.to_owned()));
        }
        Ok(Ports { protocol, first, last })
    }

    fn port_range(&self, text: &str) -> Result<(u16, u16), Fault> {
        let port =
            |text: &str| text.parse().ok().or_else(|| named::service(text)).ok_or_else(|| self.wrong());
        // Names may have dashes.
        if let Ok(port) = port(text) {
            return Ok((port, port));
        }
        let (first, last) = text.split_once('-').ok_or_else(|| self.wrong())?;
        let (first, last) = (port(first)?, port(last)?);
        Ok((first.min(last), first.max(last)))
    }

    fn icmp(&self, protocol: u8, text: &str) -> Result<u16, Fault> {
        let numbers = text.split_once('/').unwrap_or((text, "0"));
        let numbers: (Option<u8>, Option<u8>) = (numbers.0.parse().ok(), numbers.1.parse().ok());
        let family = if protocol == Protocol::ICMP.0 {
            rules::family::Family::Ipv4
        } else {
            rules::family::Family::Ipv6
        };
        let (kind, code) = match numbers {
            (Some(kind), Some(code)) => (kind, code),
            _ => named::icmp(family, text).ok_or_else(|| self.wrong())?,
        };
        Ok(u16::from(kind) << 8 | u16::from(code))
    }

    fn port_entries(&self, text: &str) -> Result<Vec<Entry>, Fault> {
        let text = match text.split_once(':') {
            Some(("tcp" | "udp", ports)) => ports,
            Some(_) => return Err(self.wrong()),
            None => text,
        };
        let (first, last) = self.port_range(text)?;
        let (lowest, highest) = self.form.ports;
        if first < lowest || last > highest {
            return Err(Fault::PortRange { text: self.text.to_owned(), first: lowest, last: highest });
        }
        let entry = |port| self.entry(&Parts { port, prefix: self.form.bits(), ..Parts::default() });
        Ok((first..=last).map(entry).collect())
    }

    fn one(&self, spans: impl Into<Firsts>, limit: u32) -> Result<Vec<Entry>, Fault> {
        let none = Ports { protocol: 0, first: 0, last: 0 };
        self.two(spans, none, limit)
    }

    fn two(&self, firsts: impl Into<Firsts>, ports: Ports, limit: u32) -> Result<Vec<Entry>, Fault> {
        match firsts.into() {
            Firsts::Spans(spans) => self.three(&spans, ports, &[(0, self.form.bits())], limit),
            Firsts::Networks(networks) => {
                let many = networks.len() as u128 * (u128::from(ports.last - ports.first) + 1);
                self.check(many, limit)?;
                let entries = networks.iter().flat_map(|(first, prefix)| {
                    (ports.first..=ports.last).map(|port| {
                        let (first, protocol, prefix) = (number(*first), ports.protocol, *prefix);
                        self.entry(&Parts { first, second: [0; 2], port, protocol, prefix })
                    })
                });
                Ok(entries.collect())
            }
        }
    }

    fn three(
        &self,
        spans: &[Span],
        ports: Ports,
        seconds: &[(u128, u8)],
        limit: u32,
    ) -> Result<Vec<Entry>, Fault> {
        let addresses =
            spans.iter().fold(0, |sum: u128, span| sum.saturating_add(span.last - span.first + 1));
        let each = seconds.len() as u128 * (u128::from(ports.last - ports.first) + 1);
        self.check(addresses.saturating_mul(each), limit)?;
        let mut entries = Vec::new();
        for first in spans.iter().flat_map(|span| span.first..=span.last) {
            for port in ports.first..=ports.last {
                for (second, prefix) in seconds {
                    let (first, second, prefix) = (number(first), number(*second), *prefix);
                    entries.push(self.entry(&Parts {
                        first,
                        second,
                        port,
                        protocol: ports.protocol,
                        prefix,
                    }));
                }
            }
        }
        Ok(entries)
    }

    fn check(&self, count: u128, limit: u32) -> Result<(), Fault> {
        if count > limit.into() {
            return Err(Fault::TooMany { text: self.text.to_owned(), count, limit });
        }
        Ok(())
    }

    const fn entry(&self, parts: &Parts) -> Entry {
        Entry::new(self.form.kind, self.form.family, parts)
    }
}

/// What the first part of an entry stands for.
enum Firsts {
    Spans(Vec<Span>),
    Networks(Vec<(u128, u8)>),
}

impl From<Vec<Span>> for Firsts {
    fn from(spans: Vec<Span>) -> Self {
        Self::Spans(spans)
    }
}

impl From<Vec<(u128, u8)>> for Firsts {
    fn from(networks: Vec<(u128, u8)>) -> Self {
        Self::Networks(networks)
    }
}

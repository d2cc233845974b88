//! What random rules of table nat do.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::outcome::{CLOSED, INPUT, LOW, MASQUERADE, OPEN, SNAT};
use super::rulesets::{Chain, Drawn, NOWHERE, has_ports, one};

/// Where one is led whose port less 8000 is added to the first of these.
const SHIFTED: &str = "9300-9309/8000";
/// Whom servers are told to have seen: one of these.
pub const STRANGERS: [[IpAddr; 2]; 2] = [
    [IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77)), IpAddr::V4(Ipv4Addr::new(203, 0, 113, 79))],
    [
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 0x77)),
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 0x79)),
    ],
];

impl Drawn<'_> {
    /// The words of a target, or none.
    pub fn target(&mut self, chain: Chain, protocol: &str) -> String {
        let ports = has_ports(protocol);
        let verdict = one(self.random, &["-j ACCEPT", "-j RETURN", ""]);
        match chain {
            _ if self.random.once_in(4) => verdict.to_owned(),
            Chain::Prerouting | Chain::Output if self.certain => verdict.to_owned(),
            Chain::Prerouting if self.random.once_in(2) => self.redirect(ports),
            Chain::Prerouting => self.destination(self.own, ports),
            Chain::Output => {
                // Pings would wait for an answer, and TCP waits a second.
                let nowhere = match protocol {
                    "udp" => self.random.once_in(3),
                    "tcp" => self.random.once_in(20),
                    _ => false,
                };
                let addresses = if nowhere { [NOWHERE[self.family]; 2] } else { self.remote };
                self.destination(addresses, ports)
            }
            Chain::Input => {
                let [first, last] = STRANGERS[self.family];
                match self.random.below(3) {
                    0 => self.source((first, first), ports, &INPUT),
                    1 => self.source((first, last), ports, &INPUT),
                    _ => self.source((self.remote[1], self.remote[1]), ports, &INPUT),
                }
            }
            Chain::Postrouting if self.random.once_in(2) => {
                let ports = ports && self.random.once_in(2);
                let random = if self.random.once_in(3) { " --random" } else { "" };
                let to = format!(" --to-ports {}{random}", dashed(&MASQUERADE));
                format!("-j MASQUERADE{}", if ports { &to } else { "" })
            }
            Chain::Postrouting => {
                let address = one(self.random, &[self.own[0], self.own[1], self.own[1]]);
                self.source((address, address), ports, &SNAT)
            }
        }
    }

    fn redirect(&mut self, ports: bool) -> String {
        if !ports || self.random.once_in(4) {
            return "-j REDIRECT".to_owned();
        }
        match self.destination_port() {
            to if to == SHIFTED => format!("-j DNAT --to-destination :{to}"),
            to => format!("-j REDIRECT --to-ports {to}"),
        }
    }

    fn destination_port(&mut self) -> String {
        let ports = ["9000".to_owned(), "9001".to_owned(), "8100".to_owned(), dashed(&OPEN), dashed(&CLOSED)];
        match self.random.below(ports.len() + 1) {
            place if place < ports.len() => ports[place].clone(),
            _ => SHIFTED.to_owned(),
        }
    }

    fn destination(&mut self, addresses: [IpAddr; 2], ports: bool) -> String {
        let (address, port) = (one(self.random, &addresses), self.destination_port());
        let end = match self.random.below(3) {
            _ if !ports => address.to_string(),
            0 => address.to_string(),
            1 => format!(":{port}"),
            _ => with_port(address, &address.to_string(), &port),
        };
        let persistent = if self.random.once_in(4) { " --persistent" } else { "" };
        format!("-j DNAT --to-destination {end}{persistent}")
    }

    /// A source from the first to the last address.
    fn source(
        &mut self,
        (first, last): (IpAddr, IpAddr),
        ports: bool,
        range: &RangeInclusive<u16>,
    ) -> String {
        let addresses = if first == last { first.to_string() } else { format!("{first}-{last}") };
        let with = |port: &str| with_port(first, &addresses, port);
        let end = match self.random.below(5) {
            _ if !ports => addresses,
            0 => addresses,
            1 if self.certain => with("5000"),
            2 => with(&dashed(&LOW)),
            3 => with(&dashed(range)) + " --random",
            _ => with(&dashed(range)),
        };
        let persistent = if self.random.once_in(4) { " --persistent" } else { "" };
        format!("-j SNAT --to-source {end}{persistent}")
    }
}

/// A port of addresses, of which one is given to tell the family.
fn with_port(family: IpAddr, addresses: &str, port: &str) -> String {
    if family.is_ipv4() { format!("{addresses}:{port}") } else { format!("[{addresses}]:{port}") }
}

fn dashed(range: &RangeInclusive<u16>) -> String {
    format!("{}-{}", range.start(), range.end())
}

//! Random rules of table nat.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use berth_common::memory::generate::Random;

use super::{Place, SECOND};
use crate::REMOTE;

/// Ports that are asked for; some are in the ranges of which a rule lets choose.
pub const ASKED: [u16; 7] = [8_000, 8_001, 8_002, 8_100, 8_102, 9_103, 9_203];
/// Ports at which somebody listens, on both sides, beside those of [`OPEN`].
pub const LISTENED: [u16; 6] = [8_000, 8_002, 8_100, 8_102, 9_000, 9_300];
/// To which the node has no way, and says so.
pub const NOWHERE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// One of some.
pub fn one<T: Copy>(random: &mut Random, choices: &[T]) -> T {
    choices[random.below(choices.len())]
}

/// A base chain, and what its rules may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    Prerouting,
    Input,
    Output,
    Postrouting,
}

impl Chain {
    fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "PREROUTING",
            Self::Input => "INPUT",
            Self::Output => "OUTPUT",
            Self::Postrouting => "POSTROUTING",
        }
    }

    fn is_inward(self) -> bool {
        matches!(self, Self::Prerouting | Self::Input)
    }
}

/// Rules of one family.
pub struct Drawn<'a> {
    pub random: &'a mut Random,
    pub family: usize,
    /// The guest's addresses, and those of the remote side.
    pub own: [IpAddr; 2],
    pub remote: [IpAddr; 2],
    /// Whether sources may get one certain port: then no destination is translated on that way, or two flows could become one.
    pub certain: bool,
    text: String,
}

/// A text for each family.
pub fn draw(random: &mut Random, place: &Place) -> [String; 2] {
    [0, 1].map(|family| {
        let own = [place.guest.addresses[family], place.seconds[family]];
        let remote = [REMOTE[family], SECOND[family]];
        let mut drawn = Drawn { random, family, own, remote, certain: false, text: "*nat\n".to_owned() };
        drawn.chains();
        drawn.text + "COMMIT\n"
    })
}

impl Drawn<'_> {
    fn chains(&mut self) {
        let ways = [[Chain::Prerouting, Chain::Input], [Chain::Output, Chain::Postrouting]];
        let mut users = Vec::new();
        for chain in ways.into_iter().flatten() {
            let _ = writeln!(self.text, ":{} ACCEPT [0:0]", chain.name());
            if self.random.once_in(2) {
                users.push((chain, format!("of_{}", chain.name().to_lowercase())));
            }
        }
        for (_, user) in &users {
            let _ = writeln!(self.text, ":{user} - [0:0]");
        }
        // The kernel tracks nothing, and so asks no rule of table nat, unless one has a target that translates (net/netfilter/xt_nat.c,
        // `nf_ct_netns_get`). Nothing leads to this one.
        self.text.push_str(":tracks - [0:0]\n-A tracks -j MASQUERADE\n");
        for way in ways {
            self.certain = self.random.once_in(4);
            for chain in way {
                let user = users.iter().find(|(base, _)| *base == chain).map(|(_, name)| name.as_str());
                for _ in 0..=self.random.below(4) {
                    self.rule(chain, chain.name(), user);
                }
                if let Some(user) = user {
                    self.rule(chain, chain.name(), Some(user));
                    for _ in 0..=self.random.below(3) {
                        self.rule(chain, user, None);
                    }
                }
            }
        }
    }

    fn rule(&mut self, chain: Chain, name: &str, user: Option<&str>) {
        let icmp = ["icmp", "ipv6-icmp"][self.family];
        let protocol = one(self.random, &["", "tcp", "udp", "tcp", "udp", icmp, "! tcp"]);
        let mut words = vec![format!("-A {name}")];
        if self.random.once_in(4) {
            words.push(self.address("-s", chain.is_inward()));
        }
        if self.random.once_in(3) {
            words.push(self.address("-d", !chain.is_inward()));
        }
        if self.random.once_in(6) {
            words.push(if chain.is_inward() { "-i eth0" } else { "-o eth0" }.to_owned());
        }
        match protocol.strip_prefix("! ") {
            Some(not) => words.push(format!("! -p {not}")),
            None if protocol.is_empty() => {}
            None => words.push(format!("-p {protocol}")),
        }
        if has_ports(protocol) && !self.random.once_in(3) {
            words.push(self.ports(protocol));
        }
        words.push(match user {
            Some(user) if self.random.once_in(2) => format!("-j {user}"),
            _ => self.target(chain, protocol),
        });
        words.retain(|word| !word.is_empty());
        let _ = writeln!(self.text, "{}", words.join(" "));
    }

    fn not(&mut self) -> &'static str {
        if self.random.once_in(4) { "! " } else { "" }
    }

    fn address(&mut self, option: &str, remote: bool) -> String {
        let addresses = if remote { self.remote } else { self.own };
        let (not, address) = (self.not(), one(self.random, &addresses));
        let prefix = one(self.random, &["", "", ["/24", "/64"][self.family]]);
        format!("{not}{option} {address}{prefix}")
    }

    fn ports(&mut self, protocol: &str) -> String {
        let not = self.not();
        let destinations = ["8000", "8001", "8100", "9103", "8000:8002", "8100:9299", ":8100", "9000"];
        let sources = ["20000:29999", "40000:", "20003"];
        match self.random.below(6) {
            0..3 => format!("-m {protocol} {not}--dport {}", one(self.random, &destinations)),
            3 => format!("-m {protocol} {not}--sport {}", one(self.random, &sources)),
            4 => {
                let lists = ["8000,8100:8102,9103", "8001,8100", "9000:9203,8000"];
                format!("-m multiport {not}--dports {}", one(self.random, &lists))
            }
            _ => {
                format!("-m multiport {not}--ports {}", one(self.random, &["20000:29999,8001", "8000,9103"]))
            }
        }
    }
}

/// Whether a protocol has ports, so that rules may name some.
pub fn has_ports(protocol: &str) -> bool {
    matches!(protocol, "tcp" | "udp")
}

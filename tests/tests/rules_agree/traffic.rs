//! Random packets: the first ones of conversations, and what is said then.

use std::collections::HashSet;
use std::net::IpAddr;

use berth::rules::{family::Family, feature::Feature, ruleset::Ruleset};
use berth_common::memory::generate::Random;

use crate::aim::Aim;
use crate::packet::{Cast, Packet, Segment, Upper, Way};
use crate::{reach, rulesets};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
const UDPLITE: u8 = 136;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// The sequence numbers that the two ends of TCP begin with.
const OPENER: u32 = 1_000;
const RESPONDER: u32 = 5_000;

const MTU: usize = 1_500;

/// Packets for a ruleset.
pub fn random(random: &mut Random, ruleset: &Ruleset, count: usize) -> Vec<Packet> {
    let mut source = Source {
        aim: Aim::at(ruleset),
        family: ruleset.family,
        asks_state: [Feature::Conntrack, Feature::State]
            .into_iter()
            .any(|feature| rulesets::has(ruleset, feature)),
        rejects: rulesets::rejects(ruleset),
        asks_flow: rulesets::asks_flow(ruleset),
        next_id: 0,
        seen: HashSet::new(),
    };
    // The container's own kernel answers, and that is rejected too: berth is not to become tired of telling.
    let count = if source.rejects { count / 2 } else { count };
    let (mut packets, mut talks) = (Vec::new(), Vec::<Talk>::new());
    while packets.len() < count {
        // Where checksums are right, the container's kernel goes on by itself.
        let begins = source.rejects || random.once_in(2);
        let talk = if begins { None } else { Some(random.below(talks.len())) };
        match talk.and_then(|talk| talks.get_mut(talk)) {
            Some(talk) if !source.asks_flow && random.once_in(6) => {
                packets.extend(talk.error(random, &source.aim));
            }
            Some(talk) => packets.extend(talk.go_on(random, &source.aim)),
            None => {
                if let Some(first) = source.first(random) {
                    packets.push(first.clone());
                    talks.push(Talk::new(first));
                }
            }
        }
    }
    packets.truncate(count);
    packets
}

const CASTS: [Cast; 4] = [Cast::Unicast, Cast::Unicast, Cast::Broadcast, Cast::Multicast];

struct Source {
    aim: Aim,
    family: Family,
    asks_state: bool,
    /// Whether senders are told that their packets are rejected, which is then to be the same on both sides.
    rejects: bool,
    /// Whether rules look at more of a flow than its state: of ICMP errors berth does not know that.
    asks_flow: bool,
    /// Every query has an id of its own.
    next_id: u16,
    /// The ends of all TCP there was.
    seen: HashSet<[(IpAddr, u16); 2]>,
}

impl Source {
    fn first(&mut self, random: &mut Random) -> Option<Packet> {
        let way = random.pick(&[Way::In, Way::Out])?;
        // Mostly such as can be answered.
        let answerable = !random.once_in(4);
        let other = if way == Way::In { Way::Out } else { Way::In };
        let source = self.aim.address(random, self.family, |address| {
            reach::source(way, address) && (!answerable || reach::destination(other, address))
        })?;
        // What is from itself has no direction.
        let destination = self
            .aim
            .address(random, self.family, |address| reach::destination(way, address) && address != source)?;
        if self.rejects && !reach::is_told(way, source, destination) {
            return None;
        }
        let protocol = self.protocol(random, way);
        let upper = self.upper(random, protocol);
        let packet = Packet {
            way,
            source,
            destination,
            tos: self.aim.tos(random),
            hops: self.aim.hops(random),
            protocol,
            upper,
            payload: Vec::new(),
            mac: self.aim.mac(random),
            cast: random.pick(if self.rejects { &[Cast::Unicast] } else { &CASTS })?,
            trailer: if random.once_in(8) { random.below(8) } else { 0 },
            is_right: self.rejects,
        };
        let packet = filled(packet, random, &self.aim);
        if let Upper::Tcp(segment) = &packet.upper {
            let mut ends = [(source, segment.ports.0), (destination, segment.ports.1)];
            ends.sort_unstable();
            if !self.seen.insert(ends) {
                return None;
            }
        }
        Some(packet)
    }

    fn protocol(&self, random: &mut Random, way: Way) -> u8 {
        let icmp = if self.family == Family::Ipv4 { ICMP } else { ICMPV6 };
        let mut usual = vec![TCP, TCP, TCP, UDP, UDP, UDP, icmp, icmp, UDPLITE, 253, 50];
        if !self.asks_state {
            usual.push(SCTP);
        }
        let protocol = self.aim.protocol(random, &usual);
        // Netfilter tells nobody about a packet whose checksum it cannot find, nor about the kernel's echo replies.
        let is_told = [TCP, UDP].contains(&protocol) || protocol == icmp && way == Way::Out;
        let known = if self.rejects { is_told } else { usual.contains(&protocol) || protocol == 47 };
        if known { protocol } else { UDP }
    }

    fn upper(&mut self, random: &mut Random, protocol: u8) -> Upper {
        let ports = (self.aim.port(random), self.aim.port(random));
        match (protocol, self.family) {
            (TCP, _) => {
                // To netfilter a notice about what belongs to no flow does not either.
                let flags = if self.rejects { SYN } else { Self::first_flags(random) };
                let kinds = [2, 3, 4, 8];
                let options = (0..random.below(3)).filter_map(|_| random.pick(&kinds)).collect();
                Upper::Tcp(Segment { ports, numbers: (OPENER, 0), flags, options })
            }
            (UDP | UDPLITE | SCTP, _) => Upper::Ports(ports.0, ports.1),
            (ICMP, Family::Ipv4) | (ICMPV6, Family::Ipv6) => {
                self.next_id += 1;
                let echo = if self.family == Family::Ipv4 { 8 } else { 128 };
                let (kind, code) = if random.once_in(2) { (echo, 0) } else { self.aim.icmp(random) };
                Upper::Icmp(kind, code, u32::from(self.next_id) << 16)
            }
            _ => Upper::Bare,
        }
    }

    fn first_flags(random: &mut Random) -> u8 {
        match random.below(10) {
            0..6 => SYN,
            6 => ACK,
            7 => random.pick(&[SYN | ACK, FIN | ACK, RST, RST | ACK, 0]).unwrap_or(0),
            _ => random.byte(),
        }
    }
}

/// A conversation.
struct Talk {
    first: Packet,
    last: Packet,
    /// How far a connection of TCP is.
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// One side has said something, which for TCP was a SYN.
    Asked,
    /// The other side has accepted.
    Accepted,
    /// Both sides talk.
    Open,
    /// The opener has said all it has to.
    HalfClosed,
    /// Both have.
    Closed,
    /// Nothing more can be said that everybody understands in the same way.
    Over,
}

impl Talk {
    fn new(first: Packet) -> Self {
        let stage = match &first.upper {
            Upper::Tcp(Segment { flags: SYN, .. }) => Stage::Asked,
            Upper::Tcp(Segment { flags: ACK, .. }) => Stage::Open,
            Upper::Tcp(_) => Stage::Over,
            _ => Stage::Asked,
        };
        Self { last: first.clone(), first, stage }
    }

    /// The next packet of either side, if there is one.
    fn go_on(&mut self, random: &mut Random, aim: &Aim) -> Option<Packet> {
        let can_answer = reach::source(other(self.first.way), self.first.destination)
            && reach::destination(other(self.first.way), self.first.source);
        let answers = can_answer && random.once_in(2);
        let mut next = if answers { answer(&self.first)? } else { self.first.clone() };
        if let Upper::Tcp(segment) = &mut next.upper {
            segment.options.clear();
            (segment.flags, segment.numbers) = self.say(random, answers)?;
        }
        next.tos = aim.tos(random);
        next.hops = aim.hops(random);
        next.mac = aim.mac(random);
        self.last = filled(next, random, aim);
        Some(self.last.clone())
    }

    /// An ICMP error about the last packet, mostly to its sender, if one can come.
    fn error(&self, random: &mut Random, aim: &Aim) -> Option<Packet> {
        let way = other(self.last.way);
        let is_v4 = self.last.source.is_ipv4();
        let family = if is_v4 { Family::Ipv4 } else { Family::Ipv6 };
        let source = match random.below(3) {
            0 => aim.address(random, family, |address| reach::source(way, address))?,
            _ => self.last.destination,
        };
        // Of errors that leave, berth does not mind to whom they go.
        let destination = match random.below(8) {
            0 if way == Way::In => aim.address(random, family, |address| reach::destination(way, address))?,
            _ => self.last.source,
        };
        let may_come = reach::source(way, source) && reach::destination(way, destination);
        if !may_come || matches!(self.last.upper, Upper::Icmp(kind, ..) if is_error(kind, is_v4)) {
            return None;
        }
        let kinds: &[u8] = if is_v4 { &[3, 3, 4, 5, 11, 12] } else { &[1, 1, 2, 3, 4] };
        let mut quoted = self.last.bytes();
        quoted.truncate(self.last.header_length());
        Some(Packet {
            way,
            source,
            destination,
            hops: 64,
            protocol: if is_v4 { ICMP } else { ICMPV6 },
            upper: Upper::Icmp(random.pick(kinds)?, random.byte() % 4, 0),
            payload: quoted,
            cast: Cast::Unicast,
            trailer: 0,
            ..self.last
        })
    }

    /// What one side of TCP says next: flags, and sequence numbers.
    fn say(&mut self, random: &mut Random, answers: bool) -> Option<(u8, (u32, u32))> {
        let (own, others) = if answers { (RESPONDER, OPENER) } else { (OPENER, RESPONDER) };
        let (said, flags) = match (self.stage, answers) {
            (Stage::Asked, false) => return Some((SYN, (OPENER, 0))),
            (Stage::Asked, true) => {
                self.stage = Stage::Accepted;
                return Some((SYN | ACK, (RESPONDER, OPENER + 1)));
            }
            (Stage::Accepted, true) => return Some((SYN | ACK, (RESPONDER, OPENER + 1))),
            (Stage::Accepted, false) => {
                self.stage = Stage::Open;
                (1, ACK)
            }
            (Stage::Open, false) if random.once_in(4) => {
                self.stage = Stage::HalfClosed;
                (1, FIN | ACK)
            }
            (Stage::HalfClosed, true) if random.once_in(2) => {
                self.stage = Stage::Closed;
                (1, FIN | ACK)
            }
            (Stage::Open, _) | (Stage::HalfClosed, true) => (1, ACK),
            (Stage::HalfClosed, false) => (1, FIN | ACK),
            (Stage::Closed, _) => {
                self.stage = Stage::Over;
                (2, ACK)
            }
            (Stage::Over, _) => return None,
        };
        Some((flags, (own + said, others + 1)))
    }
}

fn other(way: Way) -> Way {
    if way == Way::In { Way::Out } else { Way::In }
}

/// Of which there is none about another.
fn is_error(kind: u8, is_v4: bool) -> bool {
    if is_v4 { [3, 4, 5, 11, 12].contains(&kind) } else { kind < 128 }
}

/// The other side's packet of the same conversation; nothing if a packet of this kind has no answer.
fn answer(first: &Packet) -> Option<Packet> {
    let upper = match first.upper.clone() {
        Upper::Ports(source, destination) => Upper::Ports(destination, source),
        Upper::Tcp(segment) => Upper::Tcp(Segment { ports: (segment.ports.1, segment.ports.0), ..segment }),
        Upper::Icmp(8, code, rest) if first.source.is_ipv4() => Upper::Icmp(0, code, rest),
        Upper::Icmp(kind @ (13 | 15 | 17), code, rest) if first.source.is_ipv4() => {
            Upper::Icmp(kind + 1, code, rest)
        }
        Upper::Icmp(128, code, rest) => Upper::Icmp(129, code, rest),
        Upper::Icmp(..) => return None,
        Upper::Bare => Upper::Bare,
    };
    Some(Packet {
        way: other(first.way),
        source: first.destination,
        destination: first.source,
        upper,
        cast: Cast::Unicast,
        ..first.clone()
    })
}

/// With a payload, such that the packet is mostly as long as some rule wants it.
fn filled(packet: Packet, random: &mut Random, aim: &Aim) -> Packet {
    let wanted = usize::from(aim.length(random)).min(MTU);
    let length = wanted.max(packet.header_length());
    let payload = vec![0xbb; length - packet.header_length()];
    Packet { payload, trailer: packet.trailer.min(MTU - length), ..packet }
}

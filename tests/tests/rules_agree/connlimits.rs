//! Rulesets and packets about how many flows an address has. They are tests of their own, since a flow that is dropped counts
//! on in the kernel until the next tick of its clock: the packets have to wait for it. Each is of a flow of its own, since
//! for one that it knows the kernel does not look which others have gone meanwhile; and of ICMP errors it counts the flow
//! that they are about, which berth does not.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};
use berth::rules::{family::Family, parse::parse, ruleset::Ruleset};
use berth_common::memory::generate::Random;

use crate::packet::{Cast, Packet, Segment, Upper, Way};
use crate::side::{LOCAL_V4, LOCAL_V6};
use crate::trial::Trial;

const UDP: u8 = 17;
const TCP: u8 = 6;
const SYN: u8 = 2;

/// Rules, and packets for them.
pub fn trial(random: &mut Random, family: Family, packets: usize) -> Result<Trial> {
    let ruleset = ruleset(random, family)?;
    let packets = (0..packets).map(|number| packet(random, family, number)).collect();
    Ok(Trial { ruleset, packets })
}

fn ruleset(random: &mut Random, family: Family) -> Result<Ruleset> {
    let mut text = String::from("*filter\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:EACH -\n");
    for _ in 0..=random.below(4) {
        let chain = one_of(random, ["INPUT", "INPUT", "INPUT", "EACH", "OUTPUT"]);
        let protocol = if chain == "INPUT" {
            one_of(random, ["", " -p udp", " -p tcp"])
        } else {
            one_of(random, [" -p udp", " -p tcp"])
        };
        let bound = one_of(random, ["above", "upto"]);
        let limit = random.below(5);
        let widest = if family == Family::Ipv4 { 32 } else { 128 };
        let mask = match random.below(3) {
            0 => format!(" --connlimit-mask {}", widest - random.below(3)),
            _ => String::new(),
        };
        let side = one_of(random, ["", "", " --connlimit-daddr"]);
        let target = one_of(random, ["", " -j DROP", " -j DROP", " -j ACCEPT", " -j RETURN"]);
        writeln!(text, "-A {chain}{protocol} -m connlimit --connlimit-{bound} {limit}{mask}{side}{target}")?;
    }
    for chain in ["INPUT", "OUTPUT"] {
        writeln!(text, "-A {chain} -j EACH\n-A {chain} -p udp -m udp --dport 7 -j DROP")?;
    }
    text += "COMMIT\n";
    parse(family, &text).with_context(|| text)
}

/// Of few addresses.
fn packet(random: &mut Random, family: Family, number: usize) -> Packet {
    let client = 1 + random.below(4);
    let (source, destination) = match family {
        Family::Ipv4 => (
            IpAddr::V4(Ipv4Addr::from_bits(0xc633_6400 + u32::try_from(client).unwrap_or(0))),
            IpAddr::V4(Ipv4Addr::from_bits(LOCAL_V4.0.to_bits() + 5)),
        ),
        Family::Ipv6 => (
            IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8_00ff << 80 | client as u128)),
            IpAddr::V6(Ipv6Addr::from_bits(LOCAL_V6.0.to_bits() + 5)),
        ),
    };
    let port = 1_000 + u16::try_from(number).unwrap_or(0);
    let (protocol, upper) = if random.once_in(3) {
        let segment = Segment { ports: (port, 80), numbers: (1_000, 0), flags: SYN, options: Vec::new() };
        (TCP, Upper::Tcp(segment))
    } else {
        (UDP, Upper::Ports(port, one_of(random, [7, 9, 9, 9])))
    };
    Packet {
        way: Way::In,
        source,
        destination,
        tos: 0,
        hops: 64,
        protocol,
        upper,
        payload: Vec::new(),
        mac: [0x02, 0, 0, 0, 2, 2],
        cast: Cast::Unicast,
        trailer: 0,
        is_right: true,
    }
}

fn one_of<T: Copy, const N: usize>(random: &mut Random, choices: [T; N]) -> T {
    choices[random.below(N)]
}

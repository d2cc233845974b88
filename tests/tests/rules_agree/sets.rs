//! Named sets that rules may match, the same on both sides.

use std::fmt::Write as _;

use berth::compile::input;
use berth::rules::family::Family;
use berth_common::memory::generate::Random;

/// Ports in sets, and what packets to sets are aimed at.
pub const PORTS: [u16; 4] = [22, 53, 80, 443];

/// A set, and how many parts its entries have.
struct Sort {
    name: &'static str,
    kind: &'static str,
    parts: usize,
}

const SORTS: [Sort; 7] = [
    Sort { name: "ip", kind: "hash:ip", parts: 1 },
    Sort { name: "net", kind: "hash:net", parts: 1 },
    Sort { name: "ip-port", kind: "hash:ip,port", parts: 2 },
    Sort { name: "net-port", kind: "hash:net,port", parts: 2 },
    Sort { name: "ip-port-ip", kind: "hash:ip,port,ip", parts: 3 },
    Sort { name: "ip-port-net", kind: "hash:ip,port,net", parts: 3 },
    Sort { name: "port", kind: "bitmap:port", parts: 1 },
];

/// The sets for one family: their names, and with how many directions rules may ask of them: as many as there are parts,
/// too few, and too many.
pub fn wanted() -> Vec<(String, usize)> {
    let all = SORTS.iter().flat_map(|sort| {
        [sort.parts, sort.parts, sort.parts, sort.parts + 1, sort.parts.saturating_sub(1).max(1)]
            .map(|directions| (sort.name.to_owned(), directions))
    });
    all.collect()
}

/// As the rules' names stand for them; the numbers do not matter.
pub fn names(family: Family) -> Vec<(String, u32, Option<input::Family>)> {
    let family = match family {
        Family::Ipv4 => input::Family::Ipv4,
        Family::Ipv6 => input::Family::Ipv6,
    };
    let family = |sort: &Sort| (sort.kind != "bitmap:port").then_some(family);
    (0..).zip(&SORTS).map(|(number, sort)| (sort.name.to_owned(), number, family(sort))).collect()
}

/// A text that makes the sets of a family, with random entries.
pub fn text(random: &mut Random, family: Family) -> String {
    let mut text = String::new();
    for Sort { name, kind, .. } in &SORTS {
        let option = match (*kind, family) {
            ("bitmap:port", _) => "range 0-1023",
            (_, Family::Ipv4) => "family inet",
            (_, Family::Ipv6) => "family inet6",
        };
        let _ = writeln!(text, "create {name} {kind} {option}");
        for _ in 0..random.below(60) {
            let entry = entry(random, kind, family);
            let exception = if kind.contains("net") && random.once_in(4) { " nomatch" } else { "" };
            let _ = writeln!(text, "add {name} {entry}{exception}");
        }
    }
    text
}

fn entry(random: &mut Random, kind: &str, family: Family) -> String {
    let parts = kind.split_once(':').map_or(kind, |(_, parts)| parts).split(',');
    let is_only = kind == "bitmap:port";
    let texts = parts.map(|part| match part {
        "ip" => address(random, family),
        "net" => {
            let lengths: &[u8] = if family == Family::Ipv4 {
                &[8, 15, 23, 24, 28, 31, 32]
            } else {
                &[32, 56, 63, 64, 120, 125, 128]
            };
            let length = random.pick(lengths).unwrap_or(32);
            format!("{}/{length}", address(random, family))
        }
        _ if is_only => random.pick(&PORTS).unwrap_or(80).to_string(),
        _ => {
            let port = random.pick(&PORTS).unwrap_or(80);
            let icmp = if family == Family::Ipv4 { "icmp:8/0" } else { "ipv6-icmp:128/0" };
            match random.below(8) {
                0..3 => format!("tcp:{port}"),
                3..5 => format!("udp:{port}"),
                5 => format!("udplite:{port}"),
                6 => icmp.to_owned(),
                _ => random.pick(&["gre:0", "esp:0"]).unwrap_or("gre:0").to_owned(),
            }
        }
    });
    texts.collect::<Vec<_>>().join(",")
}

/// One that packets often have.
fn address(random: &mut Random, family: Family) -> String {
    let (network, host) = (random.byte() % 4, random.byte() % 16);
    match family {
        Family::Ipv4 => format!("10.0.{network}.{}", host + 1),
        Family::Ipv6 => format!("2001:db8:0:{network}::{:x}", host + 1),
    }
}

//! Sets: what is written, what is in them, and whether lookups find that.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use berth_common::{
    abi::{
        rules::{Dimension, Family, external},
        set::{Entry, Kind, MAX_LENGTHS},
    },
    engine::{classify::Question, set::Search},
    memory::{generate::Random, holds},
};

use super::{
    Bounds, Element, Fault, Form, Misfit, Sets, Step, Table, command, command::Command, element::write,
};

const FORMS: [(Kind, Family); 13] = [
    (Kind::HashIp, Family::Ipv4),
    (Kind::HashNet, Family::Ipv4),
    (Kind::HashIpPort, Family::Ipv4),
    (Kind::HashNetPort, Family::Ipv4),
    (Kind::HashIpPortIp, Family::Ipv4),
    (Kind::HashIpPortNet, Family::Ipv4),
    (Kind::HashIp, Family::Ipv6),
    (Kind::HashNet, Family::Ipv6),
    (Kind::HashIpPort, Family::Ipv6),
    (Kind::HashNetPort, Family::Ipv6),
    (Kind::HashIpPortIp, Family::Ipv6),
    (Kind::HashIpPortNet, Family::Ipv6),
    (Kind::BitmapPort, Family::Ipv4),
];

fn entries(form: Form, text: &str) -> Result<Vec<String>, Fault> {
    let read = Element::read(&form, text, false, 1_000)?;
    Ok(read.entries.iter().map(|entry| write(&form, entry)).collect())
}

/// What ipset 7.17 makes of each, tried with it.
#[test]
fn elements_are_read_as_ipset_reads_them() {
    let v4 = |kind| Form::of(kind, Family::Ipv4);
    let v6 = |kind| Form::of(kind, Family::Ipv6);
    for (form, text, expected) in [
        (v4(Kind::HashIp), "192.0.2.5-192.0.2.6", "192.0.2.5 192.0.2.6"),
        (v4(Kind::HashIp), "192.0.2.9/31", "192.0.2.8 192.0.2.9"),
        (v4(Kind::HashNet), "10.0.0.1-10.0.0.9", "10.0.0.1 10.0.0.2/31 10.0.0.4/30 10.0.0.8/31"),
        (v4(Kind::HashNet), "10.1.2.3/12", "10.0.0.0/12"),
        (v4(Kind::HashNet), "10.1.2.3", "10.1.2.3"),
        (v4(Kind::HashIpPort), "192.0.2.1,80-81", "192.0.2.1,tcp:80 192.0.2.1,tcp:81"),
        (v4(Kind::HashIpPort), "192.0.2.1,udp:domain", "192.0.2.1,udp:53"),
        (v4(Kind::HashIpPort), "192.0.2.1,icmp:echo-request", "192.0.2.1,icmp:8/0"),
        (v4(Kind::HashIpPort), "192.0.2.1,icmp:3/1", "192.0.2.1,icmp:3/1"),
        (v4(Kind::HashIpPort), "192.0.2.1,gre:0", "192.0.2.1,gre:0"),
        (v4(Kind::HashIpPort), "192.0.2.1,0", "192.0.2.1,tcp:0"),
        (v4(Kind::HashNetPort), "10.9.9.9/8,sctp:5", "10.0.0.0/8,sctp:5"),
        (v4(Kind::HashIpPortIp), "10.0.0.1,tcp:80,10.0.0.2", "10.0.0.1,tcp:80,10.0.0.2"),
        (v4(Kind::HashIpPortNet), "10.0.0.1,tcp:80,10.9.9.9/8", "10.0.0.1,tcp:80,10.0.0.0/8"),
        (v6(Kind::HashIp), "2001:db8::1", "2001:db8::1"),
        (v6(Kind::HashNet), "2001:db8::5/64", "2001:db8::/64"),
        (v6(Kind::HashNet), "2001:db8::5/128", "2001:db8::5"),
        (v6(Kind::HashIpPortIp), "2001:db8::1,ipv6-icmp:echo-request,::", "2001:db8::1,ipv6-icmp:128/0,::"),
        (v6(Kind::HashIpPortNet), "::,tcp:0,2001:db8:1::/33", "::,tcp:0,2001:db8::/33"),
        (v4(Kind::BitmapPort), "80", "80"),
        (v4(Kind::BitmapPort), "tcp:81", "81"),
        (v4(Kind::BitmapPort), "8080-8082", "8080 8081 8082"),
    ] {
        assert_eq!(entries(form, text).map(|all| all.join(" ")), Ok(expected.to_owned()), "{text}");
    }
    for (form, text, word) in [
        (v4(Kind::HashIp), "0.0.0.0", "nobody"),
        (v4(Kind::HashIp), "2001:db8::1", "no inet address"),
        (v4(Kind::HashIp), "x", "no entry"),
        (v4(Kind::HashIp), "10.0.0.0/8", "16777216 entries"),
        (v4(Kind::HashIp), "192.0.2.1,80", "no entry"),
        (v4(Kind::HashNet), "10.0.0.4/0", "prefix"),
        (v4(Kind::HashIpPort), "192.0.2.1", "no entry"),
        (v4(Kind::HashIpPort), "192.0.2.1,47:5", "must be 0"),
        (v4(Kind::HashIpPort), "192.0.2.1,sctp:5,192.0.2.3", "no entry"),
        (v6(Kind::HashNet), "::/0", "prefix"),
        (v6(Kind::HashNet), "2001:db8::1-2001:db8::5", "range of addresses"),
        (v6(Kind::HashIp), "2001:db8::/64", "prefix"),
        (Form { ports: (100, 200), ..v4(Kind::BitmapPort) }, "99-101", "outside the set's ports 100-200"),
    ] {
        let error = entries(form, text).unwrap_err().to_string();
        assert!(error.contains(word) && !error.contains('\n'), "{text}: {error}");
    }
}

/// A text of an entry of any kind, out of few, so that there are often the same and such as contain one another.
fn random_text(form: Form, random: &mut Random) -> String {
    let v6 = form.family == Some(Family::Ipv6);
    let mut address = || match (v6, random.byte() % 8, random.byte() % 8) {
        (false, a, b) => format!("10.{a}.0.{}", b + 1),
        (true, a, b) => format!("2001:db8:{a}::{}", b + 1),
    };
    let (first, second) = (address(), address());
    let lengths = if v6 { [16, 48, 64, 127, 128] } else { [8, 14, 16, 30, 32] };
    let prefix = random.pick(&lengths).unwrap_or(1);
    let port = ["tcp:80", "udp:80", "tcp:81", "gre:0", if v6 { "ipv6-icmp:128/0" } else { "icmp:8/0" }];
    let port = random.pick(&port).unwrap_or("tcp:80");
    match form.kind {
        Kind::HashIp => first,
        Kind::HashNet => format!("{first}/{prefix}"),
        Kind::HashIpPort => format!("{first},{port}"),
        Kind::HashNetPort => format!("{first}/{prefix},{port}"),
        Kind::HashIpPortIp => format!("{first},{port},{second}"),
        Kind::HashIpPortNet => format!("{first},{port},{second}/{prefix}"),
        Kind::BitmapPort => (u16::from(random.byte()) * 3).to_string(),
    }
}

fn read_one(form: Form, text: &str, nomatch: bool) -> Entry {
    Element::read(&form, text, nomatch, 10).unwrap().entries[0]
}

#[test]
fn entries_come_and_go_as_in_a_list() {
    for (kind, family) in FORMS {
        let form = Form::of(kind, family);
        let mut random = Random::new(7);
        let mut table = Table::new(form);
        let mut list: BTreeMap<Entry, Entry> = BTreeMap::new();
        for _ in 0..4_000 {
            let text = random_text(form, &mut random);
            let key = read_one(form, &text, false);
            let entry = read_one(form, &text, kind.has_networks() && random.once_in(4));
            if random.once_in(3) {
                assert_eq!(table.remove(&key), list.remove(&key).is_some());
            } else if let std::collections::btree_map::Entry::Vacant(place) = list.entry(key) {
                table.insert(&entry).unwrap();
                place.insert(entry);
            }
            assert_eq!((table.find(&key), table.len()), (list.get(&key).copied(), list.len()));
        }
        let (mut all, mut expected) = (table.entries(), list.values().copied().collect::<Vec<_>>());
        all.sort_unstable();
        expected.sort_unstable();
        assert_eq!(all, expected, "{kind:?} {family:?}");
        let rebuilt = Table::of(form, &all).unwrap();
        assert_eq!(rebuilt.entries(), table.entries());
    }
}

/// The more lengths there are, the fewer lines are looked at for each: what is there is found nevertheless.
#[test]
fn entries_are_found_when_networks_of_other_lengths_come() {
    let form = Form::of(Kind::HashNet, Family::Ipv6);
    let mut texts: Vec<String> = (0..429).map(|number| format!("2001:db8::{number:x}/128")).collect();
    texts.extend((96..127).map(|length| format!("2001:db8:1::/{length}")));
    let entries: Vec<Entry> = texts.iter().map(|text| read_one(form, text, false)).collect();
    // Each has another seed.
    for _ in 0..10 {
        // As full as it may be, before the others come.
        let mut table = Table::of(form, &entries[..429]).unwrap();
        for entry in &entries[429..] {
            table.insert(entry).unwrap();
        }
        for entry in &entries {
            assert_eq!(table.find(entry), Some(*entry));
        }
    }
}

/// As lists of networks have that are in use.
#[test]
fn many_networks_of_all_lengths() {
    let form = Form::of(Kind::HashNet, Family::Ipv6);
    let mut random = Random::new(9);
    let entry = |number: u32| {
        let prefix = 29 + u8::try_from(number % 32).unwrap();
        let parts = berth_common::abi::set::Parts {
            first: [random.bits(), 0],
            prefix,
            ..berth_common::abi::set::Parts::default()
        };
        Entry::new(form.kind, form.family, &parts)
    };
    let mut all: Vec<Entry> = (0..100_000).map(entry).collect();
    all.sort_unstable();
    all.dedup();
    let mut table = Table::of(form, &all[..60_000]).unwrap();
    let refused = all[60_000..].iter().position(|entry| table.insert(entry).is_err()).unwrap();
    let held = &all[..60_000 + refused];
    assert!((table.len(), held.len() > 94_000) == (held.len(), true), "{}", table.len());
    assert!(held.iter().step_by(100).all(|entry| table.find(entry) == Some(*entry)));
    // As the next berth reads it, whatever its seed.
    assert_eq!(Table::of(form, held).unwrap().len(), held.len());
    assert_eq!(Table::of(form, &all[..=held.len()]).unwrap_err(), Misfit::Room);
}

/// What the kernel has is told by the changes alone.
#[test]
fn changes_lead_to_the_same_lines() {
    use super::Change;
    for (kind, family) in FORMS {
        let form = Form::of(kind, family);
        let mut random = Random::new(3);
        let (mut table, mut kernel, mut by_line) = (Table::new(form), Vec::new(), 0);
        for stamp in 0..600 {
            let entry = read_one(form, &random_text(form, &mut random), false);
            if !table.remove(&entry) {
                table.insert(&entry).unwrap();
            }
            match table.take_change() {
                Change::All => kernel = table.lines(stamp),
                Change::Lines(lines) => {
                    by_line += 1;
                    for (line, words) in lines {
                        kernel[line as usize] = words;
                    }
                    kernel[0] = table.header(stamp);
                }
            }
            assert_eq!(kernel, table.lines(stamp), "{kind:?} {family:?}");
        }
        assert!(by_line > 100, "{kind:?} {family:?}: {by_line}");
    }
}

/// Asked about a packet with these ends.
fn question(family: Family, ends: [u128; 2], protocol: u8, ports: [u32; 2]) -> Question {
    let mut question = Question { family, ..Question::EMPTY };
    for (dimension, end) in [Dimension::Source, Dimension::Destination].into_iter().zip(ends) {
        let address = match family {
            Family::Ipv4 => std::net::IpAddr::from(std::net::Ipv4Addr::from_bits(end.try_into().unwrap())),
            Family::Ipv6 => std::net::Ipv6Addr::from_bits(end).into(),
        };
        question.fields.set_address(dimension, family, &address.into());
    }
    question.fields.set(Dimension::Protocol, protocol.into());
    question.fields.set(Dimension::SourcePort, ports[0]);
    question.fields.set(Dimension::DestinationPort, ports[1]);
    question
}

/// Lookups say what going through the entries one by one does.
#[test]
fn lookups_find_what_is_there() {
    for (kind, family) in FORMS {
        let form = Form::of(kind, family);
        let mut random = Random::new(11);
        let mut table = Table::new(form);
        for _ in 0..60 {
            let text = random_text(form, &mut random);
            let entry = read_one(form, &text, kind.has_networks() && random.once_in(4));
            table.remove(&entry);
            table.insert(&entry).unwrap();
        }
        let (lines, entries) = (table.lines(1), table.entries());
        let mut met = [0; 2];
        for _ in 0..4_000 {
            let protocol = random.pick(&[6, 17, 47, if family == Family::Ipv4 { 1 } else { 58 }]).unwrap();
            let end = |random: &mut Random| match family {
                Family::Ipv4 => u128::from(
                    0x0a00_0001 + (u32::from(random.byte() % 9) << 16) + u32::from(random.byte() % 8),
                ),
                Family::Ipv6 => {
                    (0x2001_0db8 << 96)
                        + (u128::from(random.byte() % 9) << 80)
                        + u128::from(random.byte() % 8)
                        + 1
                }
            };
            let mut ends = [end(&mut random), end(&mut random)];
            let mut protocol = protocol;
            let mut ports = match protocol {
                6 | 17 => [0; 2].map(|_: u32| {
                    if kind == Kind::BitmapPort {
                        u32::from(random.byte())
                    } else {
                        random.pick(&[80, 81, 82]).unwrap()
                    }
                }),
                47 => [u32::MAX; 2],
                _ => [u32::MAX, if protocol == 1 { 8 << 8 } else { 128 << 8 }],
            };
            let asked = external::Set { parts: 1 + random.byte() % 4, destinations: random.byte() % 8 };
            if kind.parts() > 2 && random.once_in(2) {
                // Three parts hardly ever agree by themselves.
                let wanted = random.pick(&entries).unwrap().parts(kind, form.family);
                ends =
                    [wanted.first, wanted.second].map(|[high, low]| u128::from(high) << 64 | u128::from(low));
                protocol = wanted.protocol;
                if protocol != 47 {
                    ports = [wanted.port.into(); 2];
                }
            }
            if random.once_in(16) {
                ends[usize::from(random.byte() & 1)] = 0;
            }
            let question = question(family, ends, protocol, ports);
            let expected = slow(form, &entries, (ends, protocol, ports), asked);
            let found = holds(&lines, &question, asked).unwrap();
            assert_eq!(found, expected, "{kind:?} {family:?} {ends:x?} {protocol} {ports:?} {asked:?}");
            // Where lines are full, so are those that are looked at without a search.
            let mut search = Search::EMPTY;
            let searched = search.is_in(&&*lines, &question, asked);
            assert_eq!(searched, expected, "{kind:?} {family:?} {ends:x?} {protocol} {ports:?} {asked:?}");
            met[usize::from(found)] += 1;
        }
        assert!(met.iter().all(|met| *met > 20), "{kind:?} {family:?}: {met:?}");
    }
}

type Packet = ([u128; 2], u8, [u32; 2]);

fn slow(form: Form, entries: &[Entry], (ends, protocol, ports): Packet, asked: external::Set) -> bool {
    let end = |part: u8| usize::from(asked.destinations >> part & 1);
    if asked.parts < form.kind.parts() {
        return false;
    }
    let port_of = |part: u8| match protocol {
        6 | 17 => ports[end(part)],
        1 | 58 => ports[1],
        _ => 0,
    };
    if form.kind == Kind::BitmapPort {
        let wanted = port_of(0).to_string();
        return matches!(protocol, 6 | 17) && entries.iter().any(|entry| write(&form, entry) == wanted);
    }
    let mut best: Option<(u8, bool)> = None;
    for entry in entries {
        let nomatch = entry.0[0] & berth_common::abi::set::NOMATCH != 0;
        let held = entry.parts(form.kind, form.family);
        let bits = |number: [u64; 2]| u128::from(number[0]) << 64 | u128::from(number[1]);
        let in_net = |network: u128, address: u128, prefix: u8| {
            let rest = u32::from(form.bits() - prefix);
            network.checked_shr(rest).unwrap_or(0) == address.checked_shr(rest).unwrap_or(0)
        };
        let (first, second) = match form.kind {
            Kind::HashIpPortNet => (form.bits(), held.prefix),
            _ => (held.prefix, form.bits()),
        };
        let holds = in_net(bits(held.first), ends[end(0)], first)
            && (!form.kind.has_port() || (held.protocol, u32::from(held.port)) == (protocol, port_of(1)))
            && (form.kind.parts() < 3 || in_net(bits(held.second), ends[end(2)], second));
        if holds && best.is_none_or(|(prefix, _)| prefix < held.prefix) {
            best = Some((held.prefix, !nomatch));
        }
    }
    best.is_some_and(|(_, is_in)| is_in)
}

#[test]
fn many_entries_fit_and_are_found() {
    for (kind, family, most_bytes) in [
        (Kind::HashIp, Family::Ipv4, 7),
        (Kind::HashIp, Family::Ipv6, 72),
        (Kind::HashIpPortIp, Family::Ipv6, 257),
    ] {
        let form = Form::of(kind, family);
        let mut random = Random::new(5);
        let mut all = BTreeSet::new();
        while all.len() < 20_000 {
            let parts = berth_common::abi::set::Parts {
                first: if family == Family::Ipv4 {
                    [0, random.bits() >> 32]
                } else {
                    [random.bits(), random.bits()]
                },
                second: if kind == Kind::HashIpPortIp { [random.bits(), 1] } else { [0; 2] },
                port: 0,
                protocol: 0,
                prefix: form.bits(),
            };
            all.insert(Entry::new(kind, form.family, &parts));
        }
        let all: Vec<Entry> = all.into_iter().collect();
        let table = Table::of(form, &all).unwrap();
        assert!(all.iter().all(|entry| table.find(entry) == Some(*entry)));
        let bytes = table.lines(0).len() * 64;
        assert!(bytes <= all.len() * most_bytes, "{kind:?} {family:?}: {bytes}");
        if kind == Kind::HashIp {
            looked_up(&table, family, &all);
        }
    }
}

/// Tables of a few lines, from the last of which a lookup goes on to the first.
#[test]
fn few_entries_are_found() {
    for family in [Family::Ipv4, Family::Ipv6] {
        let form = Form::of(Kind::HashIp, family);
        for count in 1..100 {
            let low = |number: u64| if number == 0 { 0xffff_ffff } else { number * 7 };
            let entry = |number| {
                let parts = berth_common::abi::set::Parts {
                    first: [0, low(number)],
                    prefix: form.bits(),
                    ..berth_common::abi::set::Parts::default()
                };
                Entry::new(form.kind, form.family, &parts)
            };
            let all: Vec<Entry> = (0..count).map(entry).collect();
            let mut table = Table::of(form, &all).unwrap();
            looked_up(&table, family, &all);
            assert!(table.remove(&all[0]) && !table.remove(&all[0]));
            looked_up(&table, family, &all[1..]);
        }
    }
}

/// However often entries come and go: lines that have overflowed once stay marked, and lookups still get to the shorter prefixes.
#[test]
fn what_comes_and_goes_is_found() {
    for kind in [Kind::HashNet, Kind::HashIp] {
        let form = Form::of(kind, Family::Ipv4);
        let asked = external::Set { parts: 1, destinations: 0 };
        for most in [4, 9, 14, 40, 120] {
            let mut random = Random::new(most);
            let mut table = Table::new(form);
            let mut held: Vec<Entry> = Vec::new();
            for turn in 0..3_000_u32 {
                let number = 0x0a00_0000 + (u32::from(random.byte()) << 16 | u32::from(random.byte()) << 8);
                let prefix = if kind == Kind::HashNet { 24 + random.byte() % 9 } else { 32 };
                let parts = berth_common::abi::set::Parts {
                    first: [0, number.into()],
                    prefix,
                    ..berth_common::abi::set::Parts::default()
                };
                let entry = Entry::new(kind, form.family, &parts);
                if !held.contains(&entry) {
                    table.insert(&entry).unwrap();
                    held.push(entry);
                }
                if held.len() as u64 > most {
                    let gone = held.swap_remove(usize::from(random.byte()) % held.len());
                    assert!(table.remove(&gone));
                }
                if turn % 16 == 0 {
                    let lines = table.lines(1);
                    for entry in &held {
                        let [_, low] = entry.parts(kind, form.family).first;
                        let question = question(Family::Ipv4, [low.into(), 1], 6, [1, 2]);
                        assert_eq!(holds(&lines, &question, asked), Some(true), "{kind:?} {most} {turn}");
                    }
                    let overflows = lines[1..].iter().filter(|line| line[0] >> 63 != 0).count();
                    assert!(
                        overflows <= (lines.len() / 4).max(1) + 8,
                        "{overflows} of {} lines",
                        lines.len()
                    );
                }
            }
        }
    }
}

/// The engine finds all of these addresses in the table, and none of those that come after them.
fn looked_up(table: &Table, family: Family, all: &[Entry]) {
    let (lines, asked) = (table.lines(1), external::Set { parts: 1, destinations: 0 });
    let is_in = |number: u128| holds(&lines, &question(family, [number, 1], 6, [1, 2]), asked).unwrap();
    let of = |entry: &Entry| {
        let [high, low] = entry.parts(Kind::HashIp, Some(family)).first;
        u128::from(high) << 64 | u128::from(low)
    };
    let numbers: BTreeSet<u128> = all.iter().map(of).collect();
    assert_eq!(numbers.iter().find(|number| !is_in(**number)), None, "{} {family:?}", all.len());
    let next = |number: &u128| if family == Family::Ipv4 { (number + 1) & 0xffff_ffff } else { number + 1 };
    let others = numbers.iter().map(next).filter(|number| !numbers.contains(number));
    assert_eq!(others.into_iter().find(|number| is_in(*number)), None, "{} {family:?}", all.len());
}

/// A set has no more lines than a shelf, and stays as it is when it would have.
#[test]
fn what_has_no_room_is_refused() {
    let form = Form::of(Kind::HashIpPortIp, Family::Ipv6);
    let entry = |number: u64| {
        let parts = berth_common::abi::set::Parts {
            first: [number, 1],
            second: [1, number],
            port: 1,
            protocol: 6,
            prefix: 128,
        };
        Entry::new(form.kind, form.family, &parts)
    };
    let fits: Vec<Entry> = (0..65_000).map(entry).collect();
    let mut table = Table::of(form, &fits).unwrap();
    let (mut count, mut lines) = (65_000, table.lines(0));
    while table.insert(&entry(count)).is_ok() {
        (count, lines) = (count + 1, table.lines(0));
        assert!(count <= 66_000 && lines.len() <= 1 << 18, "{count} entries, {} lines", lines.len());
    }
    assert_eq!((table.len() as u64, table.lines(0).len()), (count, lines.len()));
    assert!(count >= 65_536, "{count}");
    // As the next berth reads it.
    assert_eq!(Table::of(form, &table.entries()).unwrap().len() as u64, count);
    assert_eq!(table.find(&entry(count)), None);
    assert_eq!(table.find(&entry(count - 1)), Some(entry(count - 1)));
    let all: Vec<Entry> = (0..70_000).map(entry).collect();
    assert_eq!(Table::of(form, &all).unwrap_err(), Misfit::Room);
}

fn change(sets: &Sets, text: &str, used: &[&str]) -> Result<(Sets, Vec<Step>), String> {
    carry_out(sets, text, used, false)
}

/// The same with `--exist`.
fn change_overlooking(sets: &Sets, text: &str) -> Result<(Sets, Vec<Step>), String> {
    carry_out(sets, text, &[], true)
}

fn carry_out(sets: &Sets, text: &str, used: &[&str], overlook: bool) -> Result<(Sets, Vec<Step>), String> {
    let used: BTreeSet<String> = used.iter().map(|name| (*name).to_owned()).collect();
    let taken: BTreeSet<u32> = sets.sets.values().map(|set| set.number).collect();
    let mut free = (0..).filter(|number| !taken.contains(number));
    let mut bounds = Bounds { generation: 1, overlook, used: &used, free: &mut free };
    let commands: Vec<Command> = command::read(text).map_err(|error| error.to_string())?;
    sets.changed(&commands, &mut bounds).map_err(|error| error.to_string())
}

#[test]
fn texts_are_carried_out_whole_and_remembered() {
    let text = "create a hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x66124e3e\n\
                add a 192.0.2.1\nadd a 192.0.2.2\n\
                create b hash:ip maxelem 10\nadd b 198.51.100.0/30\n\
                # a comment\ncreate c bitmap:port range 0-1023\nadd c 22\ncreate n hash:net\nadd n 10.0.0.0/8 nomatch\n";
    let (sets, steps) = change(&Sets::default(), text, &[]).unwrap();
    let saved = sets.save(None).unwrap();
    assert!(saved.contains("add a 192.0.2.2\n") && saved.contains("add b 198.51.100.3\n"), "{saved}");
    assert!(saved.contains("create c bitmap:port range 0-1023\nadd c 22\n"), "{saved}");
    assert!(saved.contains("add n 10.0.0.0/8 nomatch\n"), "{saved}");
    assert_eq!((sets.held(), sets.maxheld), (8, 8));
    let mut again = Sets::default();
    again.replay(1, &steps, 1).unwrap();
    assert_eq!(again.save(None).unwrap(), saved);
    let numbers =
        |sets: &Sets| sets.sets.iter().map(|(name, set)| (name.clone(), set.number)).collect::<Vec<_>>();
    assert_eq!(numbers(&again), numbers(&sets));

    // What was an exception becomes none, and is one entry still when it is read again.
    let text = "create n hash:net\nadd n 10.0.0.0/8\nadd n 10.0.0.0/8 nomatch\n";
    let overlooked = change_overlooking(&Sets::default(), text).unwrap();
    let mut replayed = Sets::default();
    replayed.replay(1, &overlooked.1, 1).unwrap();
    assert_eq!((replayed.held(), replayed.save(None)), (1, overlooked.0.save(None)));

    let (swapped, steps) =
        change(&sets, "swap a b\nadd a 198.51.100.9\ndel b 192.0.2.1\nflush c\n", &["a"]).unwrap();
    assert_eq!(numbers(&swapped), numbers(&sets));
    assert_eq!(swapped.sets["a"].table.len(), 5);
    again.replay(2, &steps, 1).unwrap();
    assert_eq!(again.save(None).unwrap(), swapped.save(None).unwrap());
    let mut short = Sets::default();
    short.replay(9, &again.steps(), 1).unwrap();
    assert_eq!(short.save(None).unwrap(), swapped.save(None).unwrap());

    for (text, used, words) in [
        ("add a 192.0.2.7\nadd a 192.0.2.7\n", &[][..], "line 2: 192.0.2.7 is in the set a already"),
        ("add a 192.0.2.1\n", &[], "line 1: "),
        ("del a 192.0.2.9\n", &[], "192.0.2.9 is not in the set a"),
        ("create a hash:net\n", &[], "there is a set a already"),
        ("destroy a\n", &["a"], "named by a rule"),
        ("destroy x\n", &[], "no set x"),
        ("swap a n\n", &[], "different types"),
        ("create d hash:mac\n", &[], "no sets of type \"hash:mac\": use one of hash:ip, hash:net"),
        ("create d hash:ip timeout 60\n", &[], "\"timeout\" is not supported"),
        ("create d hash:ip netmask 24\n", &[], "\"netmask\" is not supported"),
        ("add a 192.0.2.9 timeout 5\n", &[], "\"timeout\" is not supported"),
        ("add a 192.0.2.9 nomatch\n", &[], "makes no sense"),
        ("add b 203.0.113.0/28\n", &[], "16 entries, and a set can hold 10"),
        ("add b 203.0.113.0/29\n", &[], "set b is full"),
        ("create d bitmap:port\n", &[], "range wants"),
        ("rename a b\n", &[], "no command for sets"),
    ] {
        let error = change(&sets, text, used).unwrap_err();
        assert!(error.contains(words) && !error.contains('\n'), "{text}: {error}");
    }
}

#[test]
fn networks_have_so_many_lengths_at_most() {
    let mut text = "create n hash:net family inet6\n".to_owned();
    for length in 1..=MAX_LENGTHS {
        writeln!(text, "add n ffff::/{length}").unwrap();
    }
    let (sets, _) = change(&Sets::default(), &text, &[]).unwrap();
    let error = change(&sets, "add n ffff::/100\n", &[]).unwrap_err();
    assert!(error.contains("more than 32 different lengths"), "{error}");
    let (sets, _) = change(&sets, "del n ffff::/1\nadd n ffff::/100\n", &[]).unwrap();
    assert_eq!(sets.held(), 32);
}

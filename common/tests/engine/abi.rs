//! What crosses kernel and user space must not change by accident.

use std::{collections::BTreeSet, net::IpAddr};

use berth_common::{
    abi::{
        self,
        address::Address,
        reason::{REASONS, Reason},
        units::{ContainerId, Nanos, Ticks, Zone},
    },
    engine::Way,
};

use crate::support::*;

/// Numbers index counters that outlive the programs, names are in users' scripts: neither may change.
#[test]
fn reasons() {
    let expected = [
        (Reason::None, 0, "none"),
        (Reason::Hijack, 1, "hijack"),
        (Reason::PortReserved, 2, "port-reserved"),
        (Reason::SpoofedSource, 3, "spoofed-source"),
        (Reason::NonIp, 4, "non-ip"),
        (Reason::IcmpIdInUse, 5, "icmp-id-in-use"),
        (Reason::FlowQuota, 6, "flow-quota"),
        (Reason::FlowTableFull, 7, "flow-table-full"),
        (Reason::NotOwner, 8, "not-owner"),
        (Reason::Unowned, 9, "unowned"),
        (Reason::RogueServer, 10, "rogue-server"),
        (Reason::ControlRate, 11, "control-rate"),
        (Reason::Malformed, 12, "malformed"),
        (Reason::BindConflict, 13, "bind-conflict"),
        (Reason::BindDenied, 14, "bind-denied"),
        (Reason::PortQuota, 15, "port-quota"),
        (Reason::BypassDenied, 16, "bypass-denied"),
        (Reason::NatPorts, 26, "nat-ports"),
        (Reason::NatTableFull, 27, "nat-table-full"),
        (Reason::NotTranslated, 28, "not-translated"),
    ];
    for (reason, number, name) in expected {
        assert_eq!((reason as u8, reason.name()), (number, name));
        assert_eq!(Reason::from_number(number), reason);
    }
    let numbers: BTreeSet<u8> = Reason::ALL.iter().map(|reason| *reason as u8).collect();
    let names: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!((numbers.len(), names.len()), (Reason::ALL.len(), Reason::ALL.len()));
    assert!(Reason::ALL.len() >= expected.len() && Reason::ALL.len() <= REASONS);
    for number in 0..=u8::MAX {
        assert!(numbers.contains(&number) || Reason::from_number(number) == Reason::None);
    }
    for name in names {
        assert!(name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'), "{name}");
    }
}

#[test]
fn ways() {
    let names = ["none", "cgroup", "interface", "flow", "related", "port", "address", "socket", "fragment"];
    let ways = [
        Way::None,
        Way::Cgroup,
        Way::Interface,
        Way::Flow,
        Way::Related,
        Way::Port,
        Way::Address,
        Way::Socket,
        Way::Fragment,
    ];
    for (number, (way, name)) in (0_u8..).zip(ways.into_iter().zip(names)) {
        assert_eq!((way as u8, way.name()), (number, name));
    }
}

/// Both directions of any conversation have one key, and know their ends apart.
#[test]
fn flow_keys_are_symmetric() {
    let ends = [
        "192.0.2.1:80",
        "192.0.2.1:81",
        "192.0.2.1:20480",
        "192.0.2.2:80",
        "1.2.0.192:80",
        "0.0.0.0:0",
        "255.255.255.255:65535",
    ];
    let v6_ends = ["[2001:db8::1]:80", "[2001:db8::1]:81", "[::1]:80", "[::]:0", "[ffff::1:2:3]:80"];
    let mut keys = Vec::new();
    for family in [&ends[..], &v6_ends] {
        for a in family {
            for b in family {
                let (there, back) = (udp(a, b), udp(b, a));
                let key = flow_key(Zone::UPLINK, &there);
                assert_eq!(key, flow_key(Zone::UPLINK, &back));
                let (forth, back) = (Node::headers(&there), Node::headers(&back));
                assert_eq!(forth.source_is_low() == back.source_is_low(), a == b, "{a} {b}");
                assert_eq!((key.zone(), key.protocol().0), (Zone::UPLINK, UDP));
                if a <= b {
                    assert!(!keys.contains(&key), "{a} {b}");
                    keys.push(key);
                }
            }
        }
    }
    let packet = udp(ends[0], ends[1]);
    let zones = [Zone::UPLINK, Zone::LOCAL, Zone::of(A), Zone::of(B)];
    let by_zone: BTreeSet<_> = zones.iter().map(|zone| flow_key(*zone, &packet)).collect();
    assert_eq!(by_zone.len(), zones.len());
    for zone in zones {
        assert_eq!(flow_key(zone, &packet).zone(), zone);
    }
    assert_ne!(flow_key(Zone::UPLINK, &packet), flow_key(Zone::UPLINK, &ported(UDPLITE, ends[0], ends[1])));
}

#[test]
fn addresses() {
    let cases = [
        // Address, family's wildcard, group, loopback.
        ("0.0.0.0", true, false, false),
        ("192.0.2.1", false, false, false),
        ("127.0.0.1", false, false, true),
        ("127.255.0.9", false, false, true),
        ("126.255.255.255", false, false, false),
        ("128.0.0.1", false, false, false),
        ("224.0.0.1", false, true, false),
        ("239.255.255.255", false, true, false),
        ("240.0.0.1", false, false, false),
        ("223.255.255.255", false, false, false),
        ("255.255.255.255", false, true, false),
        ("::", true, false, false),
        ("::1", false, false, true),
        ("::2", false, false, false),
        ("::1:0:0:1", false, false, false),
        ("2001:db8::1", false, false, false),
        ("ff02::1", false, true, false),
        ("fe80::1", false, false, false),
        ("ff00::", false, true, false),
    ];
    for (text, wildcard, group, loopback) in cases {
        let ip = ip_address(text);
        let address = Address::from(ip);
        assert_eq!(IpAddr::from(address), ip);
        assert_eq!(address.to_string(), text);
        assert_eq!(Address::from_octets(address.octets()), address);
        assert_eq!(address.is_v4(), ip.is_ipv4(), "{text}");
        assert_eq!(address.is_wildcard(), wildcard, "{text}");
        assert_eq!(address.is_group(), group, "{text}");
        assert_eq!(address.is_loopback(), loopback, "{text}");
        let any = if ip.is_ipv4() { Address::ANY4 } else { Address::ANY6 };
        assert_eq!(address.wildcard(), any, "{text}");
    }
    assert_eq!(Address::from(ip_address("::ffff:192.0.2.1")), Address::from(ip_address("192.0.2.1")));
}

#[test]
fn ids_and_moments() {
    assert!(!HOST.is_container() && !UNOWNED.is_container());
    assert!(A.is_container() && ContainerId(u32::MAX - 1).is_container());
    assert_eq!(Nanos::seconds(2).after(Nanos(5)), Nanos(2_000_000_005));
    assert_eq!(Zone::of(ContainerId(7)), Zone(7));
}

/// The loader refuses pins of another version; whoever changes a layout must change that.
#[test]
fn layouts() {
    let names: BTreeSet<&str> = abi::LAYOUTS.iter().map(|layout| layout.name).collect();
    assert_eq!(names.len(), abi::LAYOUTS.len());
    assert!(abi::LAYOUTS.iter().all(|layout| layout.size % 4 == 0));
    assert_eq!(abi::VERSION, 19);
    let maps: BTreeSet<&&str> = abi::names::MAPS.iter().collect();
    assert_eq!(maps.len(), abi::names::MAPS.len());
    // The kernel keeps fifteen bytes of a map's or program's name.
    assert!(
        abi::names::MAPS
            .iter()
            .chain(abi::names::CGROUP_PROGRAMS)
            .chain(abi::names::ROOT_PROGRAMS)
            .all(|name| name.len() <= 15)
    );
}

/// Ticks are counted round, and processors may see them a step apart.
#[test]
fn ticks_have_an_age() {
    let step = |count: u64| Nanos(count << 24);
    assert_eq!(Ticks::of(step(5)).age(step(9)), step(4));
    assert_eq!(Ticks::of(step(5)).age(step(4)), Nanos(0));
    // Over the end of what they can tell, and nearly as old as that.
    assert_eq!(Ticks::of(step((1 << 32) - 1)).age(step((1 << 32) + 2)), step(3));
    assert_eq!(Ticks(0).age(step(1 << 31)), step(1 << 31));
}

//! Each match against packets that it is for, packets that it is not for, and packets that lack what it looks at.

use super::{
    packet::{Packet, Part, Tracking, Upper},
    setup::{Both, Change, check, lowered, parsed},
};
use crate::{
    compile::input::{BuiltIn, Family},
    rules::matches::{addrtype::AddressType, pkttype::PacketType},
};

const V4: Family = Family::Ipv4;
const V6: Family = Family::Ipv6;

fn tcp(packet: &mut Packet, source: u16, destination: u16) {
    packet.protocol = 6;
    packet.upper = Upper::Tcp { source, destination, flags: 0x02, options: 1 << 2 };
}

fn flags(packet: &mut Packet, flags: u8) {
    packet.upper = Upper::Tcp { source: 1000, destination: 80, flags, options: 0 };
}

fn ports(packet: &mut Packet, protocol: u8, source: u16, destination: u16) {
    packet.protocol = protocol;
    packet.upper = Upper::Ports(source, destination);
}

fn icmp(packet: &mut Packet, kind: u8, code: u8) {
    packet.protocol = if packet.family == V4 { 1 } else { 58 };
    packet.upper = Upper::Icmp(kind, code);
}

/// A later fragment of the usual packet.
fn later(packet: &mut Packet) {
    packet.part = Part::Later;
    packet.upper = Upper::Bare;
}

#[test]
fn addresses() {
    check(V4, "-s 10.0.0.0/24", &[(|_| {}, true), (|packet| packet.source = 0x0a00_0100, false)]);
    check(V4, "! -s 10.0.0.1", &[(|_| {}, false), (|packet| packet.source = 0x0a00_0000, true)]);
    check(V4, "-d 10.0.0.2", &[(|_| {}, true), (|packet| packet.destination += 1, false), (later, true)]);
    check(V6, "-s 2001:db8::/64", &[(|_| {}, true), (|packet| packet.source |= 1 << 64, false)]);
    check(V6, "! -d 2001:db8::2", &[(|_| {}, false), (|packet| packet.destination = 0, true)]);
}

#[test]
fn masks_with_holes() {
    let rule = "-s 10.0.0.1/255.0.255.255";
    let other: Change = |packet| packet.source = 0x0a77_0001;
    check(V4, rule, &[(|_| {}, true), (other, true), (|packet| packet.source = 0x0a77_0101, false)]);
    check(V4, "! -s 10.0.0.1/255.0.255.255", &[(|_| {}, false), (other, false)]);
    let distant: Change = |packet| packet.source |= 0xff << 64;
    check(V6, "-s 2001:db8::1/ffff:ffff:ffff:ff00:ffff:ffff:ffff:ffff", &[(|_| {}, true), (distant, true)]);
}

#[test]
fn interfaces() {
    check(V4, "-i eth0", &[(|_| {}, true), (|packet| packet.input = Some("eth1"), false)]);
    check(V4, "! -i eth0", &[(|_| {}, false), (|packet| packet.input = Some("lo"), true)]);
    check(
        V4,
        "-i eth+",
        &[(|packet| packet.input = Some("eth1"), true), (|packet| packet.input = Some("lo"), false)],
    );
    check(V4, "! -i eth+", &[(|_| {}, false), (|packet| packet.input = Some("lo"), true)]);
    // No interface is called so now.
    check(V4, "-i ppp0", &[(|_| {}, false), (|packet| packet.input = Some("unknown"), false)]);
    check(V4, "! -i ppp0", &[(|_| {}, true), (|packet| packet.input = Some("unknown"), true)]);
    let forward: Change = |packet| {
        packet.chain = BuiltIn::Forward;
        packet.output = Some("eth1");
    };
    check(V4, "-i eth0 -o eth1", &[(forward, true)]);
    check(V4, "! -o eth1", &[(forward, false)]);
}

#[test]
fn where_a_packet_goes_is_not_known_before_routing() {
    let text = "*mangle\n:a - [0:0]\n-A PREROUTING -j a\n-A a -o eth0\n-A a ! -o eth0\nCOMMIT\n";
    let ruleset = parsed(V4, text);
    let mut both = Both::new(&ruleset, lowered(&ruleset).unwrap()).unwrap();
    for (chain, output) in [(BuiltIn::Input, None), (BuiltIn::Forward, Some("eth0"))] {
        let packet = Packet { chain, output, ..Packet::new(V4) };
        both.ask(&packet, 1, 1).unwrap();
    }
}

#[test]
fn protocols() {
    check(V4, "-p tcp", &[(|_| {}, true), (later, true), (|packet| icmp(packet, 8, 0), false)]);
    check(V4, "! -p tcp", &[(|_| {}, false), (|packet| icmp(packet, 8, 0), true)]);
    check(V6, "-p 253", &[(|_| {}, false), (|packet| packet.protocol = 253, true)]);
}

#[test]
fn fragments() {
    let first: Change = |packet| packet.part = Part::First;
    let last: Change = |packet| {
        later(packet);
        packet.part = Part::Last;
    };
    check(V4, "-f", &[(|_| {}, false), (first, false), (later, true), (last, true)]);
    check(V4, "! -f", &[(|_| {}, true), (first, true), (later, false), (last, false)]);
    let atomic: Change = |packet| packet.part = Part::Atomic;
    let all = |expected: [bool; 5]| {
        let parts: [Change; 5] = [|_| {}, first, later, last, atomic];
        parts.into_iter().zip(expected).collect::<Vec<_>>()
    };
    check(V6, "-m frag", &all([false, true, true, true, true]));
    check(V6, "-m frag --fragfirst", &all([false, true, false, false, true]));
    check(V6, "-m frag --fragmore", &all([false, true, true, false, false]));
    check(V6, "-m frag --fraglast", &all([false, false, false, true, true]));
    check(V6, "-m frag --fragfirst --fragmore", &all([false, true, false, false, false]));
    check(V6, "-m frag --fragfirst --fraglast", &all([false, false, false, false, true]));
}

#[test]
fn tcp_ports() {
    check(
        V4,
        "-p tcp -m tcp --dport 80",
        &[(|_| {}, true), (|packet| tcp(packet, 80, 81), false), (later, false)],
    );
    check(
        V4,
        "-p tcp -m tcp ! --dport 80",
        &[(|_| {}, false), (|packet| tcp(packet, 80, 81), true), (later, false)],
    );
    check(V4, "-p tcp -m tcp --sport 1000:", &[(|_| {}, true), (|packet| tcp(packet, 999, 80), false)]);
    check(V4, "-p tcp -m tcp", &[(|_| {}, true), (later, false)]);
    check(V4, "-p tcp -m tcp --dport 80", &[(|packet| ports(packet, 17, 80, 80), false)]);
}

#[test]
fn tcp_flags() {
    let is = |rule, cases: &[(u8, bool)]| {
        for (bits, expected) in cases {
            let mut packet = Packet::new(V4);
            flags(&mut packet, *bits);
            assert_eq!(super::setup::agrees(rule, &packet), *expected, "{rule}: {bits:#x}");
        }
    };
    // ECN bits are not looked at.
    is("-p tcp --syn", &[(0x02, true), (0x12, false), (0xc2, true), (0x0a, true), (0x06, false)]);
    is("-p tcp ! --syn", &[(0x02, false), (0x12, true)]);
    is("-p tcp --tcp-flags ALL NONE", &[(0, true), (0xc0, true), (0x20, false)]);
    is("-p tcp --tcp-flags SYN ACK", &[(0x02, false), (0x10, false), (0x12, false)]);
    is("-p tcp ! --tcp-flags SYN ACK", &[(0x02, true), (0, true)]);
    check(V4, "-p tcp ! --tcp-flags SYN SYN", &[(later, false)]);
}

#[test]
fn tcp_options() {
    check(
        V4,
        "-p tcp -m tcp --tcp-option 2",
        &[(|_| {}, true), (|packet| flags(packet, 2), false), (later, false)],
    );
    check(
        V4,
        "-p tcp -m tcp ! --tcp-option 2",
        &[(|_| {}, false), (|packet| flags(packet, 2), true), (later, false)],
    );
}

#[test]
fn udp() {
    check(
        V4,
        "-p udp -m udp --dport 53",
        &[(|packet| ports(packet, 17, 9, 53), true), (|packet| ports(packet, 17, 53, 9), false)],
    );
    check(
        V6,
        "-p udp -m udp ! --sport 53",
        &[(|packet| ports(packet, 17, 53, 9), false), (|packet| ports(packet, 17, 9, 53), true)],
    );
    let fragment: Change = |packet| {
        packet.protocol = 17;
        later(packet);
    };
    check(V4, "-p udp -m udp", &[(|packet| ports(packet, 17, 53, 9), true), (fragment, false)]);
}

#[test]
fn several_ports() {
    let both = |rule, expected: [bool; 4]| {
        let packets: [Change; 4] =
            [|packet| tcp(packet, 22, 9), |packet| tcp(packet, 9, 85), |packet| tcp(packet, 9, 9), later];
        check(V4, rule, &packets.into_iter().zip(expected).collect::<Vec<_>>());
    };
    both("-p tcp -m multiport --ports 22,80:90", [true, true, false, false]);
    both("-p tcp -m multiport ! --ports 22,80:90", [false, false, true, false]);
    both("-p tcp -m multiport --sports 22,80:90", [true, false, false, false]);
    both("-p tcp -m multiport ! --sports 22,80:90", [false, true, true, false]);
    both("-p tcp -m multiport --dports 22,80:90", [false, true, false, false]);
    both("-p tcp -m multiport ! --dports 22,80:90", [true, false, true, false]);
    check(V4, "-p sctp -m multiport --dports 80", &[(|packet| ports(packet, 132, 9, 80), true)]);
}

#[test]
fn icmp_types() {
    let echo: Change = |packet| icmp(packet, 8, 0);
    let other: Change = |packet| icmp(packet, 3, 4);
    let fragment: Change = |packet| {
        packet.protocol = 1;
        later(packet);
    };
    let cases = |expected: [bool; 3]| [echo, other, fragment].into_iter().zip(expected).collect::<Vec<_>>();
    check(V4, "-p icmp -m icmp --icmp-type 8", &cases([true, false, false]));
    check(V4, "-p icmp -m icmp ! --icmp-type 8", &cases([false, true, false]));
    check(V4, "-p icmp -m icmp --icmp-type 3/4", &cases([false, true, false]));
    check(V4, "-p icmp -m icmp ! --icmp-type 3/4", &cases([true, false, false]));
    check(V4, "-p icmp -m icmp --icmp-type any", &cases([true, true, false]));
    check(V4, "-p icmp -m icmp ! --icmp-type any", &cases([false, false, false]));
    // 255 is a type like all others in IPv6.
    let last: Change = |packet| icmp(packet, 255, 255);
    let request: Change = |packet| icmp(packet, 128, 0);
    check(V6, "-p ipv6-icmp -m icmp6 --icmpv6-type 255", &[(last, true), (request, false)]);
    check(V6, "-p ipv6-icmp -m icmp6 ! --icmpv6-type echo-request", &[(last, true), (request, false)]);
    check(V6, "-p ipv6-icmp -m icmp6 --icmpv6-type 128/0", &[(last, false), (request, true)]);
}

#[test]
fn ranges_of_addresses() {
    let below: Change = |packet| packet.source -= 1;
    check(V4, "-m iprange --src-range 10.0.0.1-10.0.0.9", &[(|_| {}, true), (below, false)]);
    check(V4, "-m iprange ! --src-range 10.0.0.1-10.0.0.9", &[(|_| {}, false), (below, true)]);
    check(
        V6,
        "-m iprange --dst-range 2001:db8::1-2001:db8::2",
        &[(|_| {}, true), (|packet| packet.destination += 1, false)],
    );
}

#[test]
fn kinds_of_addresses() {
    let local: Change = |packet| packet.source_type = Some(AddressType::Local);
    let group: Change = |packet| packet.source_type = Some(AddressType::Multicast);
    let none: Change = |packet| packet.source_type = None;
    let cases = |expected: [bool; 4]| {
        let packets: [Change; 4] = [|_| {}, local, group, none];
        packets.into_iter().zip(expected).collect::<Vec<_>>()
    };
    check(V4, "-m addrtype --src-type UNICAST", &cases([true, false, false, false]));
    check(V4, "-m addrtype --src-type UNICAST,MULTICAST", &cases([true, false, true, false]));
    check(V4, "-m addrtype ! --src-type LOCAL", &cases([true, false, true, true]));
    // In IPv6 a local address is unicast too, and all that is named must be so.
    check(V6, "-m addrtype --src-type UNICAST", &cases([true, true, false, false]));
    check(V6, "-m addrtype --src-type UNICAST,LOCAL", &cases([false, true, false, false]));
    check(V6, "-m addrtype --src-type LOCAL,MULTICAST", &cases([false, false, false, false]));
    check(V6, "-m addrtype ! --src-type UNICAST", &cases([false, false, true, true]));
    check(V4, "-m addrtype --src-type UNICAST --dst-type LOCAL", &[(|_| {}, true), (local, false)]);
}

#[test]
fn kinds_of_packets() {
    let to_all: Change = |packet| packet.kind = PacketType::Broadcast;
    check(V4, "-m pkttype --pkt-type broadcast", &[(|_| {}, false), (to_all, true)]);
    check(V4, "-m pkttype ! --pkt-type unicast", &[(|_| {}, false), (to_all, true)]);
}

#[test]
fn bytes_of_the_header() {
    let long: Change = |packet| packet.length = 70_000;
    check(
        V4,
        "-m length --length 60:100",
        &[(|_| {}, true), (|packet| packet.length = 101, false), (long, false)],
    );
    check(V6, "-m length ! --length 60", &[(|_| {}, false), (long, true)]);
    let expedited: Change = |packet| packet.tos = 0xb9;
    check(V4, "-m dscp --dscp-class EF", &[(|_| {}, false), (expedited, true)]);
    check(V4, "-m dscp ! --dscp 46", &[(|_| {}, true), (expedited, false)]);
    check(V4, "-m tos --tos 0x38/0x3c", &[(|_| {}, false), (expedited, true)]);
    check(V4, "-m tos ! --tos 0xb9", &[(|_| {}, true), (expedited, false)]);
    // Bits outside the mask are no packet's.
    check(V6, "-m tos --tos 0x3/0x1", &[(|packet| packet.tos = 3, false)]);
    check(V6, "-m tos ! --tos 0x3/0x1", &[(|packet| packet.tos = 3, true)]);
    check(V4, "-m ttl --ttl-eq 64", &[(|_| {}, true), (|packet| packet.ttl = 63, false)]);
    check(V4, "-m ttl ! --ttl-eq 64", &[(|_| {}, false), (|packet| packet.ttl = 63, true)]);
    check(V4, "-m ttl --ttl-lt 64", &[(|_| {}, false), (|packet| packet.ttl = 63, true)]);
    check(V4, "-m ttl --ttl-lt 0", &[(|packet| packet.ttl = 0, false)]);
    check(V6, "-m hl --hl-gt 64", &[(|_| {}, false), (|packet| packet.ttl = 65, true)]);
    check(V6, "-m hl --hl-gt 255", &[(|packet| packet.ttl = 255, false)]);
    check(V6, "-m hl ! --hl-eq 64", &[(|_| {}, false), (|packet| packet.ttl = 65, true)]);
}

#[test]
fn marks() {
    let marked: Change = |packet| packet.mark = 0x1f2;
    check(V4, "-m mark --mark 0x2/0xf", &[(|_| {}, false), (marked, true)]);
    check(V4, "-m mark ! --mark 0x1f2", &[(|_| {}, true), (marked, false)]);
    check(V4, "-m mark --mark 0x3/0x1", &[(|packet| packet.mark = 3, false)]);
}

#[test]
fn hardware_addresses() {
    let none: Change = |packet| packet.mac = None;
    let other: Change = |packet| packet.mac = Some([2, 0, 0, 0, 1, 0]);
    check(V4, "-m mac --mac-source 02:00:00:00:00:01", &[(|_| {}, true), (other, false), (none, false)]);
    check(V4, "-m mac ! --mac-source 02:00:00:00:00:01", &[(|_| {}, false), (other, true), (none, false)]);
}

#[test]
fn remarks_agree_with_everything() {
    check(V4, "-m comment --comment x", &[(|_| {}, true), (later, true)]);
    check(V4, "-m comment --comment x", &[(|packet| packet.tracking = Tracking::Invalid, true)]);
}

//! State and ends of flows: what `conntrack_mt` makes of packets with a flow, of packets without one, and of errors.

use berth_common::abi::rules::status::{ASSURED, SEEN_REPLY};

use super::{
    packet::{Tracking, Upper},
    setup::{Change, check},
};
use crate::{
    compile::input::Family,
    rules::matches::conntrack::{CtState, Direction},
};

const V4: Family = Family::Ipv4;
const V6: Family = Family::Ipv6;

const INVALID: Change = |packet| packet.tracking = Tracking::Invalid;
const UNTRACKED: Change = |packet| packet.tracking = Tracking::Untracked;
const NEW: Change = |_| {};

/// An answer to the usual packet.
const REPLY: Change = |packet| {
    std::mem::swap(&mut packet.source, &mut packet.destination);
    packet.upper = Upper::Tcp { source: 80, destination: 1000, flags: 0x12, options: 0 };
    packet.tracking = Tracking::Flow {
        state: CtState::Established,
        direction: Direction::Reply,
        status: SEEN_REPLY | ASSURED,
    };
};

/// A router's answer to it.
const ERROR: Change = |packet| {
    REPLY(packet);
    packet.source = if packet.family == V4 { 0x0a63_0000 } else { 7 };
    packet.protocol = if packet.family == V4 { 1 } else { 58 };
    packet.upper = Upper::Icmp(3, 1);
    packet.tracking =
        Tracking::Flow { state: CtState::Related, direction: Direction::Reply, status: SEEN_REPLY };
};

/// A flow that another one announced.
const DATA: Change = |packet| {
    packet.tracking = Tracking::Flow { state: CtState::Related, direction: Direction::Original, status: 1 };
};

/// Asserts which of these packets agree: new, its reply, an error about it, one announced, invalid, untracked.
fn holds(family: Family, rule: &str, expected: [bool; 6]) {
    let packets = [NEW, REPLY, ERROR, DATA, INVALID, UNTRACKED];
    check(family, rule, &packets.into_iter().zip(expected).collect::<Vec<_>>());
}

const T: bool = true;
const F: bool = false;

#[test]
fn states() {
    for (option, family) in
        [("-m state --state", V4), ("-m conntrack --ctstate", V4), ("-m conntrack --ctstate", V6)]
    {
        holds(family, &format!("{option} NEW"), [T, F, F, F, F, F]);
        holds(family, &format!("{option} RELATED,ESTABLISHED"), [F, T, T, T, F, F]);
        holds(family, &format!("{option} INVALID"), [F, F, F, F, T, F]);
        holds(family, &format!("{option} UNTRACKED"), [F, F, F, F, F, T]);
    }
    holds(V4, "-m conntrack ! --ctstate NEW", [F, T, T, T, T, T]);
    holds(V4, "-m state ! --state INVALID,NEW", [F, T, T, T, F, T]);
}

#[test]
fn no_flow_is_translated() {
    holds(V4, "-m conntrack --ctstate DNAT", [F; 6]);
    holds(V4, "-m conntrack ! --ctstate SNAT,DNAT", [T; 6]);
    holds(V4, "-m conntrack --ctstate NEW,SNAT", [T, F, F, F, F, F]);
}

#[test]
fn without_a_flow_only_the_state_is_asked() {
    holds(V4, "-m conntrack --ctproto udp", [F; 6]);
    holds(V4, "-m conntrack ! --ctproto udp", [T, T, F, T, F, F]);
    holds(V4, "-m conntrack --ctstate INVALID,NEW --ctproto udp", [F, F, F, F, T, F]);
    holds(V4, "-m conntrack ! --ctstate NEW --ctdir ORIGINAL", [F, F, F, T, T, T]);
}

#[test]
fn directions() {
    holds(V4, "-m conntrack --ctdir ORIGINAL", [T, F, F, T, F, F]);
    holds(V4, "-m conntrack --ctdir REPLY", [F, T, T, F, F, F]);
}

#[test]
fn statuses() {
    holds(V4, "-m conntrack --ctstatus SEEN_REPLY", [F, T, T, F, F, F]);
    holds(V4, "-m conntrack --ctstatus EXPECTED,ASSURED", [F, T, F, T, F, F]);
    holds(V4, "-m conntrack ! --ctstatus ASSURED", [T, F, T, T, F, F]);
    // The kernel's, whatever the manual says.
    holds(V4, "-m conntrack --ctstatus NONE", [F; 6]);
    holds(V4, "-m conntrack ! --ctstatus NONE", [T, T, T, T, F, F]);
}

#[test]
fn ends_are_those_of_the_flow() {
    for (family, opener, responder) in [(V4, "10.0.0.1", "10.0.0.2"), (V6, "2001:db8::1", "2001:db8::2")] {
        for option in ["--ctorigsrc", "--ctrepldst"] {
            holds(family, &format!("-m conntrack {option} {opener}"), [T, T, T, T, F, F]);
            holds(family, &format!("-m conntrack {option} {responder}"), [F; 6]);
            holds(family, &format!("-m conntrack ! {option} {responder}"), [T, T, T, T, F, F]);
        }
        for option in ["--ctorigdst", "--ctreplsrc"] {
            holds(family, &format!("-m conntrack {option} {responder}"), [T, T, F, T, F, F]);
            holds(family, &format!("-m conntrack ! {option} {opener}"), [T, T, F, T, F, F]);
        }
    }
    holds(V4, "-m conntrack --ctorigsrc 10.0.0.1 --ctrepldst 10.0.0.2", [F; 6]);
    holds(V4, "-m conntrack --ctorigsrc 10.0.0.0/8 --ctorigdst 10.0.0.2 --ctdir REPLY", [F, T, F, F, F, F]);
}

#[test]
fn ports_are_those_of_the_flow() {
    for option in
        ["--ctorigdstport 80", "--ctreplsrcport 80", "--ctorigsrcport 1000", "--ctrepldstport 1:1000"]
    {
        holds(V4, &format!("-m conntrack {option}"), [T, T, F, T, F, F]);
        holds(V4, &format!("-m conntrack ! {option}"), [F; 6]);
    }
    holds(V4, "-m conntrack ! --ctorigdstport 1000", [T, T, F, T, F, F]);
    holds(
        V4,
        "-m conntrack --ctstate RELATED,ESTABLISHED --ctproto 6 --ctorigdstport 80",
        [F, T, F, T, F, F],
    );
}

#[test]
fn protocols_without_ports_have_port_zero() {
    let tunnel: Change = |packet| {
        packet.protocol = 47;
        packet.upper = Upper::Bare;
    };
    let ping: Change = |packet| {
        packet.protocol = 1;
        packet.upper = Upper::Icmp(8, 0);
    };
    check(V4, "-m conntrack --ctorigsrcport 0", &[(tunnel, true), (ping, false)]);
    check(V4, "-m conntrack ! --ctorigsrcport 80", &[(tunnel, true), (ping, false)]);
    check(V4, "-m conntrack --ctorigsrcport 80", &[(tunnel, false), (ping, false)]);
    check(V4, "-m conntrack --ctproto 1 --ctorigsrc 10.0.0.1", &[(tunnel, false), (ping, true)]);
}

//! Which packets begin a flow: those that nf_conntrack takes for the beginning of one (net/netfilter/nf_conntrack_proto_*.c).

use berth_common::{
    abi::{
        reason::Reason,
        rules::dimension::{direction, state},
        units::Zone,
    },
    engine::track::Track,
};

use berth_common::memory::FlowCell;

use crate::support::*;

const INSIDE: &str = "10.0.0.2:5000";
const FAR: &str = "198.51.100.7:53";

fn state_of(packet: &[u8]) -> u32 {
    let (state, way) = Track::<&FlowCell>::NONE.state(&Node::headers(packet), 0);
    assert_eq!(way, direction::ORIGINAL);
    state
}

#[test]
fn tcp_begins_with_a_syn_or_in_mid_stream() {
    for (flags, expected) in [
        (SYN, state::NEW),
        (ACK, state::NEW),
        (SYN | ACK, state::INVALID),
        (FIN | ACK, state::INVALID),
        (RST, state::INVALID),
        (0, state::INVALID),
    ] {
        assert_eq!(state_of(&tcp(INSIDE, FAR, flags)), expected, "{flags:x}");
    }
}

#[test]
fn icmp_begins_with_a_query() {
    for kind in 0..=u8::MAX {
        let expected = match kind {
            8 | 13 | 15 | 17 => state::NEW,
            _ => state::INVALID,
        };
        assert_eq!(state_of(&icmp("10.0.0.2", R4, kind, [0; 4], &[0; 8])), expected, "type {kind}");
    }
}

#[test]
fn icmpv6_begins_with_a_query_and_has_the_link_left_alone() {
    for kind in 0..=u8::MAX {
        let expected = match kind {
            128 | 139 => state::NEW,
            130..=136 | 143 => state::UNTRACKED,
            _ => state::INVALID,
        };
        assert_eq!(state_of(&icmp("2001:db8::2", R6, kind, [0; 4], &[0; 8])), expected, "type {kind}");
    }
}

#[test]
fn what_begins_no_flow_opens_none_on_an_interface() {
    for packet in
        [tcp(INSIDE, FAR, SYN | ACK), tcp(INSIDE, FAR, FIN | ACK), pong("10.0.0.2", "198.51.100.7", 5)]
    {
        let node = Node::new();
        for inward in [false, true] {
            assert_eq!(node.on_interface(S, inward, &packet), Reason::None);
            assert_eq!(node.flow_in(Zone::of(S), &packet), None);
        }
    }
}

//! Fragments: later ones follow the first.

use berth_common::{
    abi::reason::Reason,
    engine::{Verdict, Way, ingress::FRAGMENT_LIFETIME, verdict::Owner},
};

use crate::support::*;

const LOCAL: [&str; 2] = [L4, L6];
const FAR: [&str; 2] = [R4, R6];

fn first(from: &str, to: &str, id: u32) -> Vec<u8> {
    Ip::fragment(0, true, id).build(ip_address(from), ip_address(to), UDP, &udp_datagram(53, 5000, &[0; 16]))
}

fn later(from: &str, to: &str, id: u32, more: bool) -> Vec<u8> {
    Ip::fragment(3, more, id).build(ip_address(from), ip_address(to), UDP, &[0xee; 24])
}

fn bound() -> Node {
    let node = Node::new();
    node.bind(A, UDP, "0.0.0.0:5000").unwrap();
    node.bind(A, UDP, "[::]:5000").unwrap();
    node
}

#[test]
fn in_order() {
    for (local, far) in LOCAL.into_iter().zip(FAR) {
        let node = bound();
        assert_eq!(node.owner(&first(far, local, 7)), (A, Way::Port));
        assert_eq!(node.owner(&later(far, local, 7, true)), (A, Way::Fragment));
        assert_eq!(node.owner(&later(far, local, 7, false)), (A, Way::Fragment));
    }
}

#[test]
fn of_another_packet() {
    for (local, far) in LOCAL.into_iter().zip(FAR) {
        let node = bound();
        node.owner(&first(far, local, 7));
        assert_eq!(node.arrive(&later(far, local, 8, false)), Verdict::pass(Owner::NOBODY));
        let tcp = Ip::fragment(3, false, 7).build(ip_address(far), ip_address(local), TCP, &[0; 8]);
        assert_eq!(node.arrive(&tcp), Verdict::pass(Owner::NOBODY));
    }
    let node = bound();
    node.owner(&first(R4, L4, 7));
    assert_eq!(node.arrive(&later("198.51.100.8", L4, 7, false)), Verdict::pass(Owner::NOBODY));
    assert_eq!(node.arrive(&later(R4, M4, 7, false)), Verdict::pass(Owner::NOBODY));
}

/// Those that come before their first pass for nobody: without the first they are never put together. Where the
/// address tells, they are its owner's.
#[test]
fn out_of_order() {
    for strict in [false, true] {
        let node = bound();
        node.tables.set_drops_unowned(strict);
        assert_eq!(node.arrive(&later(R4, L4, 7, false)), Verdict::pass(Owner::NOBODY));
        assert_eq!(node.owner(&first(R4, L4, 7)), (A, Way::Port));
        assert_eq!(node.owner(&later(R4, L4, 7, true)), (A, Way::Fragment));
    }
    let node = Node::with_own_addresses();
    assert_eq!(node.owner(&later(R4, OWN4, 7, false)), (O, Way::Address));
}

#[test]
fn share_the_fate_of_the_first() {
    // Nobody's, on a strict node.
    let node = Node::new();
    node.tables.set_drops_unowned(true);
    assert_eq!(node.arrive(&first(R4, L4, 7)).reason, Reason::Unowned);
    let verdict = node.arrive(&later(R4, L4, 7, false));
    assert_eq!((verdict.owner.id, verdict.reason), (UNOWNED, Reason::Unowned));
    // Beyond the owner's quota.
    let node = Node::new();
    node.container(S, berth_common::abi::container::Mode::Stateful, 0, 10);
    node.bind(S, UDP, "0.0.0.0:5000").unwrap();
    assert_eq!(node.arrive(&first(R4, L4, 7)).reason, Reason::FlowQuota);
    let verdict = node.arrive(&later(R4, L4, 7, false));
    assert_eq!((verdict.owner.id, verdict.reason), (S, Reason::FlowQuota));
}

#[test]
fn for_as_long_as_reassembly_lasts() {
    let node = bound();
    node.owner(&first(R4, L4, 7));
    node.tables.advance(berth_common::abi::units::Nanos(FRAGMENT_LIFETIME.0 - 1));
    assert_eq!(node.owner(&later(R4, L4, 7, true)), (A, Way::Fragment));
    node.tables.advance(berth_common::abi::units::Nanos(1));
    assert_eq!(node.arrive(&later(R4, L4, 7, true)), Verdict::pass(Owner::NOBODY));
}

#[test]
fn of_the_kernels_packets() {
    let node = bound();
    let from_port = Ip::fragment(0, true, 7).build(
        ip_address(L4),
        ip_address(R4),
        UDP,
        &udp_datagram(5000, 53, &[0; 16]),
    );
    assert_eq!(node.leave(&from_port), (A, Way::Port));
    assert_eq!(node.leave(&later(L4, R4, 7, false)), (A, Way::Fragment));
    assert_eq!(node.leave(&later(L4, R4, 8, false)), (HOST, Way::None));
    let node = Node::with_own_addresses();
    assert_eq!(node.leave(&later(OWN4, R4, 8, false)), (O, Way::Address));
}

#[test]
fn atomic_fragments_are_whole() {
    let node = bound();
    let atomic = Ip::fragment(0, false, 7).build(
        ip_address(R6),
        ip_address(L6),
        UDP,
        &udp_datagram(53, 5000, &[0; 16]),
    );
    assert_eq!(node.owner(&atomic), (A, Way::Port));
    assert!(node.tables.export().fragments.is_empty());
}

/// A container's own first fragments are judged like whole packets; its later ones cannot do anything without them.
#[test]
fn from_containers() {
    let node = Node::new();
    node.bind(A, UDP, "0.0.0.0:53").unwrap();
    assert_eq!(node.send(B, &first(L4, R4, 7)), Reason::PortReserved);
    assert_eq!(node.send(A, &first(L4, R4, 7)), Reason::None);
    assert_eq!(node.send(A, &later(L4, R4, 7, false)), Reason::None);
    assert_eq!(node.send(B, &later(L4, R4, 7, false)), Reason::None);
    assert_eq!(node.send(B, &later("198.51.100.8", R4, 7, false)), Reason::SpoofedSource);
}

/// Rules cannot be asked about what begins in the next fragment: at no hook.
#[test]
fn first_ones_without_all_of_the_header() {
    let cut = |from: &str, to: &str, length: usize| {
        let first = Ip::fragment(0, true, 9);
        first.build(ip_address(from), ip_address(to), TCP, &tcp_segment(5000, 5000, SYN)[..length])
    };
    for (length, reason) in [(8, Reason::Malformed), (16, Reason::Malformed), (20, Reason::None)] {
        let node = Node::new();
        node.bind(S, TCP, "0.0.0.0:5000").unwrap();
        assert_eq!(node.arrive(&cut(R4, L4, length)).reason, reason, "in by an uplink, {length}");
        assert_eq!(node.send(S, &cut(L4, R4, length)), reason, "sent, {length}");
        for inward in [true, false] {
            assert_eq!(node.on_interface(A, inward, &cut(R4, L4, length)), reason, "{inward} {length}");
        }
        // Nobody's packets are asked about by nobody's rules.
        assert_eq!(Node::new().arrive(&cut(R4, L4, length)).reason, Reason::None);
    }
}

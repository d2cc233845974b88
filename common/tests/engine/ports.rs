//! Port reservations.

use berth_common::{
    abi::{
        address::Address,
        container::Mode,
        port::{Claim, PortKey, SUMMARY_ENTRIES, Summary},
        reason::Reason,
        units::{ContainerId, Port, Protocol},
    },
    engine::{ports::Refusal, tables::Word as _},
    memory::Capacity,
};

use crate::support::*;

const EXACT: &str = "192.0.2.1:80";
const SECOND: &str = "192.0.2.2:80";
const WILDCARD: &str = "0.0.0.0:80";

fn conflict(holder: ContainerId) -> Result<(), Refusal> {
    Err(Refusal { reason: Reason::BindConflict, holder })
}

fn quota() -> Result<(), Refusal> {
    Err(Refusal { reason: Reason::PortQuota, holder: UNOWNED })
}

/// Holder and number of keys of the port that `local` is an end of.
fn summary(node: &Node, local: &str) -> (ContainerId, u32) {
    let index = port_key(TCP, local).summary_index().unwrap();
    let word =
        node.tables.export().summaries.iter().find(|(at, _)| *at == index).map_or(0, |(_, word)| *word);
    (Summary(word).owner(), Summary(word).keys())
}

fn claim(node: &Node, local: &str) -> Option<Claim> {
    let key = port_key(TCP, local);
    node.tables.ports().into_iter().find(|(at, _)| *at == key).map(|(_, claim)| claim)
}

#[test]
fn a_key_is_held_as_long_as_any_socket_holds_it() {
    let node = Node::new();
    for sockets in 1..=3 {
        node.bind(A, TCP, WILDCARD).unwrap();
        assert_eq!(claim(&node, WILDCARD).unwrap().count(), sockets);
        assert_eq!(summary(&node, WILDCARD), (A, 1));
        assert_eq!(node.ports_held(A), 1, "a key counts once, however many sockets share it");
    }
    for sockets in (1..=3).rev() {
        assert_eq!(node.bind(B, TCP, WILDCARD), conflict(A));
        assert_eq!(claim(&node, WILDCARD).unwrap().count(), sockets);
        node.unbind(A, TCP, WILDCARD);
    }
    assert_eq!((node.ports_held(A), summary(&node, WILDCARD).1), (0, 0));
    assert!(claim(&node, WILDCARD).unwrap().is_free());
    // One release too many takes nothing from anybody.
    node.unbind(A, TCP, WILDCARD);
    assert_eq!(node.bind(B, TCP, WILDCARD), Ok(()));
    node.unbind(A, TCP, WILDCARD);
    assert_eq!(node.ports_held(B), 1);
    node.check();
}

/// Who binds where.
type Binding = (ContainerId, &'static str);

/// Who may bind what beside whom.
#[test]
fn conflicts() {
    let cases: &[(&[Binding], Binding, Result<(), Refusal>)] = &[
        (&[(A, EXACT)], (B, EXACT), conflict(A)),
        (&[(A, WILDCARD)], (B, WILDCARD), conflict(A)),
        (&[(A, WILDCARD)], (B, EXACT), conflict(A)),
        (&[(A, EXACT)], (B, WILDCARD), conflict(A)),
        (&[(A, EXACT)], (A, WILDCARD), Ok(())),
        (&[(A, WILDCARD)], (A, EXACT), Ok(())),
        (&[(A, EXACT)], (B, SECOND), Ok(())),
        (&[(A, EXACT), (A, SECOND)], (B, WILDCARD), conflict(A)),
        (&[(A, EXACT), (A, SECOND)], (A, WILDCARD), Ok(())),
        // Two already share the port by address: the wildcard is for neither, and which holds it cannot be said.
        (&[(A, EXACT), (B, SECOND)], (C, WILDCARD), conflict(UNOWNED)),
        (&[(A, EXACT), (B, SECOND)], (A, WILDCARD), conflict(UNOWNED)),
        (&[(A, EXACT), (B, SECOND)], (C, EXACT), conflict(A)),
        (&[(HOST, WILDCARD)], (A, EXACT), conflict(HOST)),
        (&[(HOST, EXACT)], (A, WILDCARD), conflict(HOST)),
        // Other ports, protocols and families.
        (&[(A, WILDCARD)], (B, "0.0.0.0:81"), Ok(())),
        (&[(A, WILDCARD)], (B, "[::]:80"), Ok(())),
        (&[(A, "[::]:80")], (B, "[2001:db8::1]:80"), conflict(A)),
        (&[(A, "[2001:db8::1]:80")], (B, "[::]:80"), conflict(A)),
        (&[(A, "[2001:db8::1]:80")], (B, "[2001:db8::2]:80"), Ok(())),
    ];
    for (before, (owner, local), expected) in cases {
        let node = Node::new();
        for (owner, local) in *before {
            node.bind(*owner, TCP, local).unwrap();
        }
        let held = node.tables.ports().iter().filter(|(_, claim)| !claim.is_free()).count();
        let epoch = node.tables.export().runtime.port_epoch;
        assert_eq!(node.bind(*owner, TCP, local), *expected, "{before:?}, then {owner:?} {local}");
        node.check();
        if expected.is_err() {
            // A refusal leaves nothing behind.
            let after = node.tables.ports().iter().filter(|(_, claim)| !claim.is_free()).count();
            assert_eq!((after, node.tables.export().runtime.port_epoch), (held, epoch));
            for (owner, local) in *before {
                node.unbind(*owner, TCP, local);
            }
            assert!(node.tables.export().summaries.is_empty());
            assert_eq!(node.bind(*owner, TCP, local), Ok(()));
        }
    }
}

/// What one container tries and fails changes nothing for the one that holds the port.
#[test]
fn refused_attempts_do_not_hurt_the_holder() {
    for attempt in [WILDCARD, EXACT, SECOND] {
        for (held, wanted) in [(EXACT, WILDCARD), (EXACT, SECOND), (WILDCARD, EXACT), (WILDCARD, SECOND)] {
            let node = Node::new();
            node.bind(A, TCP, held).unwrap();
            let attempted = node.bind(B, TCP, attempt);
            if attempted.is_ok() {
                continue;
            }
            assert_eq!(node.bind(A, TCP, wanted), Ok(()), "{held}, then {attempt} of another, then {wanted}");
            assert_eq!(summary(&node, held), (A, 2));
            node.check();
        }
    }
}

#[test]
fn shared_ports_become_one_containers_when_they_are_free() {
    let node = Node::new();
    node.bind(A, TCP, EXACT).unwrap();
    node.bind(B, TCP, SECOND).unwrap();
    assert_eq!(summary(&node, EXACT), (Summary::MIXED, 2));
    node.unbind(B, TCP, SECOND);
    // As long as any key is held, it is not known that only one container is left.
    assert_eq!(summary(&node, EXACT), (Summary::MIXED, 1));
    assert_eq!(node.bind(A, TCP, WILDCARD), conflict(UNOWNED));
    node.unbind(A, TCP, EXACT);
    assert_eq!(node.bind(A, TCP, WILDCARD), Ok(()));
    assert_eq!(summary(&node, EXACT), (A, 1));
    node.check();
}

/// A socket that serves both families holds a key in each, or none.
#[test]
fn dual_sockets() {
    let both = ["[::]:80", WILDCARD];
    let node = Node::new();
    for local in both {
        node.bind(A, TCP, local).unwrap();
    }
    assert_eq!(node.ports_held(A), 2);
    for local in ["[::]:80", "[2001:db8::1]:80", WILDCARD, EXACT] {
        assert_eq!(node.bind(B, TCP, local), conflict(A), "{local}");
    }
    for local in both {
        node.unbind(A, TCP, local);
    }
    for local in both {
        assert_eq!(node.bind(B, TCP, local), Ok(()), "{local}");
    }
    node.check();
}

#[test]
fn the_operators_reservations_are_permanent() {
    let node = Node::new();
    node.reserve(A, TCP, WILDCARD).unwrap();
    assert!(claim(&node, WILDCARD).unwrap().is_permanent());
    assert_eq!(node.bind(B, TCP, WILDCARD), conflict(A));
    assert_eq!(node.bind(B, TCP, EXACT), conflict(A));
    // Sockets come and go; the reservation stays, and counts once.
    node.bind(A, TCP, WILDCARD).unwrap();
    node.bind(A, TCP, WILDCARD).unwrap();
    assert_eq!((claim(&node, WILDCARD).unwrap().count(), node.ports_held(A)), (2, 1));
    node.unbind(A, TCP, WILDCARD);
    node.unbind(A, TCP, WILDCARD);
    node.unbind(A, TCP, WILDCARD);
    assert!(claim(&node, WILDCARD).unwrap().is_permanent());
    assert_eq!((claim(&node, WILDCARD).unwrap().count(), node.ports_held(A)), (0, 1));
    assert_eq!(node.bind(B, TCP, WILDCARD), conflict(A));
    node.check();
}

#[test]
fn what_the_operator_gives_up_sockets_may_still_hold() {
    let node = Node::new();
    let key = port_key(TCP, WILDCARD);
    node.bind(A, TCP, WILDCARD).unwrap();
    node.reserve(A, TCP, WILDCARD).unwrap();
    node.tables.release(&key, Claim::permanent(A, false));
    assert_eq!((claim(&node, WILDCARD).unwrap(), node.ports_held(A)), (Claim::bound(A), 1));
    // There is none any more.
    node.tables.release(&key, Claim::permanent(A, false));
    assert_eq!((claim(&node, WILDCARD).unwrap(), node.ports_held(A)), (Claim::bound(A), 1));
    node.unbind(A, TCP, WILDCARD);
    assert_eq!(node.bind(B, TCP, WILDCARD), Ok(()));
    // Nor may one release for another.
    node.tables.release(&key, Claim::permanent(A, false));
    node.unbind(A, TCP, WILDCARD);
    assert_eq!(node.bind(A, TCP, WILDCARD), conflict(B));
    node.check();
}

#[test]
fn raw_reservations() {
    let node = Node::new();
    let key = port_key(TCP, WILDCARD);
    node.tables.reserve(&key, Claim::permanent(A, true)).unwrap();
    node.bind(A, TCP, WILDCARD).unwrap();
    let both = claim(&node, WILDCARD).unwrap();
    assert!(both.is_raw() && both.is_permanent() && both.count() == 1);
    node.tables.release(&key, Claim::permanent(A, false));
    assert_eq!(claim(&node, WILDCARD), Some(Claim::bound(A)));
}

#[test]
fn before_the_container_exists_and_for_the_host() {
    let node = Node::new();
    let later = ContainerId(12);
    node.reserve(later, TCP, WILDCARD).unwrap();
    assert_eq!(node.bind(A, TCP, WILDCARD), conflict(later));
    node.container(later, Mode::Stateless, 10, 10);
    node.bind(later, TCP, WILDCARD).unwrap();
    assert_eq!(node.ports_held(later), 1);
    node.reserve(HOST, TCP, "0.0.0.0:22").unwrap();
    assert_eq!(node.bind(A, TCP, "0.0.0.0:22"), conflict(HOST));
    assert_eq!(node.ports_held(HOST), 1);
    // An id that there is no place for.
    assert_eq!(node.reserve(ContainerId(16), TCP, "0.0.0.0:23"), quota());
    node.check();
}

#[test]
fn the_quota_is_exact() {
    for limit in [0, 1, 3] {
        let node = Node::new();
        node.container(A, Mode::Stateless, 0, limit);
        for port in 1..=6_u16 {
            let local = format!("0.0.0.0:{port}");
            let expected = if u32::from(port) <= limit { Ok(()) } else { quota() };
            assert_eq!(node.bind(A, TCP, &local), expected, "limit {limit}, port {port}");
        }
        let usage = node.usage(A).ports;
        let held = u64::from(limit);
        assert_eq!((usage.held.count(), usage.maxheld, usage.failcnt), (held, held, 6 - held));
        if limit > 0 {
            // The same key again is no second reservation; a free place is one again.
            assert_eq!(node.bind(A, TCP, "0.0.0.0:1"), Ok(()));
            node.unbind(A, TCP, "0.0.0.0:1");
            node.unbind(A, TCP, "0.0.0.0:1");
            assert_eq!(node.bind(A, TCP, "0.0.0.0:6"), Ok(()));
            assert_eq!(node.bind(A, TCP, "0.0.0.0:1"), quota());
        }
        assert_eq!(node.bind(B, TCP, "0.0.0.0:5"), Ok(()));
        node.check();
    }
}

#[test]
fn a_conflict_is_no_matter_of_quota() {
    let node = Node::new();
    node.bind(A, TCP, WILDCARD).unwrap();
    node.bind(B, TCP, WILDCARD).unwrap_err();
    node.bind(B, TCP, EXACT).unwrap_err();
    let usage = node.usage(B).ports;
    assert_eq!((usage.held.count(), usage.failcnt), (0, 0));
}

#[test]
fn a_full_table_refuses() {
    let node = Node::with(Capacity { containers: 16, flows: 4, ports: 2, ..Capacity::default() });
    node.bind(A, TCP, "0.0.0.0:1").unwrap();
    node.bind(A, TCP, "0.0.0.0:2").unwrap();
    assert_eq!(node.bind(B, TCP, "0.0.0.0:3"), quota());
    assert_eq!(node.ports_held(B), 0);
    // A key that nobody holds keeps its place until it is swept, for whoever wants the same key.
    node.unbind(A, TCP, "0.0.0.0:1");
    assert_eq!(node.bind(B, TCP, "0.0.0.0:3"), quota());
    assert_eq!(node.bind(B, TCP, "0.0.0.0:1"), Ok(()));
    node.unbind(B, TCP, "0.0.0.0:1");
    assert_eq!(node.tables.sweep(), 1);
    assert_eq!(node.bind(B, TCP, "0.0.0.0:3"), Ok(()));
    node.check();
}

#[test]
fn only_what_nobody_holds_is_swept() {
    let node = Node::new();
    node.bind(A, TCP, EXACT).unwrap();
    node.reserve(A, TCP, SECOND).unwrap();
    node.bind(B, TCP, "0.0.0.0:81").unwrap();
    node.unbind(B, TCP, "0.0.0.0:81");
    assert_eq!(node.tables.sweep(), 1);
    assert_eq!(node.tables.sweep(), 0);
    assert_eq!(node.tables.ports().len(), 2);
    assert_eq!(node.bind(B, TCP, EXACT), conflict(A));
    node.check();
}

#[test]
fn dead_keys_cannot_be_claimed() {
    use berth_common::engine::{Tables as _, ports};
    let node = Node::new();
    node.bind(A, TCP, EXACT).unwrap();
    let key = port_key(TCP, EXACT);
    let word = (&node.tables).port(&key).unwrap();
    assert!(!ports::retire(word), "it is held");
    node.unbind(A, TCP, EXACT);
    assert!(ports::retire(word));
    assert!(!ports::retire(word), "only one may delete it");
    assert_eq!(Claim(word.load()), Claim::DEAD);
    assert_eq!(node.bind(B, TCP, EXACT), conflict(UNOWNED));
    node.unbind(B, TCP, EXACT);
    assert!(!ports::evict(&&node.tables, &key, B));
    assert_eq!(node.ports_held(B), 0);
}

#[test]
fn a_container_that_goes_loses_all_of_its_own() {
    let node = Node::new();
    for _ in 0..3 {
        node.bind(A, TCP, EXACT).unwrap();
    }
    node.reserve(A, UDP, WILDCARD).unwrap();
    node.bind(B, TCP, SECOND).unwrap();
    assert_eq!(node.tables.flush_ports(A), 2);
    assert_eq!(node.tables.flush_ports(A), 0);
    assert_eq!((node.ports_held(A), node.ports_held(B)), (0, 1));
    // Its sockets are closed later, and release what is not theirs any more.
    node.bind(C, TCP, EXACT).unwrap();
    for _ in 0..3 {
        node.unbind(A, TCP, EXACT);
    }
    assert_eq!(node.ports_held(C), 1);
    assert_eq!(node.bind(A, UDP, WILDCARD), Ok(()));
    node.check();
}

/// Each protocol and family has its own summaries, ICMP and ICMPv6 excepted, whose families differ anyway.
#[test]
fn summaries_are_apart() {
    let mut seen = std::collections::BTreeSet::new();
    for family in [Address::ANY4, Address::ANY6] {
        let icmp = if family == Address::ANY4 { ICMP } else { ICMPV6 };
        for protocol in [TCP, UDP, UDPLITE, SCTP, icmp, GRE] {
            for port in [0, 1, 80, 0x7fff, 0x8000, 0xffff] {
                let index = PortKey::new(Protocol(protocol), family, Port(port)).summary_index().unwrap();
                assert!(index < SUMMARY_ENTRIES);
                assert!(seen.insert(index), "protocol {protocol} port {port}");
            }
        }
    }
    for protocol in [0, IGMP, ESP, 89, 255] {
        assert_eq!(PortKey::new(Protocol(protocol), Address::ANY4, Port(1)).summary_index(), None);
    }
}

#[test]
fn claims_add_up() {
    let (one, kept, raw) = (Claim::bound(A), Claim::permanent(A, false), Claim::permanent(A, true));
    for (claim, count, permanent, is_raw) in [
        (one, 1, false, false),
        (kept, 0, true, false),
        (raw, 0, true, true),
        (one.and(one), 2, false, false),
        (one.and(kept), 1, true, false),
        (kept.and(one).and(one), 2, true, false),
        (raw.and(kept), 0, true, true),
        (one.and(raw).without(one), 0, true, true),
        (one.and(raw).without(kept), 1, false, false),
    ] {
        assert_eq!((claim.owner(), claim.count()), (A, count));
        assert_eq!((claim.is_permanent(), claim.is_raw()), (permanent, is_raw));
        assert!(!claim.is_free() && !claim.is_dead());
    }
    for claim in
        [one.without(one), kept.without(kept), raw.without(kept), one.and(one).without(one).without(one)]
    {
        assert_eq!(claim, Claim::FREE);
    }
    // The host's claims are claims.
    assert!(!Claim::bound(HOST).is_free() && !Claim::permanent(HOST, false).is_free());
}

//! Associations, packet by packet, in their flows.

use berth_common::{
    abi::{association::Phase, flow::State, reason::Reason, units::Zone},
    engine::{
        Headers, Way,
        headers::Part,
        parse,
        sctp::{Association, Chunks, Facts, Step},
    },
    memory::{
        Bytes,
        generate::{Direction, Random, Scene, Shape},
    },
    wire::{ether::EtherType, sctp::kind::*},
};

use super::seconds_left;
use crate::support::{Node, R4, S, T, UNOWNED, sctp};

const OUT: &str = "192.0.2.1:5000";
const FAR: &str = "198.51.100.7:80";

/// Tags: of who opens, and of the other end.
const OPENER: u32 = 0x0a0a_0a0a;
const RESPONDER: u32 = 0x0b0b_0b0b;

/// Type, flags, and what it carries.
type Chunk<'a> = (u8, u8, &'a [u8]);

fn init(tag: u32) -> Vec<u8> {
    [&tag.to_be_bytes()[..], &[0; 12]].concat()
}

fn there(tag: u32, chunks: &[Chunk<'_>]) -> Vec<u8> {
    sctp(OUT, FAR, tag, chunks)
}

fn back(tag: u32, chunks: &[Chunk<'_>]) -> Vec<u8> {
    sctp(FAR, OUT, tag, chunks)
}

/// S sends by its own interface.
fn send(node: &Node, packet: &[u8]) {
    assert_eq!(node.on_interface(S, false, packet), Reason::None);
}

/// It is sent something there.
fn arrive(node: &Node, packet: &[u8]) {
    assert_eq!(node.on_interface(S, true, packet), Reason::None);
}

/// How the association stands, how long it lasts, and whether it is assured.
fn stands(node: &Node) -> (&'static str, u64, bool) {
    let packet = there(0, &[(INIT, 0, &init(1))]);
    let flow = node.flow_in(Zone::of(S), &packet).unwrap();
    (
        flow.state.name(Node::headers(&packet).protocol),
        seconds_left(node, &flow),
        flow.state.has(State::ASSURED),
    )
}

/// One that S has opened.
fn open() -> Node {
    let node = Node::new();
    send(&node, &there(0, &[(INIT, 0, &init(OPENER))]));
    assert_eq!(stands(&node), ("CLOSED", 10, false));
    arrive(&node, &back(OPENER, &[(INIT_ACK, 0, &init(RESPONDER))]));
    assert_eq!(stands(&node), ("COOKIE_WAIT", 3, false));
    send(&node, &there(RESPONDER, &[(COOKIE_ECHO, 0, b"cookie"), (DATA, 3, b"data")]));
    assert_eq!(stands(&node), ("COOKIE_ECHOED", 3, false));
    arrive(&node, &back(OPENER, &[(COOKIE_ACK, 0, b"")]));
    assert_eq!(stands(&node), ("ESTABLISHED", 210, true));
    node
}

#[test]
fn it_is_shut_down_by_either_end() {
    let node = open();
    send(&node, &there(RESPONDER, &[(SHUTDOWN, 0, &[0; 4])]));
    assert_eq!(stands(&node), ("SHUTDOWN_SENT", 3, true));
    arrive(&node, &back(OPENER, &[(SHUTDOWN_ACK, 0, b"")]));
    assert_eq!(stands(&node), ("SHUTDOWN_ACK_SENT", 3, true));
    send(&node, &there(RESPONDER, &[(SHUTDOWN_COMPLETE, 0, b"")]));
    assert_eq!(stands(&node), ("CLOSED", 10, true));

    let node = open();
    arrive(&node, &back(OPENER, &[(SHUTDOWN, 0, &[0; 4])]));
    assert_eq!(stands(&node), ("SHUTDOWN_RECD", 3, true));
    // Its sender has forgotten it, and says so under the tag that it has got.
    send(&node, &there(OPENER, &[(ABORT, 1, b"")]));
    assert_eq!(stands(&node), ("CLOSED", 10, true));
}

/// Whoever is not between the ends does not know the tags.
#[test]
fn what_bears_another_tag_moves_nothing() {
    let others: [&[Chunk<'_>]; 4] = [
        &[(ABORT, 0, b"")],
        &[(SHUTDOWN_COMPLETE, 0, b"")],
        &[(DATA, 3, b"data")],
        &[(SHUTDOWN, 0, &[0; 4])],
    ];
    for chunks in others {
        let node = open();
        node.wait(100);
        arrive(&node, &back(RESPONDER, chunks));
        arrive(&node, &back(OPENER + 1, chunks));
        send(&node, &there(OPENER, chunks));
        assert_eq!(stands(&node), ("ESTABLISHED", 110, true), "{chunks:?}");
    }
}

#[test]
fn who_tries_for_ever_keeps_nothing_alive() {
    let node = Node::new();
    let init = there(0, &[(INIT, 0, &init(OPENER))]);
    send(&node, &init);
    node.wait(4);
    send(&node, &init);
    assert_eq!(stands(&node), ("CLOSED", 6, false));
}

#[test]
fn another_path_begins_with_a_heartbeat() {
    let node = Node::new();
    send(&node, &there(RESPONDER, &[(HEARTBEAT, 0, b"info")]));
    assert_eq!(stands(&node), ("HEARTBEAT_SENT", 30, false));
    // Nothing but its answer is one.
    arrive(&node, &back(OPENER, &[(COOKIE_ACK, 0, b"")]));
    assert_eq!(stands(&node), ("HEARTBEAT_SENT", 30, false));
    arrive(&node, &back(OPENER, &[(HEARTBEAT_ACK, 0, b"info")]));
    assert_eq!(stands(&node), ("ESTABLISHED", 210, true));
}

/// It may have begun anew where nobody saw it: a heartbeat under another tag is believed if it is answered.
#[test]
fn a_heartbeat_shows_new_tags() {
    let node = open();
    node.wait(100);
    let anew = 0x0c0c_0c0c;
    send(&node, &there(anew, &[(HEARTBEAT, 0, b"info")]));
    assert_eq!(stands(&node), ("ESTABLISHED", 110, true));
    arrive(&node, &back(anew + 1, &[(HEARTBEAT_ACK, 0, b"info")]));
    assert_eq!(stands(&node), ("ESTABLISHED", 210, true));
    node.wait(100);
    arrive(&node, &back(anew + 1, &[(DATA, 3, b"data")]));
    assert_eq!(stands(&node), ("ESTABLISHED", 210, true));
}

/// What a container sends that begins nothing but says whose it is; what arrives for it so leaves nothing.
#[test]
fn what_begins_nothing() {
    let chunks: [(u32, &[Chunk<'_>]); 5] = [
        (1, &[(DATA, 3, b"data")]),
        (0, &[(ABORT, 0, b"")]),
        (0, &[(INIT, 0, &[0; 8])]),
        (1, &[(INIT, 0, &[0; 16])]),
        (0, &[(INIT, 0, &[0; 16]), (DATA, 3, b"data")]),
    ];
    for (tag, chunks) in chunks {
        let node = Node::new();
        let stands = || {
            let flow = node.flow(&there(0, &[])).unwrap();
            (
                Phase::from_number((flow.state.connection() & 0xf) as u8),
                flow.opener,
                seconds_left(&node, &flow),
            )
        };
        assert_eq!(node.send(S, &there(tag, chunks)), Reason::None);
        assert_eq!(stands(), (Phase::None, S, 60), "{chunks:?}");
        // The other end begins one in its place.
        node.owner(&back(0, &[(INIT, 0, &init(RESPONDER))]));
        assert_eq!(stands(), (Phase::Closed, UNOWNED, 60), "{chunks:?}");
    }
}

/// Ethernet pads short packets with zeros, which are no chunks.
#[test]
fn padding_is_no_chunk() {
    let node = open();
    node.wait(100);
    let mut padded = back(OPENER, &[(SHUTDOWN_ACK, 0, b"")]);
    padded.extend([0; 10]);
    arrive(&node, &padded);
    assert_eq!(stands(&node), ("ESTABLISHED", 210, true));
}

/// Whether something may begin is told by fewer questions than the whole takes.
#[test]
fn what_may_begin_does() {
    let scene = Scene {
        local: vec!["192.0.2.1".parse().unwrap()],
        remote: vec![R4.parse().unwrap()],
        ports: vec![1, 2],
    };
    let mut random = Random::new(5);
    let (mut begun, mut not) = (0, 0);
    for _ in 0..200_000 {
        let packet = scene.packet(Shape::Sctp, Direction::Out, &mut random);
        let mut headers = Headers::EMPTY;
        let is_read = parse::ip(&Bytes(&packet), EtherType::IPV4, 0, &mut headers);
        if !is_read || headers.fragment == Part::Later {
            continue;
        }
        let Some(chunks) = Chunks::read(&Bytes(&packet), &headers, 0) else {
            assert_eq!(headers.detail, 0);
            continue;
        };
        let never = 1 << ABORT | 1 << SHUTDOWN_COMPLETE | 1 << COOKIE_ACK;
        let mut association = Association::NEW;
        association.begin(&chunks);
        let facts = Facts(0).with(Facts::FROM_OPENER, true).with(Facts::WITH_DATA, chunks.scan.has_data());
        let is_right = !chunks.are_under_tag() || association.bears_tag(chunks.tag, facts);
        let mut all = (0..).map_while(|place| chunks.scan.chunk(place));
        let begins = !chunks.scan.has_other()
            && chunks.scan.kinds() & never == 0
            && is_right
            && all
                .all(|chunk| association.meet(chunk, facts, (chunks.tag, chunks.initiate)) != Step::Invalid);
        assert_eq!(headers.detail == 1, begins, "{chunks:?}");
        if begins {
            begun += 1;
            assert_ne!(association.phase, Phase::None);
        } else {
            not += 1;
        }
    }
    assert!(begun > 10_000 && not > 10_000, "{begun} have begun, {not} have not");
}

#[test]
fn it_is_kept_in_few_bits() {
    for phase in [Phase::None].iter().chain(&Phase::ALL) {
        for flags in 0..16 {
            let association =
                Association { opener_tag: OPENER, responder_tag: RESPONDER, phase: *phase, flags };
            assert_eq!(Association::new(association.bits(), association.tags()), association);
            // Next to the state's flags, of which it is none.
            assert_eq!(State(0xff).with_connection(association.bits()).0 & 0xff, 0xff);
            assert!(association.bits() < 1 << 18, "TCP's phase is beyond");
        }
    }
}

/// Where both ends have begun, an answer must ask for the tag that its sender's INIT has asked for.
#[test]
fn both_ends_may_begin() {
    let node = Node::new();
    send(&node, &there(0, &[(INIT, 0, &init(OPENER))]));
    arrive(&node, &back(0, &[(INIT, 0, &init(RESPONDER))]));
    node.wait(4);
    send(&node, &there(RESPONDER, &[(INIT_ACK, 0, &init(OPENER + 1))]));
    assert_eq!(stands(&node), ("CLOSED", 6, false));
    send(&node, &there(RESPONDER, &[(INIT_ACK, 0, &init(OPENER))]));
    assert_eq!(stands(&node), ("CLOSED", 10, false));
}

/// Where several share addresses, it is by its flow that one knows whose an association is: it stays known for longer.
#[test]
fn on_shared_addresses_its_owner_stays_known() {
    let node = Node::new();
    let first = there(0, &[(INIT, 0, &init(OPENER))]);
    node.send(S, &first);
    let flow = || node.flow(&first).unwrap();
    assert_eq!((flow().state.connection() & 0xf, seconds_left(&node, &flow())), (Phase::Closed as u32, 60));
    // It tries again, and in between another would speak for it.
    for seconds in [3, 6, 12, 24] {
        node.wait(seconds);
        assert_eq!(node.send(T, &first), Reason::Hijack);
        assert_eq!(node.send(S, &first), Reason::None);
    }
    assert_eq!(node.owner(&back(OPENER, &[(INIT_ACK, 0, &init(RESPONDER))])), (S, Way::Flow));
    assert_eq!(seconds_left(&node, &flow()), 60);
}

//! States and timeouts: nf_conntrack's (net/netfilter/nf_conntrack_proto_*.c).

use berth_common::{
    abi::{
        config::Config,
        flow::{
            Phase::{
                self, Close, CloseWait, Established, FinWait, LastAck, SynRecv, SynSent, SynSent2, TimeWait,
            },
            State,
        },
        reason::Reason,
    },
    engine::Way,
};

use super::seconds_left;
use crate::support::*;

const OUT: &str = "192.0.2.1:5000";
const FAR: &str = "198.51.100.7:80";

/// Five days.
const ESTABLISHED: u64 = 432_000;

/// One segment of a connection: whether the opener sends it, its flags, sequence number and acknowledgement, and the phase
/// and seconds after it.
type Step = (bool, u8, u32, u32, Phase, u64);

/// Opens, with initial sequence numbers 100 and 300.
const HANDSHAKE: [Step; 3] = [
    (true, SYN, 100, 0, SynSent, 120),
    (false, SYN | ACK, 300, 101, SynRecv, 60),
    (true, ACK, 101, 301, Established, ESTABLISHED),
];

/// Runs a connection that the container opens and one that a remote host opens.
fn run(what: &str, steps: &[Step]) {
    for container_opens in [true, false] {
        let node = Node::new();
        node.bind(S, TCP, "0.0.0.0:5000").unwrap();
        for (number, step) in steps.iter().enumerate() {
            let (from_opener, flags, sequence, acknowledgement, phase, seconds) = *step;
            if from_opener == container_opens {
                assert_eq!(node.send(S, &segment(OUT, FAR, flags, sequence, acknowledgement)), Reason::None);
            } else {
                assert_eq!(node.owner(&segment(FAR, OUT, flags, sequence, acknowledgement)).0, S);
            }
            let flow = node.flow(&tcp(OUT, FAR, 0)).expect("a flow");
            assert_eq!(
                (flow.state.phase(), seconds_left(&node, &flow)),
                (phase, seconds),
                "{what}: step {number}, container opens: {container_opens}"
            );
            node.wait(1);
        }
        node.check();
    }
}

/// After the handshake.
fn run_open(what: &str, steps: &[Step]) {
    run(what, &[&HANDSHAKE, steps].concat());
}

#[test]
fn tcp_connections() {
    run("handshake", &HANDSHAKE);
    run("SYN again and again", &[HANDSHAKE[0], (true, SYN, 100, 0, SynSent, 119)]);
    run_open(
        "acknowledgements both ways",
        &[(true, ACK, 101, 301, Established, ESTABLISHED), (false, ACK, 301, 101, Established, ESTABLISHED)],
    );
    for opener_closes in [true, false] {
        let (ours, theirs) = if opener_closes { (101, 301) } else { (301, 101) };
        run_open(
            "closes",
            &[
                (opener_closes, FIN | ACK, ours, theirs, FinWait, 120),
                (!opener_closes, ACK, theirs, ours + 1, CloseWait, 60),
                (!opener_closes, ACK, theirs, ours + 1, CloseWait, 60),
                (!opener_closes, FIN | ACK, theirs, ours + 1, LastAck, 30),
                (opener_closes, ACK, ours + 1, theirs + 1, TimeWait, 120),
            ],
        );
    }
    run_open("reset by the opener", &[(true, RST, 101, 0, Close, 10)]);
    run_open("reset by the responder", &[(false, RST, 301, 0, Close, 10)]);
    run_open(
        "after a reset",
        &[
            (false, RST, 301, 0, Close, 10),
            (true, ACK, 101, 301, Close, 10),
            (false, SYN | ACK, 300, 101, Close, 9),
        ],
    );
    run_open(
        "again out of TIME_WAIT",
        &[
            (true, FIN | ACK, 101, 301, FinWait, 120),
            (false, FIN | ACK, 301, 102, LastAck, 30),
            (true, ACK, 102, 302, TimeWait, 120),
            (true, SYN, 90_000, 0, SynSent, 120),
            (false, SYN | ACK, 700, 90_001, SynRecv, 60),
            (true, ACK, 90_001, 701, Established, ESTABLISHED),
        ],
    );
    run(
        "opened by both at once",
        &[
            HANDSHAKE[0],
            (false, SYN, 300, 0, SynSent2, 119),
            (true, SYN | ACK, 100, 301, SynRecv, 60),
            (false, ACK, 301, 101, Established, ESTABLISHED),
        ],
    );
}

/// A connection that is older than the table: nf_conntrack believes it, but for 300 seconds only until the other side
/// has spoken too. Else every stray or forged segment would hold an entry for five days.
#[test]
fn tcp_in_mid_stream() {
    run(
        "an ACK",
        &[
            (true, ACK, 101, 301, Established, 300),
            (true, ACK, 101, 301, Established, 300),
            (false, ACK, 301, 101, Established, 300),
            (true, ACK, 101, 301, Established, ESTABLISHED),
        ],
    );
    run("a SYN and an ACK, never answered", &[HANDSHAKE[0], (true, ACK, 101, 301, SynSent, 119)]);
}

/// What is out of the window changes nothing, and comes from whom it came from all the same.
#[test]
fn tcp_out_of_the_window() {
    run_open(
        "invalid",
        &[
            (true, ACK, 1_000_000, 301, Established, ESTABLISHED - 1),
            (false, RST, 1_000_000, 0, Established, ESTABLISHED - 2),
            (true, FIN | ACK, 101, 1_000_000, Established, 300),
        ],
    );
}

/// What arrives leaves nothing then. What is sent leaves an entry without a connection, since its socket may be gone soon.
#[test]
fn what_opens_no_connection() {
    for flags in [SYN | ACK, RST, RST | ACK, FIN | ACK, 0] {
        let node = Node::new();
        node.bind(S, TCP, "0.0.0.0:5000").unwrap();
        assert_eq!(node.owner(&tcp(FAR, OUT, flags)).0, S);
        assert!(node.flow(&tcp(OUT, FAR, 0)).is_none(), "{flags:#x}");
        let flow = || node.flow(&tcp(OUT, FAR, 0)).unwrap();
        for _ in 0..2 {
            assert_eq!(node.send(S, &tcp(OUT, FAR, flags)), Reason::None);
            assert_eq!((flow().state.phase(), flow().opener), (Phase::None, S), "{flags:#x}");
            // What has no flags at all is no segment, and extends nothing.
            node.wait(if flags == 0 { 20 } else { 59 });
        }
        assert_eq!(node.owner(&tcp(FAR, OUT, flags)), (S, Way::Flow));
        // Whoever begins is the opener.
        assert_eq!(node.owner(&segment(FAR, OUT, SYN, 300, 0)), (S, Way::Flow));
        assert_eq!((flow().state.phase(), flow().opener), (SynSent, UNOWNED), "{flags:#x}");
        node.check();
    }
    let node = Node::new();
    node.bind(S, TCP, "0.0.0.0:5000").unwrap();
    node.tables.set_tcp(Config::TCP_STRICT);
    assert_eq!(node.owner(&tcp(FAR, OUT, ACK)), (S, Way::Port));
    assert!(node.flow(&tcp(OUT, FAR, 0)).is_none());
}

/// Its last packet is sent by no socket any more.
#[test]
fn a_connection_that_is_closed_at_once_stays_its_owners() {
    let node = Node::new();
    node.socket(A, TCP, "0.0.0.0:5000");
    assert_eq!(node.owner(&segment(FAR, OUT, SYN, 100, 0)), (A, Way::Socket));
    assert_eq!(node.send(A, &segment(OUT, FAR, SYN | ACK, 300, 101)), Reason::None);
    assert_eq!(node.owner(&segment(FAR, OUT, ACK, 101, 301)), (A, Way::Flow));
    assert_eq!(node.send(A, &segment(OUT, FAR, FIN | ACK, 301, 101)), Reason::None);
    assert_eq!(node.owner(&segment(FAR, OUT, FIN | ACK, 101, 302)), (A, Way::Flow));
    node.close(TCP, "0.0.0.0:5000");
    assert_eq!(node.leave(&segment(OUT, FAR, ACK, 302, 102)), (A, Way::Flow));
}

/// Nobody is there: that is the end of it at once, and another may begin.
#[test]
fn a_refused_connection_is_over() {
    let node = Node::new();
    node.bind(S, TCP, "0.0.0.0:5000").unwrap();
    for sequence in [100, 50_000] {
        assert_eq!(node.send(S, &segment(OUT, FAR, SYN, sequence, 0)), Reason::None);
        assert_eq!(node.flow(&tcp(OUT, FAR, 0)).unwrap().state.phase(), SynSent);
        assert_eq!(node.owner(&segment(FAR, OUT, RST | ACK, 0, sequence + 1)), (S, Way::Flow));
        let flow = node.flow(&tcp(OUT, FAR, 0)).unwrap();
        assert_eq!((flow.state.phase(), seconds_left(&node, &flow)), (Close, 1));
        assert_eq!(node.flows_held(S), 1);
    }
    node.wait(1);
    assert_eq!(node.owner(&segment(FAR, OUT, RST | ACK, 0, 101)), (S, Way::Port));
    node.check();
}

/// Where the first fragment ends is not where the segment does.
#[test]
fn a_segment_in_fragments_is_not_held_to_the_window() {
    let node = Node::new();
    node.bind(S, TCP, "0.0.0.0:5000").unwrap();
    for (from_opener, flags, sequence, acknowledgement, ..) in HANDSHAKE {
        let (source, destination) = if from_opener { (OUT, FAR) } else { (FAR, OUT) };
        let packet = segment(source, destination, flags, sequence, acknowledgement);
        if from_opener {
            node.send(S, &packet);
        } else {
            node.owner(&packet);
        }
    }
    let (there, back) = (end(OUT), end(FAR));
    let first = Ip { fragment: Some((0, true, 7)), ..Ip::default() };
    let mut payload = [&tcp_segment(there.1, back.1, ACK)[..], &[0; 8]].concat();
    payload[4..8].copy_from_slice(&101_u32.to_be_bytes());
    payload[8..12].copy_from_slice(&301_u32.to_be_bytes());
    node.send(S, &first.build(there.0, back.0, TCP, &payload));
    node.wait(1);
    // It acknowledges much more than the first fragment had.
    assert_eq!(node.owner(&segment(FAR, OUT, ACK, 301, 1_101)), (S, Way::Flow));
    let flow = node.flow(&tcp(OUT, FAR, 0)).unwrap();
    assert_eq!(seconds_left(&node, &flow), 300);
}

#[test]
fn other_protocols() {
    let cases = [
        ("UDP", udp(OUT, FAR), udp(FAR, OUT), 30, 120, true),
        ("UDP-Lite", ported(UDPLITE, OUT, FAR), ported(UDPLITE, FAR, OUT), 30, 120, true),
        ("echo", ping(L4, R4, 5), pong(R4, L4, 5), 30, 30, false),
        ("echo of IPv6", ping(L6, R6, 5), pong(R6, L6, 5), 30, 30, false),
        ("GRE", gre(L4, R4, Some(5)), gre(R4, L4, Some(5)), 30, 180, true),
        ("ESP", ip(L4, R4, ESP, &[0; 8]), ip(R4, L4, ESP, &[0; 8]), 600, 600, false),
    ];
    for (what, there, back, unreplied, replied, assured) in cases {
        let node = Node::new();
        let expect = |name, seconds, assured| {
            let flow = node.flow(&there).unwrap();
            let protocol = Node::headers(&there).protocol;
            assert_eq!((flow.state.name(protocol), seconds_left(&node, &flow)), (name, seconds), "{what}");
            assert_eq!(flow.state.has(State::ASSURED), assured, "{what}");
        };
        node.send(A, &there);
        expect("UNREPLIED", unreplied, false);
        node.wait(1);
        node.send(A, &there);
        expect("UNREPLIED", unreplied, false);
        node.wait(1);
        assert_eq!(node.owner(&back), (A, Way::Flow));
        expect("REPLIED", unreplied, false);
        node.wait(1);
        // Three seconds old by now.
        node.send(A, &there);
        expect("REPLIED", replied, assured);
    }
}

/// A question and its answer are no stream.
#[test]
fn udp_that_is_soon_over() {
    let node = Node::new();
    for packet in [udp(OUT, FAR), udp(OUT, FAR)] {
        node.send(A, &packet);
        node.owner(&udp(FAR, OUT));
    }
    let flow = node.flow(&udp(OUT, FAR)).unwrap();
    assert_eq!((flow.state.has(State::ASSURED), seconds_left(&node, &flow)), (false, 30));
}

#[test]
fn phases_by_number() {
    let names = [
        "NONE",
        "SYN_SENT",
        "SYN_RECV",
        "ESTABLISHED",
        "FIN_WAIT",
        "CLOSE_WAIT",
        "LAST_ACK",
        "TIME_WAIT",
        "CLOSE",
        "SYN_SENT2",
    ];
    for (number, name) in (0_u8..).zip(names) {
        let phase = Phase::from_number(number);
        assert_eq!((phase as u8, phase.name()), (number, name));
        let state = State(State::OPENER_LOW).with_connection(u32::from(number) << (2 * State::END_BITS));
        assert_eq!((state.phase(), state.has(State::OPENER_LOW)), (phase, true));
    }
    assert_eq!(Phase::from_number(10), Close);
    assert_eq!(Phase::from_number(255), Close);
}

/// What an end has first acknowledged is kept, though it may be earlier than zero as such numbers are compared.
#[test]
fn a_reset_is_held_against_what_was_acknowledged() {
    const FAR_ON: u32 = 0x9f7c_dd9f;
    run(
        "met in mid-stream",
        &[
            (true, ACK, 101, FAR_ON, Established, 300),
            (false, ACK, FAR_ON, 101, Established, 300),
            (true, ACK, 101, FAR_ON, Established, ESTABLISHED),
            (false, RST | ACK, FAR_ON, 101, Close, 10),
        ],
    );
}

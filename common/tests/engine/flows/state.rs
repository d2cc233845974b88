//! States and timeouts: nf_conntrack's (net/netfilter/nf_conntrack_proto_*.c).

use berth_common::{
    abi::{
        flow::{Flow, State},
        reason::Reason,
        units::Nanos,
    },
    engine::Way,
};

use crate::support::*;

const OUT: &str = "192.0.2.1:5000";
const FAR: &str = "198.51.100.7:80";

/// Five days.
const ESTABLISHED: u64 = 432_000;

fn state_of(flow: &Flow) -> State {
    State::from_number(flow.state)
}

fn seconds_left(node: &Node, flow: &Flow) -> u64 {
    (flow.expires.0 - node.now().0) / Nanos::seconds(1).0
}

/// One packet of a TCP connection: whether the opener sends it, its flags, and the state and seconds after it.
type Step = (bool, u8, State, u64);

/// Runs a connection that the container opens and one that a remote host opens.
fn run(what: &str, steps: &[Step]) {
    for container_opens in [true, false] {
        let node = Node::new();
        node.bind(S, TCP, "0.0.0.0:5000").unwrap();
        for (step, (from_opener, flags, state, seconds)) in steps.iter().enumerate() {
            if *from_opener == container_opens {
                assert_eq!(node.send(S, &tcp(OUT, FAR, *flags)), Reason::None);
            } else {
                assert_eq!(node.owner(&tcp(FAR, OUT, *flags)).0, S);
            }
            let flow = node.flow(&tcp(OUT, FAR, 0)).expect("a flow");
            assert_eq!(
                (state_of(&flow), seconds_left(&node, &flow)),
                (*state, *seconds),
                "{what}: step {step}, container opens: {container_opens}"
            );
            node.wait(1);
        }
        node.check();
    }
}

#[test]
fn tcp_connections() {
    use State::{Close, Established, FinWait, SynRecv, SynSent, TimeWait};
    let handshake: [Step; 3] =
        [(true, SYN, SynSent, 120), (false, SYN | ACK, SynRecv, 60), (true, ACK, Established, ESTABLISHED)];
    let cases: &[(&str, &[Step])] = &[
        ("handshake", &handshake),
        ("SYN again and again", &[(true, SYN, SynSent, 120), (true, SYN, SynSent, 120)]),
        (
            "data both ways",
            &[
                handshake[0],
                handshake[1],
                handshake[2],
                (true, ACK, Established, ESTABLISHED),
                (false, ACK, Established, ESTABLISHED),
            ],
        ),
        (
            "the opener closes",
            &[
                handshake[0],
                handshake[1],
                handshake[2],
                (true, FIN | ACK, FinWait, 120),
                (false, ACK, FinWait, 120),
                (false, FIN | ACK, TimeWait, 120),
                (true, ACK, TimeWait, 120),
            ],
        ),
        (
            "the responder closes",
            &[
                handshake[0],
                handshake[1],
                handshake[2],
                (false, FIN | ACK, FinWait, 120),
                (true, ACK, FinWait, 120),
                (true, FIN | ACK, TimeWait, 120),
                (false, ACK, TimeWait, 120),
            ],
        ),
        (
            "half closed, with data",
            &[
                handshake[0],
                handshake[1],
                handshake[2],
                (true, FIN | ACK, FinWait, 120),
                (false, ACK, FinWait, 120),
                (false, ACK, FinWait, 120),
                (true, FIN | ACK, FinWait, 120),
            ],
        ),
        ("refused", &[(true, SYN, SynSent, 120), (false, RST | ACK, Close, 10)]),
        ("reset by the opener", &[handshake[0], handshake[1], handshake[2], (true, RST, Close, 10)]),
        ("reset by the responder", &[handshake[0], handshake[1], handshake[2], (false, RST, Close, 10)]),
        (
            "after a reset",
            &[
                handshake[0],
                handshake[1],
                handshake[2],
                (false, RST, Close, 10),
                (true, ACK, Close, 10),
                (false, SYN | ACK, Close, 10),
            ],
        ),
        (
            "again after a reset",
            &[handshake[0], (false, RST | ACK, Close, 10), handshake[0], handshake[1], handshake[2]],
        ),
        (
            "again out of TIME_WAIT",
            &[
                handshake[0],
                handshake[1],
                handshake[2],
                (true, FIN | ACK, FinWait, 120),
                (false, FIN | ACK, TimeWait, 120),
                handshake[0],
                handshake[1],
                handshake[2],
                (true, FIN | ACK, FinWait, 120),
            ],
        ),
        (
            "opened by both at once",
            &[
                (true, SYN, SynSent, 120),
                (false, SYN, SynRecv, 60),
                (true, SYN | ACK, SynRecv, 60),
                (false, ACK, Established, ESTABLISHED),
            ],
        ),
    ];
    for (what, steps) in cases {
        run(what, steps);
    }
}

/// A connection that is older than the table: nf_conntrack believes it, but for 300 seconds only until the other side
/// has spoken too. Else every stray or forged segment would hold an entry for five days.
#[test]
fn tcp_in_mid_stream() {
    use State::{Close, Established, SynRecv};
    run(
        "an ACK",
        &[
            (true, ACK, Established, 300),
            (true, ACK, Established, 300),
            (false, ACK, Established, ESTABLISHED),
            (true, ACK, Established, ESTABLISHED),
        ],
    );
    run("a SYN/ACK", &[(true, SYN | ACK, SynRecv, 60), (false, ACK, Established, ESTABLISHED)]);
    run(
        "a SYN and an ACK, never answered",
        &[(true, SYN, State::SynSent, 120), (true, ACK, Established, 300)],
    );
    run("a RST", &[(true, RST, Close, 10)]);
    run("a RST/ACK", &[(true, RST | ACK, Close, 10)]);
}

#[test]
fn other_protocols() {
    let cases = [
        ("UDP", udp(OUT, FAR), udp(FAR, OUT), 30, 120),
        ("UDP-Lite", ported(UDPLITE, OUT, FAR), ported(UDPLITE, FAR, OUT), 30, 120),
        ("SCTP", ported(SCTP, OUT, FAR), ported(SCTP, FAR, OUT), 600, 600),
        ("echo", ping(L4, R4, 5), pong(R4, L4, 5), 30, 30),
        ("echo of IPv6", ping(L6, R6, 5), pong(R6, L6, 5), 30, 30),
        ("GRE", gre(L4, R4, Some(5)), gre(R4, L4, Some(5)), 30, 180),
        ("ESP", ip(L4, R4, ESP, &[0; 8]), ip(R4, L4, ESP, &[0; 8]), 600, 600),
    ];
    for (what, there, back, unreplied, replied) in cases {
        let node = Node::new();
        let expect = |state, seconds| {
            let flow = node.flow(&there).unwrap();
            assert_eq!((state_of(&flow), seconds_left(&node, &flow)), (state, seconds), "{what}");
            flow.flags & Flow::REPLIED != 0
        };
        node.send(A, &there);
        assert!(!expect(State::Unreplied, unreplied));
        node.wait(1);
        node.send(A, &there);
        assert!(!expect(State::Unreplied, unreplied));
        node.wait(1);
        assert_eq!(node.owner(&back), (A, Way::Flow));
        assert!(expect(State::Replied, replied));
        node.wait(1);
        node.send(A, &there);
        assert!(expect(State::Replied, replied));
    }
}

#[test]
fn states_by_number() {
    let states = [
        (State::Unreplied, "UNREPLIED"),
        (State::Replied, "REPLIED"),
        (State::SynSent, "SYN_SENT"),
        (State::SynRecv, "SYN_RECV"),
        (State::Established, "ESTABLISHED"),
        (State::FinWait, "FIN_WAIT"),
        (State::TimeWait, "TIME_WAIT"),
        (State::Close, "CLOSE"),
    ];
    for (number, (state, name)) in (0_u8..).zip(states) {
        assert_eq!((State::from_number(number), state as u8, state.name()), (state, number, name));
    }
    assert_eq!(State::from_number(8), State::Close);
    assert_eq!(State::from_number(255), State::Close);
}

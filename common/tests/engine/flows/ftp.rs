//! Connections that a control connection of FTP announces.

use berth_common::{
    abi::{
        container::Mode,
        flow::State,
        reason::Reason,
        units::{ContainerId, Zone},
    },
    engine::Way,
    wire::tcp::{ACK, RST, SYN},
};

use crate::support::{A, HOST, L4, Node, S, T, data, segment};

const CLIENT: &str = "198.51.100.7:5000";
const SERVER: &str = "192.0.2.1:21";
const SERVER_PORT: &str = "192.0.2.1:1025";
const ENTERING: &[u8] = b"227 Entering Passive Mode (192,0,2,1,4,1).\r\n";

/// Whose packets are looked at, and where.
#[derive(Clone, Copy)]
enum At {
    Interface(ContainerId),
    Uplink(ContainerId),
}

/// A control connection to a server of a container's.
struct Control<'a> {
    node: &'a Node,
    at: At,
    sequences: [u32; 2],
}

impl<'a> Control<'a> {
    fn open(node: &'a Node, at: At) -> Self {
        let control = Self { node, at, sequences: [1_001, 5_001] };
        control.pass(true, &segment(CLIENT, SERVER, SYN, 1_000, 0));
        control.pass(false, &segment(SERVER, CLIENT, SYN | ACK, 5_000, 1_001));
        control.pass(true, &segment(CLIENT, SERVER, ACK, 1_001, 5_001));
        control
    }

    fn pass(&self, inward: bool, packet: &[u8]) {
        let reason = match self.at {
            At::Interface(id) => self.node.on_interface(id, inward, packet),
            At::Uplink(_) if inward => self.node.arrive(packet).reason,
            At::Uplink(id) => self.node.send(id, packet),
        };
        assert_eq!(reason, Reason::None);
    }

    fn client(&mut self, line: &[u8]) {
        let [client, server] = self.sequences;
        self.pass(true, &data(CLIENT, SERVER, client, server, line));
        self.sequences[0] += u32::try_from(line.len()).unwrap();
    }

    fn server(&mut self, line: &[u8]) {
        let [client, server] = self.sequences;
        self.pass(false, &data(SERVER, CLIENT, server, client, line));
        self.sequences[1] += u32::try_from(line.len()).unwrap();
    }

    fn zone(&self) -> Zone {
        match self.at {
            At::Interface(id) => Zone::of(id),
            At::Uplink(_) => Zone::UPLINK,
        }
    }

    /// Whether rules take the first packet of a connection, and then its flow, for related.
    fn is_related(&self, inward: bool, source: &str, destination: &str) -> bool {
        let packet = segment(source, destination, SYN, 1, 0);
        self.pass(inward, &packet);
        let flow = self.node.flow_in(self.zone(), &packet).expect("a flow");
        self.pass(!inward, &segment(destination, source, RST | ACK, 0, 2));
        flow.state.has(State::EXPECTED)
    }
}

/// A node whose containers S and T listen in on FTP.
fn node() -> Node {
    let node = Node::new();
    for id in [S, T] {
        node.helper_ftp(id, true);
    }
    node
}

#[test]
fn what_is_announced_is_related() {
    for at in [At::Interface(S), At::Uplink(S)] {
        let node = node();
        node.reserve(S, 6, SERVER).unwrap();
        node.reserve(S, 6, SERVER_PORT).unwrap();
        let mut control = Control::open(&node, at);
        control.server(b"220 ready\r\n");
        control.client(b"PASV\r\n");
        assert!(!control.is_related(true, "198.51.100.7:6000", SERVER_PORT), "not announced yet");
        control.server(ENTERING);
        assert!(!control.is_related(true, "198.51.100.8:6001", SERVER_PORT), "from somebody else");
        assert!(control.is_related(true, "198.51.100.7:6001", SERVER_PORT));
        assert!(!control.is_related(true, "198.51.100.7:6002", SERVER_PORT), "one is announced");

        control.client(b"PORT 198,51,100,7,4,2\r\n");
        assert!(!control.is_related(false, "192.0.2.1:20", "198.51.100.7:1027"), "another port");
        assert!(control.is_related(false, "192.0.2.1:20", "198.51.100.7:1026"));
        control.client(b"EPRT |1|198.51.100.7|1030|\r\n");
        assert!(control.is_related(false, "192.0.2.1:2000", "198.51.100.7:1030"));
        control.server(b"229 Entering Extended Passive Mode (|||1025|)\r\n");
        assert!(control.is_related(true, "198.51.100.7:6003", SERVER_PORT));
        node.check();
    }
}

#[test]
fn only_lines_are_listened_to() {
    let node = node();
    let mut control = Control::open(&node, At::Interface(S));
    control.server(ENTERING);
    assert!(!control.is_related(true, "198.51.100.7:6000", SERVER_PORT), "where no line is known to begin");
    // What the server repeats of what the client has said, in a segment of its own.
    control.server(b"550 ");
    control.server(ENTERING);
    assert!(!control.is_related(true, "198.51.100.7:6001", SERVER_PORT), "in the middle of a line");
    control.server(ENTERING);
    assert!(control.is_related(true, "198.51.100.7:6002", SERVER_PORT));
    // Sent again.
    let [client, server] = control.sequences;
    let length = u32::try_from(ENTERING.len()).unwrap();
    control.pass(false, &data(SERVER, CLIENT, server - length, client, ENTERING));
    assert!(control.is_related(true, "198.51.100.7:6003", SERVER_PORT));
    // Out of the window: none of the connection's.
    control.pass(false, &data(SERVER, CLIENT, server + (1 << 30), client, b"\r\n"));
    control.pass(false, &data(SERVER, CLIENT, server + (1 << 30) + 2, client, ENTERING));
    assert!(!control.is_related(true, "198.51.100.7:6004", SERVER_PORT));
}

#[test]
fn nobody_is_listened_to_who_has_not_asked() {
    let node = node();
    node.helper_ftp(S, false);
    let mut control = Control::open(&node, At::Interface(S));
    control.server(b"220 ready\r\n");
    control.server(ENTERING);
    assert!(!control.is_related(true, "198.51.100.7:6000", SERVER_PORT));
    // From the next connection on.
    node.helper_ftp(S, true);
    control.server(ENTERING);
    assert!(!control.is_related(true, "198.51.100.7:6001", SERVER_PORT));
    assert_eq!(node.flows_held(S), 3, "nothing is awaited");
}

#[test]
fn what_is_awaited_is_a_flow_that_ends() {
    let node = node();
    let mut control = Control::open(&node, At::Interface(S));
    control.server(b"220 ready\r\n");
    let held = node.flows_held(S);
    control.server(ENTERING);
    assert_eq!(node.flows_held(S), held + 1);
    control.server(ENTERING);
    assert_eq!(node.flows_held(S), held + 1, "announced again");
    let awaited = || {
        let flows = node.tables.flows();
        flows.into_iter().filter(|(key, flow)| key.protocol().0 == 255 && flow.expires > node.now()).count()
    };
    assert_eq!(awaited(), 1);
    // Another port: the former is given up.
    control.server(b"227 (192,0,2,1,4,2)\r\n");
    assert_eq!(awaited(), 1);
    assert!(!control.is_related(true, "198.51.100.7:6000", SERVER_PORT));
    node.wait(299);
    assert_eq!(awaited(), 1);
    node.wait(2);
    assert_eq!(awaited(), 0);
    assert!(!control.is_related(true, "198.51.100.7:6001", "192.0.2.1:1026"));
    node.check();
}

/// What is awaited goes with the control connection.
#[test]
fn without_its_control_connection_nothing_is_awaited() {
    let node = node();
    let mut control = Control::open(&node, At::Interface(S));
    control.server(b"220 ready\r\n");
    control.server(ENTERING);
    let [client, server] = control.sequences;
    control.pass(true, &segment(CLIENT, SERVER, RST | ACK, client, server));
    node.wait(11);
    assert!(!control.is_related(true, "198.51.100.7:6000", SERVER_PORT), "it is gone");
    // Another one between the same ends, which has announced nothing.
    let control = Control::open(&node, At::Interface(S));
    assert!(!control.is_related(true, "198.51.100.7:6001", SERVER_PORT), "another is there");
}

/// A server tells two clients at one address the same port: whoever asked last has it.
#[test]
fn another_control_connection_may_announce_the_same() {
    let node = node();
    let mut first = Control::open(&node, At::Interface(S));
    first.server(b"220 ready\r\n");
    first.server(ENTERING);
    let other = "198.51.100.7:5001";
    for (inward, packet) in [
        (true, segment(other, SERVER, SYN, 1_000, 0)),
        (false, segment(SERVER, other, SYN | ACK, 5_000, 1_001)),
        (true, segment(other, SERVER, ACK, 1_001, 5_001)),
        (false, data(SERVER, other, 5_001, 1_001, b"220 ready\r\n")),
        (false, data(SERVER, other, 5_012, 1_001, ENTERING)),
    ] {
        first.pass(inward, &packet);
    }
    // The first one announces something else, which leaves the other's alone.
    first.server(b"227 (192,0,2,1,4,2)\r\n");
    assert!(first.is_related(true, "198.51.100.7:6001", SERVER_PORT));
    assert!(first.is_related(true, "198.51.100.7:6002", "192.0.2.1:1026"));
}

/// Two who share an address may speak to one server, which may tell both the same port.
#[test]
fn two_containers_await_the_same() {
    let node = node();
    let far = "198.51.100.7:21";
    for (id, here) in [(S, "192.0.2.1:4000"), (T, "192.0.2.1:4001")] {
        assert_eq!(node.send(id, &segment(here, far, SYN, 1_000, 0)), Reason::None);
        for packet in [
            segment(far, here, SYN | ACK, 5_000, 1_001),
            data(far, here, 5_001, 1_001, b"220 ready\r\n"),
            data(far, here, 5_012, 1_001, b"227 (198,51,100,7,4,1)\r\n"),
        ] {
            assert_eq!(node.owner(&packet), (id, Way::Flow));
        }
    }
    for (id, here) in [(S, "192.0.2.1:4002"), (T, "192.0.2.1:4003")] {
        let packet = segment(here, "198.51.100.7:1025", SYN, 1, 0);
        assert_eq!(node.send(id, &packet), Reason::None);
        assert!(node.flow(&packet).expect("a flow").state.has(State::EXPECTED), "{id:?}");
    }
}

#[test]
fn one_is_awaited_whoever_announces_it() {
    let node = node();
    let mut control = Control::open(&node, At::Interface(S));
    control.server(b"220 ready\r\n");
    control.client(b"PASV\r\n");
    control.client(b"PORT 198,51,100,7,4,7\r\n");
    control.server(b"229 Entering Extended Passive Mode (|||1025|)\r\n");
    assert!(!control.is_related(false, "192.0.2.1:20", "198.51.100.7:1031"));
    assert!(control.is_related(true, "198.51.100.7:6002", SERVER_PORT));
}

#[test]
fn one_container_announces_nothing_for_another() {
    let node = node();
    node.reserve(S, 6, SERVER).unwrap();
    // The port is T's, whose address is the same.
    node.reserve(T, 6, SERVER_PORT).unwrap();
    let mut control = Control::open(&node, At::Uplink(S));
    control.server(b"220 ready\r\n");
    control.server(ENTERING);
    let packet = segment("198.51.100.7:6000", SERVER_PORT, SYN, 1, 0);
    assert_eq!(node.owner(&packet), (T, Way::Port));
    assert!(!node.flow(&packet).expect("a flow").state.has(State::EXPECTED));
}

#[test]
fn on_lo_both_ends_must_be_parties() {
    let node = node();
    node.container(A, Mode::Stateful, 100, 100);
    let local = |port: u16| format!("{L4}:{port}");
    // The second is T's, the third the server's own, the fourth the host's, the last the client's.
    for (id, port) in [(S, 21), (T, 1_025), (S, 1_026), (HOST, 1_027), (A, 1_028)] {
        if id != HOST {
            node.reserve(id, 6, &local(port)).unwrap();
        }
        node.socket(id, 6, &local(port));
    }
    let (client, server) = (local(5_000), local(21));
    let pass = |sender: ContainerId, packet: &[u8]| assert_eq!(node.send_local(sender, packet), Reason::None);
    pass(A, &segment(&client, &server, SYN, 1_000, 0));
    pass(S, &segment(&server, &client, SYN | ACK, 5_000, 1_001));
    pass(A, &segment(&client, &server, ACK, 1_001, 5_001));
    pass(S, &data(&server, &client, 5_001, 1_001, b"220 ready\r\n"));
    let mut sequence = 5_012;
    // The port that the server announces, and whether the client's connection to it is expected then.
    for (low, expected) in [(1, false), (2, true), (3, false), (4, false)] {
        let line = format!("227 (192,0,2,1,4,{low})\r\n");
        pass(S, &data(&server, &client, sequence, 1_001, line.as_bytes()));
        sequence += u32::try_from(line.len()).unwrap();
        let packet = segment(&local(7_000), &local(1_024 + low), SYN, 1, 0);
        pass(A, &packet);
        let flow = node.flow_in(Zone::LOCAL, &packet).expect("a flow");
        assert_eq!(flow.state.has(State::EXPECTED), expected, "{low}");
    }
    // What the client announces is for the server to connect to, not for itself.
    pass(A, &data(&client, &server, 1_001, sequence, b"USER a\r\n"));
    pass(A, &data(&client, &server, 1_009, sequence, b"PORT 192,0,2,1,4,4\r\n"));
    for (sender, port, expected) in [(A, 7_001, false), (S, 7_002, true)] {
        let packet = segment(&local(port), &local(1_028), SYN, 1, 0);
        pass(sender, &packet);
        let flow = node.flow_in(Zone::LOCAL, &packet).expect("a flow");
        assert_eq!(flow.state.has(State::EXPECTED), expected, "{sender:?}");
    }
}

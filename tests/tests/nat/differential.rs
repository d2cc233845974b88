//! What becomes of connections through berth is what becomes of them through the kernel's own translation.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use berth_tests::cases;
use berth_tests::exchange::{pings, stream};
use berth_tests::process::ok;
use berth_tests::sockets::{accept, icmp, timed};
use berth_tests::topology::{REMOTE2_V4, REMOTE2_V6, UPLINK, at};
use berth_tests::{Bridge, Endpoint as _, Guest, Host, Sockets as _, Topology, privileged};

use crate::{INSIDE, NODE, Net, OUTSIDE, REMOTE, THERE, routes};

const CASES: usize = 60;
/// As many have some of each kind.
const LEAST: usize = 20;
const SECOND: [IpAddr; 2] = [REMOTE2_V4, REMOTE2_V6];
/// For what is not going to come.
const SHORT: Duration = Duration::from_millis(300);

/// What is tried.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// The guest connects to the remote host, where somebody listens or not.
    Out { udp: bool, family: usize, second: bool, open: bool, size: usize },
    /// The remote host connects to the node, at a port that is published or not, where somebody listens inside or not.
    In { udp: bool, family: usize, published: bool, open: bool, size: usize },
    /// The guest pings.
    Ping { family: usize, second: bool, id: u16 },
}

/// What comes of it: whom the server has seen, and what the client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Served { seen: IpAddr },
    Failed(String),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// A small generator (xorshift, Marsaglia 2003), so that both sides try the same.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn act(&mut self) -> Act {
        let family = usize::from(self.coin());
        let size = [1, 100, 1_400, 4_000, 100_000][usize::try_from(self.below(5)).unwrap_or(0)];
        match self.below(5) {
            0 | 1 => {
                Act::Out { udp: self.coin(), family, second: self.coin(), open: self.below(3) > 0, size }
            }
            2 | 3 => Act::In {
                udp: self.coin(),
                family,
                published: self.below(4) > 0,
                open: self.below(3) > 0,
                size,
            },
            _ => Act::Ping { family, second: self.coin(), id: u16::try_from(self.below(8)).unwrap_or(0) },
        }
    }
}

/// One of the two worlds.
struct World<'a> {
    guest: &'a Guest,
    remote: &'a Host,
}

impl World<'_> {
    fn act(&self, act: Act) -> Result<Outcome> {
        match act {
            Act::Out { udp, family, second, open, size } => {
                let there = if second { SECOND[family] } else { REMOTE[family] };
                let server = open.then_some((self.remote, at(there, THERE)));
                Ok(converse((&self.guest.host, at(there, THERE)), server, udp, size))
            }
            Act::In { udp, family, published, open, size } => {
                let inside = at(self.guest.addresses[family], INSIDE);
                let outside = at(NODE[family], if published { OUTSIDE } else { OUTSIDE + 1 });
                let server = open.then_some((&self.guest.host, inside));
                Ok(converse((self.remote, outside), server, udp, size))
            }
            Act::Ping { family, second, id } => {
                let there = if second { SECOND[family] } else { REMOTE[family] };
                let socket = self.guest.host.raw(there, icmp(there))?;
                let result = pings(&socket, (self.guest.addresses[family], there), id, 2);
                Ok(match result {
                    Ok(()) => Outcome::Served { seen: there },
                    Err(error) => Outcome::Failed(format!("{error:#}")),
                })
            }
        }
    }
}

fn converse(
    (client, to): (&Host, SocketAddr),
    server: Option<(&Host, SocketAddr)>,
    udp: bool,
    size: usize,
) -> Outcome {
    let outcome =
        if udp { by_udp(client, to, server, size.min(4_000)) } else { by_tcp(client, to, server, size) };
    outcome.unwrap_or_else(|error| Outcome::Failed(format!("{:?}", kind(&error))))
}

/// However long it is waited.
fn kind(error: &io::Error) -> ErrorKind {
    match error.kind() {
        ErrorKind::WouldBlock => ErrorKind::TimedOut,
        kind => kind,
    }
}

fn by_udp(
    client: &Host,
    to: SocketAddr,
    server: Option<(&Host, SocketAddr)>,
    size: usize,
) -> io::Result<Outcome> {
    let server = server.map(|(host, at)| host.udp_bind(at)).transpose()?;
    let socket = client.udp_connect(to)?;
    socket.set_read_timeout(Some(SHORT))?;
    let (sent, mut buffer) = (vec![7; size], vec![0; size + 1]);
    socket.send(&sent)?;
    let Some(server) = server else {
        socket.recv(&mut buffer)?;
        return Err(io::Error::other("an answer from nobody"));
    };
    server.set_read_timeout(Some(SHORT))?;
    let (length, seen) = server.recv_from(&mut buffer)?;
    server.send_to(&buffer[..length], seen)?;
    let length = socket.recv(&mut buffer)?;
    if buffer[..length] == sent {
        Ok(Outcome::Served { seen: seen.ip() })
    } else {
        Err(io::Error::other("other bytes"))
    }
}

fn by_tcp(
    client: &Host,
    to: SocketAddr,
    server: Option<(&Host, SocketAddr)>,
    size: usize,
) -> io::Result<Outcome> {
    let listener = server.map(|(host, at)| host.tcp_listen(at)).transpose()?;
    let socket = timed(client.tcp(to.ip())?)?;
    socket.connect_timeout(&to.into(), SHORT)?;
    let Some(listener) = listener else { return Err(io::Error::other("a connection with nobody")) };
    let (stream_there, seen) = accept(&listener)?;
    std::thread::scope(|scope| {
        let serving = scope.spawn(move || io::copy(&mut &stream_there, &mut &stream_there));
        stream(&socket.into(), size).map_err(io::Error::other)?;
        serving.join().map_err(|_| io::Error::other("the server failed"))?
    })?;
    Ok(Outcome::Served { seen: seen.ip() })
}

/// The same by the kernel's own means.
struct Netfilter {
    guest: Guest,
    topology: Topology,
    _bridge: Bridge,
}

impl Netfilter {
    fn new() -> Result<Self> {
        let topology = Topology::builder().with_known_neighbours().build()?;
        routes(&topology.node)?;
        let bridge = Bridge::create(&topology.node, 77)?;
        let guest = bridge.guest(2)?;
        for (program, address) in [("iptables", guest.addresses[0]), ("ip6tables", guest.addresses[1])] {
            let inside = at(address, INSIDE);
            let mut rules = vec![format!("-A POSTROUTING -o {UPLINK} -s {address} -j MASQUERADE")];
            for protocol in ["tcp", "udp"] {
                rules.push(format!(
                    "-A PREROUTING -i {UPLINK} -p {protocol} --dport {OUTSIDE} -j DNAT --to-destination {inside}"
                ));
            }
            for rule in rules {
                ok(topology.node.command(program)?.args(["-w", "-t", "nat"]).args(rule.split(' ')))?;
            }
        }
        Ok(Self { guest, topology, _bridge: bridge })
    }
}

#[test]
fn connections_meet_the_same_fate() -> Result<()> {
    privileged!();
    let netfilter = Netfilter::new()?;
    let net = Net::published()?;
    net.berth.ok(["container", "set", "c", "--masquerade", "yes"])?;
    let worlds = [
        World { guest: &netfilter.guest, remote: &netfilter.topology.remote },
        World { guest: &net.c, remote: net.remote() },
    ];
    let mut random = Random(cases::seed()?.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mut served = 0;
    for _ in 0..cases::number(CASES, LEAST)? {
        let act = random.act();
        let [kernel, berth] = worlds.each_ref().map(|world| world.act(act));
        let (kernel, berth) = (kernel?, berth?);
        assert_eq!(berth, kernel, "{act}: berth, and then netfilter");
        served += usize::from(matches!(kernel, Outcome::Served { .. }));
    }
    assert!(served > 0, "nothing was ever served");
    let drops = net.berth.container("c")?.plane.drops;
    assert!(drops.is_empty(), "{drops:?}");
    Ok(())
}

//! How long a container's packets take while another one is flooded: with berth on the node, beside a node without it where a
//! program that does nothing else drops the same flood, and one where nothing does.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::report::{Case, Hook, Ratio, Report};
use super::samples::Samples;
use crate::bpf::asm::{Reg, copy, exit, load_packet_u16, set, skip_unless_equal};
use crate::bpf::sys;
use crate::flood::{outward, syns};
use crate::sockets::accept;
use crate::topology::{REMOTE_V4, UPLINK, at};
use crate::{Direction, Endpoint as _, Host, SharedNode, Sockets as _, Topology, in_netns, link};

const SERVICE: u16 = 8_080;
const FLOODED: u16 = 8_081;
/// What B may have, as in the test of the same.
const QUOTA: u32 = 10_000;
/// Slots of a table that is always full.
const FEW: u32 = 4_096;
const ROUND_TRIPS: usize = 5_000;
/// Before anything is measured.
const FLOOD: u64 = 20_000;

const SHOT: i32 = 2;
const NEXT: i32 = -1;

/// What A lives beside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flood {
    None,
    /// SYNs for B from all over the world.
    In,
    /// Datagrams of B's to ever other ends.
    Out,
}

impl Flood {
    /// Where in a frame which two bytes tell it from what A sends and gets: the destination port, and TTL and protocol.
    fn mark(self) -> (i32, i32) {
        match self {
            Self::In | Self::None => (36, FLOODED.into()),
            Self::Out => (22, 64 << 8 | libc::IPPROTO_UDP),
        }
    }
}

/// How to measure.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value = "21")]
    rounds: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the flood meets.
enum Node {
    Nothing(Topology),
    Dropping { topology: Topology, _attached: [OwnedFd; 2] },
    Berth(Box<SharedNode>),
}

impl Node {
    fn topology(&self) -> &Topology {
        match self {
            Self::Nothing(topology) | Self::Dropping { topology, .. } => topology,
            Self::Berth(node) => &node.topology,
        }
    }

    /// A's connection to the remote host, A's end first.
    fn connection(&self) -> Result<(TcpStream, TcpStream)> {
        let listener = self.topology().remote.tcp_listen(at(REMOTE_V4, SERVICE))?;
        let near = match self {
            Self::Nothing(topology) | Self::Dropping { topology, .. } => {
                topology.node.tcp_connect(at(REMOTE_V4, SERVICE))?
            }
            Self::Berth(node) => node.a.tcp_connect(at(REMOTE_V4, SERVICE))?,
        };
        let there = accept(&listener)?.0;
        for end in [&near, &there] {
            end.set_nodelay(true)?;
        }
        Ok((near, there))
    }

    /// Runs until it is told to stop.
    fn flood(&self, flood: Flood, stop: &AtomicBool, sent: &AtomicU64) -> Result<()> {
        match (flood, self) {
            (Flood::None, _) => Ok(()),
            (Flood::In, _) => syns(self.topology(), FLOODED, stop, sent),
            (Flood::Out, Self::Berth(node)) => outward(&node.b, stop, sent),
            (Flood::Out, _) => outward(&self.topology().node, stop, sent),
        }
    }

    /// Median and 99th percentile of A's round trips, in nanoseconds.
    fn measure(&self, flood: Flood, (near, there): &(TcpStream, TcpStream)) -> Result<[f64; 2]> {
        let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
        let mut times = thread::scope(|scope| -> Result<Vec<f64>> {
            let flooding = scope.spawn(|| self.flood(flood, &stop, &sent));
            let echoing = scope.spawn(|| echo(there));
            let result = (|| {
                while flood != Flood::None && sent.load(Ordering::Relaxed) < FLOOD {
                    ensure!(!flooding.is_finished(), "the flood has ended early");
                }
                round_trips(near)
            })();
            stop.store(true, Ordering::Relaxed);
            flooding.join().expect("the flood")?;
            echoing.join().expect("the other end")?;
            result
        })?;
        times.sort_by(f64::total_cmp);
        let part = |hundredths: usize| times.get(times.len() * hundredths / 100).copied().context("no times");
        Ok([part(50)?, part(99)?])
    }
}

fn round_trips(mut end: &TcpStream) -> Result<Vec<f64>> {
    (0..ROUND_TRIPS)
        .map(|_| {
            let begun = Instant::now();
            end.write_all(b"x")?;
            end.read_exact(&mut [0])?;
            Ok(begun.elapsed().as_secs_f64() * 1e9)
        })
        .collect()
}

fn echo(mut end: &TcpStream) -> Result<()> {
    let mut byte = [0];
    for _ in 0..ROUND_TRIPS {
        end.read_exact(&mut byte)?;
        end.write_all(&byte)?;
    }
    Ok(())
}

fn with_berth(sizes: &str) -> Result<Node> {
    let node = SharedNode::configured(&format!("[defaults]\nmode = 'stateful'\n{sizes}"))?;
    node.berth.ok(["container", "set", "b", "--max-flows", &QUOTA.to_string()])?;
    node.berth.ok(["ports", "reserve", "b", &format!("tcp/{FLOODED}")])?;
    Ok(Node::Berth(Box::new(node)))
}

fn with_programs() -> Result<Node> {
    let topology = Topology::builder().with_known_neighbours().build()?;
    let drops = |flood: Flood, direction: Direction| -> Result<OwnedFd> {
        let (place, value) = flood.mark();
        let program = [
            copy(Reg::R6, Reg::R1),
            load_packet_u16(place),
            skip_unless_equal(Reg::R0, value, 2),
            set(Reg::R0, SHOT),
            exit(),
            set(Reg::R0, NEXT),
            exit(),
        ];
        let program = sys::load_classifier("bench_drop", &program)?;
        let host: &Host = &topology.node;
        let index = link::index(host.netns(), UPLINK)?;
        let attach = || sys::create_link(program.as_fd(), index, direction.tcx(), 0);
        in_netns(host.netns(), attach)?.context("attach to an interface, which takes Linux 6.6")
    };
    let attached = [drops(Flood::In, Direction::Ingress)?, drops(Flood::Out, Direction::Egress)?];
    Ok(Node::Dropping { topology, _attached: attached })
}

/// What is measured in each round, and in which of [`nodes`].
const RUNS: [(usize, Flood, [&str; 2]); 10] = [
    (0, Flood::None, ["no flood, no berth: median", "no flood, no berth: 99th percentile"]),
    (2, Flood::None, ["no flood, berth: median", "no flood, berth: 99th percentile"]),
    (0, Flood::In, ["in, answered by the stack: median", "in, answered by the stack: 99th percentile"]),
    (1, Flood::In, ["in, dropped by a program: median", "in, dropped by a program: 99th percentile"]),
    (2, Flood::In, ["in, berth: median", "in, berth: 99th percentile"]),
    (3, Flood::In, ["in, berth with a full table: median", "in, berth with a full table: 99th percentile"]),
    (0, Flood::Out, ["out, sent: median", "out, sent: 99th percentile"]),
    (1, Flood::Out, ["out, dropped by a program: median", "out, dropped by a program: 99th percentile"]),
    (2, Flood::Out, ["out, berth: median", "out, berth: 99th percentile"]),
    (
        3,
        Flood::Out,
        ["out, berth with a full table: median", "out, berth with a full table: 99th percentile"],
    ),
];

/// Which of [`RUNS`] are held against which.
const HELD_AGAINST: [(usize, usize); 4] = [(4, 3), (5, 3), (8, 7), (9, 7)];

fn nodes() -> Result<[Node; 4]> {
    let nothing = Node::Nothing(Topology::builder().with_known_neighbours().build()?);
    Ok([nothing, with_programs()?, with_berth("")?, with_berth(&format!("[sizes]\nflows = {FEW}\n"))?])
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    let nodes = nodes()?;
    let connections = nodes.iter().map(Node::connection).collect::<Result<Vec<_>>>()?;
    let mut samples = RUNS.map(|(.., names)| names.map(|name| (name, Samples::default())));
    let mut ratios = HELD_AGAINST.map(|(run, _)| (RUNS[run].2[0], Samples::default()));
    for round in 0..=options.rounds {
        let measure =
            |(node, flood, _): &(usize, Flood, _)| nodes[*node].measure(*flood, &connections[*node]);
        let taken = RUNS.iter().map(measure).collect::<Result<Vec<[f64; 2]>>>()?;
        // The first round warms up.
        if round == 0 {
            continue;
        }
        for (samples, taken) in samples.iter_mut().flatten().zip(taken.iter().flatten()) {
            samples.1.add(*taken);
        }
        for ((run, other), (_, samples)) in HELD_AGAINST.into_iter().zip(&mut ratios) {
            samples.add(100. * taken[run][0] / taken[other][0]);
        }
    }
    for (node, slots) in [(&nodes[2], QUOTA), (&nodes[3], FEW)] {
        let Node::Berth(node) = node else { continue };
        let (a, b) = (node.berth.container("a")?, node.berth.container("b")?);
        // But for what is A's.
        let most = if slots == FEW { slots - a.flows_guaranteed } else { slots };
        ensure!(b.flows_evicted > FLOOD, "the flood was none: {b:?}");
        ensure!(b.flows.maxheld + 100 > most.into(), "B never had all that it may have: {b:?}");
    }
    let case = |(name, samples): (&'static str, Samples)| {
        Some(Case { hook: Hook::RoundTrip, name, flows: QUOTA, ns: samples.summary()? })
    };
    let cases = samples.into_iter().flatten().filter_map(case).collect();
    let ratio = |(name, samples): (&'static str, Samples)| Some(Ratio { name, percent: samples.summary()? });
    Report::new("A flood", options.rounds, cases)
        .with_ratios("of one where a program drops the same", ratios.into_iter().filter_map(ratio).collect())
        .print(options.json)
}

//! How long a container's packets take while another one is flooded: with berth on the node, beside a node without it where a
//! program that does nothing else drops the same flood, and one where nothing does.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::report::{Case, Hook, Report};
use super::samples::Samples;
use crate::bpf::asm::{Reg, copy, exit, load_packet_u16, set, skip_unless_equal};
use crate::bpf::sys;
use crate::flood::syns;
use crate::sockets::accept;
use crate::topology::{REMOTE_V4, UPLINK, at};
use crate::{Direction, Endpoint as _, Host, SharedNode, Sockets as _, Topology, in_netns, link};

const SERVICE: u16 = 8_080;
const FLOODED: u16 = 8_081;
/// What B may have, as in the test of the same.
const QUOTA: u32 = 10_000;
const ROUND_TRIPS: usize = 5_000;
/// Before anything is measured.
const FLOOD: u64 = 20_000;

const DESTINATION_PORT: i32 = 36;
const SHOT: i32 = 2;
const NEXT: i32 = -1;

/// How to measure.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value = "7")]
    rounds: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the flood meets.
enum Node {
    Nothing(Topology),
    Dropping { topology: Topology, _attached: OwnedFd },
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

    /// Median and 99th percentile of A's round trips, in nanoseconds.
    fn measure(&self, is_flooded: bool) -> Result<[f64; 2]> {
        let (stop, sent) = (AtomicBool::new(!is_flooded), AtomicU64::new(0));
        let (near, there) = self.connection()?;
        let mut times = thread::scope(|scope| -> Result<Vec<f64>> {
            let flood = scope.spawn(|| syns(self.topology(), FLOODED, &stop, &sent));
            scope.spawn(|| echo(&there));
            let result = (|| {
                while is_flooded && sent.load(Ordering::Relaxed) < FLOOD {
                    ensure!(!flood.is_finished(), "the flood has ended early");
                }
                round_trips(&near)
            })();
            stop.store(true, Ordering::Relaxed);
            near.shutdown(std::net::Shutdown::Both)?;
            flood.join().expect("the flood")?;
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

/// Until the other end is closed.
fn echo(mut end: &TcpStream) {
    let mut byte = [0];
    while end.read_exact(&mut byte).is_ok() && end.write_all(&byte).is_ok() {}
}

fn with_berth() -> Result<Node> {
    let node = SharedNode::configured("[defaults]\nmode = 'stateful'\n")?;
    node.berth.ok(["container", "set", "b", "--max-flows", &QUOTA.to_string()])?;
    node.berth.ok(["ports", "reserve", "b", &format!("tcp/{FLOODED}")])?;
    Ok(Node::Berth(Box::new(node)))
}

fn with_a_program() -> Result<Node> {
    let topology = Topology::builder().with_known_neighbours().build()?;
    let program = [
        copy(Reg::R6, Reg::R1),
        load_packet_u16(DESTINATION_PORT),
        skip_unless_equal(Reg::R0, FLOODED.into(), 2),
        set(Reg::R0, SHOT),
        exit(),
        set(Reg::R0, NEXT),
        exit(),
    ];
    let program = sys::load_classifier("bench_drop", &program)?;
    let host: &Host = &topology.node;
    let index = link::index(host.netns(), UPLINK)?;
    let attach = || sys::create_link(program.as_fd(), index, Direction::Ingress.tcx(), 0);
    let attached =
        in_netns(host.netns(), attach)?.context("attach to an interface, which takes Linux 6.6")?;
    Ok(Node::Dropping { topology, _attached: attached })
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    let nothing = Node::Nothing(Topology::builder().with_known_neighbours().build()?);
    let nodes = [nothing, with_a_program()?, with_berth()?];
    let names = [
        ["no flood, no berth: median", "no flood, no berth: 99th percentile"],
        ["no flood, berth: median", "no flood, berth: 99th percentile"],
        ["flood answered by the stack: median", "flood answered by the stack: 99th percentile"],
        ["flood dropped by a program: median", "flood dropped by a program: 99th percentile"],
        ["flood and berth: median", "flood and berth: 99th percentile"],
    ];
    let runs =
        [(&nodes[0], false), (&nodes[2], false), (&nodes[0], true), (&nodes[1], true), (&nodes[2], true)];
    let mut samples = names.map(|names| names.map(|name| (name, Samples::default())));
    for round in 0..=options.rounds {
        for ((node, is_flooded), samples) in runs.iter().zip(&mut samples) {
            let taken = node.measure(*is_flooded)?;
            // The first round warms up.
            if round > 0 {
                for ((_, samples), taken) in samples.iter_mut().zip(taken) {
                    samples.add(taken);
                }
            }
        }
    }
    if let Node::Berth(node) = &nodes[2] {
        let b = node.berth.container("b")?;
        ensure!(b.flows_evicted > FLOOD, "the flood was none: {b:?}");
        ensure!(b.flows.maxheld == u64::from(QUOTA), "B never had all that it may have: {b:?}");
    }
    let case = |(name, samples): (&'static str, Samples)| {
        Some(Case { hook: Hook::RoundTrip, name, flows: QUOTA, ns: samples.summary()? })
    };
    let cases = samples.into_iter().flatten().filter_map(case).collect();
    Report::new("A flood", options.rounds, cases).print(options.json)
}

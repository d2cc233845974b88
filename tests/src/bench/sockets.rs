//! What it costs sockets that have nothing to do with published ports that the node's own connections reach those (`from_node`): its programs are on
//! the root of the hierarchy, so that they run for all sockets of the machine.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::Instant;

use anyhow::Result;

use super::report::{Case, Hook, Ratio, Report};
use super::samples::Samples;
use crate::sockets::accept;
use crate::topology::at;
use crate::wait::uninterrupted;
use crate::{Berth, Bridge, Endpoint as _, Host, Sockets as _, Topology, in_netns, sysctl};

/// How to measure.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value = "11")]
    rounds: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Of one measurement.
const DATAGRAMS: u32 = 50_000;
const CONNECTIONS: u32 = 5_000;
/// Where nothing is published.
const PORT: u16 = 9_999;
/// What is.
const PUBLISHED: &str = "tcp/20000-20999";

const CONFIGURED: [&str; 2] = ["", "[nat]\nfrom_node = true\n"];
/// What is measured, without and with it.
const NAMES: [[&str; 2]; 3] = [
    ["the node: a datagram, sent and received", "the node: a datagram, from_node"],
    ["the node: a connection, begun and accepted", "the node: a connection, from_node"],
    ["another network: a datagram, sent and received", "another network: a datagram, from_node"],
];

/// Sockets of one network, at its loopback.
struct Pair {
    host: Host,
    datagrams: UdpSocket,
    listener: TcpListener,
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    let topology = Topology::new()?;
    sysctl::set(topology.node.netns(), "ipv4/ip_forward", "1")?;
    let guest = Bridge::create(&topology.node, 77)?.guest(2)?;
    let mut berth = Berth::start(&topology)?;
    let add = ["container", "add", "c", "--mode", "full"].map(str::to_owned);
    berth.ok(add.into_iter().chain(guest.options()))?;
    berth.ok(["publish", "add", "c", PUBLISHED])?;
    let (node, other) = (Pair::of(&topology.node)?, Pair::of(&topology.remote)?);
    let mut samples = NAMES.map(|names| names.map(|name| (name, Samples::default())));
    let mut ratios = NAMES.map(|[_, with]| (with, Samples::default()));
    for round in 0..=options.rounds {
        let mut taken = [[0.; 2]; NAMES.len()];
        // Each comes first as often as the other.
        for place in [round % 2, 1 - round % 2] {
            let place = place as usize;
            let config = CONFIGURED[place];
            fs::write(berth.config_file(), config)?;
            berth.restart()?;
            let found = [node.datagrams()?, node.connections()?, other.datagrams()?];
            for (taken, found) in taken.iter_mut().zip(found) {
                taken[place] = found;
            }
        }
        // The first round warms up.
        if round == 0 {
            continue;
        }
        for ((samples, (_, ratio)), taken) in samples.iter_mut().zip(&mut ratios).zip(taken) {
            for ((_, samples), taken) in samples.iter_mut().zip(taken) {
                samples.add(taken);
            }
            ratio.add(100. * taken[1] / taken[0]);
        }
    }
    let case = |(name, samples): (&'static str, Samples)| {
        Some(Case { hook: Hook::Sockets, name, flows: 1, ns: samples.summary()? })
    };
    let ratio = |(name, samples): (&'static str, Samples)| Some(Ratio { name, percent: samples.summary()? });
    Report::new(
        "Published ports from the node",
        options.rounds,
        samples.into_iter().flatten().filter_map(case).collect(),
    )
    .with_ratios("of what it takes without", ratios.into_iter().filter_map(ratio).collect())
    .print(options.json)
}

impl Pair {
    fn of(host: &Host) -> Result<Self> {
        let here = at(Ipv4Addr::LOCALHOST.into(), PORT);
        Ok(Self { host: host.clone(), datagrams: host.udp_bind(here)?, listener: host.tcp_listen(here)? })
    }

    /// Nanoseconds that it takes a socket to send itself a datagram and to receive it, told each time to whom and from whom.
    fn datagrams(&self) -> Result<f64> {
        let to = self.datagrams.local_addr()?;
        let mut buffer = [0; 16];
        let start = Instant::now();
        for _ in 0..DATAGRAMS {
            uninterrupted(|| self.datagrams.send_to(b"0123456789abcdef", to))?;
            uninterrupted(|| self.datagrams.recv_from(&mut buffer))?;
        }
        Ok(each(start, DATAGRAMS))
    }

    /// Nanoseconds that it takes to connect, to accept, and to ask who the other one is; and to reset the connection.
    fn connections(&self) -> Result<f64> {
        let to = self.listener.local_addr()?;
        let start = Instant::now();
        in_netns(self.host.netns(), || -> Result<()> {
            for _ in 0..CONNECTIONS {
                let client = self.host.tcp(to.ip())?;
                client.set_linger(Some(std::time::Duration::ZERO))?;
                client.connect(&to.into())?;
                let (_server, _) = accept(&self.listener)?;
                client.peer_addr()?;
            }
            Ok(())
        })??;
        Ok(each(start, CONNECTIONS))
    }
}

fn each(start: Instant, count: u32) -> f64 {
    start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

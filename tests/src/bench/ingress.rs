//! Packets that arrive at an uplink, by `BPF_PROG_TEST_RUN`.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result, ensure};
use berth_common::abi::units::ContainerId;

use super::report::{Case, Hook};
use super::samples::Samples;
use super::turnstile::{Target, Turnstile};
use super::world::{PLAIN, PLAIN_PORT, TRACKED, TRACKED_PORT, World};
use crate::frame::{Packet, ethernet_ip};
use crate::netns::Netns;
use crate::topology::{NODE_MAC, NODE_V4, REMOTE_MAC, at};
use crate::{Host, Sockets, in_netns, name};

const HOST_PORT: u16 = 7003;
const NOBODYS_PORT: u16 = 7004;
/// `lo`, on which the kernel has test runs take place.
const LO: u32 = 1;
/// How many flows the table has room for unless configured otherwise.
const DEFAULT_TABLE: u32 = 1 << 16;
/// Whose last byte the turnstile sets.
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 1, 0));
/// How many runs make one measurement, at least.
const RUNS: u32 = 1 << 18;
/// So many flows are made at a time where the table is to have few.
const FEW: u32 = 1 << 10;

/// The measurements with one number of flows in the table, which has room for little more.
struct Column {
    flows: u32,
    world: World,
    turnstile: Turnstile,
    /// Makes at least [`FEW`] flows.
    opening: Turnstile,
    empty: Samples,
    cases: Vec<(&'static str, Samples)>,
}

/// Measures with each number of flows in the table; they are powers of two.
pub fn measure(numbers: &[u32], rounds: u32) -> Result<Vec<Case>> {
    let netns = Netns::create(&name::unique())?;
    let _socket = Host::new(netns.clone()).udp_bind(at(Ipv4Addr::UNSPECIFIED.into(), HOST_PORT))?;
    let mut columns: Vec<Column> = numbers.iter().map(|&flows| Column::new(flows)).collect::<Result<_>>()?;
    in_netns(&netns, || {
        for round in 0..=rounds {
            for column in &mut columns {
                // The first round warms up.
                column.measure(round > 0)?;
            }
        }
        anyhow::Ok(())
    })??;
    Ok(columns.into_iter().flat_map(Column::cases).collect())
}

impl Column {
    fn new(flows: u32) -> Result<Self> {
        let world = World::load(&["berth_up_in"], flows.max(DEFAULT_TABLE), LO, None)?;
        let program = world.object().program("berth_up_in")?;
        let cases = ["unowned", "host", "flow hit", "port hit", "new flow", "TCP segment"];
        Ok(Self {
            flows,
            turnstile: Turnstile::new(program, flows)?,
            opening: Turnstile::new(program, flows.max(FEW))?,
            empty: Samples::default(),
            cases: cases.map(|name| (name, Samples::default())).into(),
            world,
        })
    }

    /// One round.
    fn measure(&mut self, counts: bool) -> Result<()> {
        let runs = RUNS.max(2 * self.flows);
        let empty = self.turnstile.run(Target::Empty, &datagram(TRACKED_PORT)?, runs)?;
        let opened = self.open()?;
        ensure!(self.world.flows(TRACKED)? == u64::from(self.flows), "the flows are not there");
        let mut taken = vec![
            self.run(&datagram(NOBODYS_PORT)?, ContainerId::UNOWNED, runs)?,
            self.run(&datagram(HOST_PORT)?, ContainerId::HOST, runs)?,
            self.run(&datagram(TRACKED_PORT)?, TRACKED, runs)?,
            self.run(&datagram(PLAIN_PORT)?, PLAIN, runs)?,
            opened,
        ];
        ensure!(
            self.world.flows(TRACKED)? == u64::from(self.flows),
            "a flow was opened that should not have been"
        );
        taken.push(self.segments(runs)?);
        if counts {
            self.empty.add(empty);
            for ((_, samples), taken) in self.cases.iter_mut().zip(taken.drain(..)) {
                samples.add(taken - empty);
            }
        }
        Ok(())
    }

    /// Opens all flows, and some more where they are few; leaves as many as there shall be.
    fn open(&mut self) -> Result<f64> {
        let packet = datagram(TRACKED_PORT)?;
        let at_once = self.flows.max(FEW);
        let times = (RUNS / at_once).clamp(1, 64);
        let mut total = 0.0;
        for _ in 0..times {
            self.world.flush(TRACKED)?;
            total += self.opening.run(Target::Measured, &packet, at_once)?;
            ensure!(self.world.flows(TRACKED)? == u64::from(at_once), "not every packet opened a flow");
        }
        if self.flows < at_once {
            self.world.flush(TRACKED)?;
            self.turnstile.run(Target::Measured, &packet, self.flows)?;
        }
        Ok(total / f64::from(times))
    }

    /// Segments of as many connections, in the place of all flows.
    fn segments(&mut self, runs: u32) -> Result<f64> {
        let packet = segment()?;
        self.world.flush(TRACKED)?;
        self.turnstile.run(Target::Measured, &packet, self.flows)?;
        let taken = self.run(&packet, TRACKED, runs)?;
        ensure!(self.world.flows(TRACKED)? == u64::from(self.flows), "the connections are not there");
        Ok(taken)
    }

    /// Packets of a kind; all of them have to be counted for `owner`.
    fn run(&self, packet: &[u8], owner: ContainerId, runs: u32) -> Result<f64> {
        let before = self.world.packets(owner)?;
        let taken = self.turnstile.run(Target::Measured, packet, runs)?;
        let counted = self.world.packets(owner)? - before;
        ensure!(counted == u64::from(runs), "{counted} of {runs} packets were counted for {owner:?}");
        Ok(taken)
    }

    fn cases(self) -> Vec<Case> {
        let Self { flows, empty, cases, .. } = self;
        let empty = [("empty program", empty)];
        let all = empty.into_iter().chain(cases);
        let case = |(name, samples): (&'static str, Samples)| {
            Some(Case { hook: Hook::UplinkIngress, name, flows, ns: samples.summary()? })
        };
        all.filter_map(case).collect()
    }
}

/// A datagram to one of the node's ports.
pub fn datagram(port: u16) -> Result<Vec<u8>> {
    let packet = Packet::udp(at(SOURCE, 0), at(NODE_V4, port)).payload([0; 18]).build();
    Ok(ethernet_ip(REMOTE_MAC, NODE_MAC, &packet.context("make a packet")?))
}

/// An acknowledgement, which opens a connection in mid-stream.
pub fn segment() -> Result<Vec<u8>> {
    let packet = Packet::tcp(at(SOURCE, 0), at(NODE_V4, TRACKED_PORT), |header| header.ack = true).build();
    Ok(ethernet_ip(REMOTE_MAC, NODE_MAC, &packet.context("make a packet")?))
}

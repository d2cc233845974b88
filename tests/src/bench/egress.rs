//! Packets that leave by an uplink: real ones, sent by real sockets, since a test run has none that could own a packet.
//! The kernel keeps how long each program has run; a program that does nothing runs beside each.

use std::fs;
use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use aya::sys::{Stats, enable_stats};
use berth_common::abi::units::ContainerId;

use super::report::{Case, Hook};
use super::samples::Samples;
use super::world::{PLAIN, PLAIN_PORT, World};
use crate::bpf::asm::{Reg, exit, set};
use crate::bpf::sys;
use crate::sockets::unspecified;
use crate::topology::{NODE_V4, REMOTE_V4, REMOTE2_V4, UPLINK, WIRE, at};
use crate::{Direction, Endpoint, Netns, Sockets, Tenant, Topology, in_netns, link};

const FLOWS: u32 = 1 << 16;
/// How many packets make one measurement.
const PACKETS: u16 = 20_000;
const DESTINATION: u16 = 9;
/// TC's "drop": nothing that is sent here has to arrive.
const SHOT: i32 = 2;

/// Programs at one hook: berth's, and one that does nothing.
struct Place {
    hook: Hook,
    measured: OwnedFd,
    empty: OwnedFd,
    _links: [OwnedFd; 2],
    overhead: Samples,
    cases: Vec<(&'static str, Samples)>,
}

/// How long a program has run, and how often.
#[derive(Clone, Copy)]
struct RunTime {
    nanoseconds: u64,
    runs: u64,
}

/// Measures.
pub fn measure(rounds: u32) -> Result<Vec<Case>> {
    let topology = Topology::builder().with_known_neighbours().build()?;
    let tenant = Tenant::new(&topology.node, "bench")?;
    let node = topology.node.netns();
    let level = u8::try_from(tenant.cgroup().hierarchy_path()?.components().count() - 1)?;
    let cgroup = (tenant.cgroup().id()?, level);
    let uplink = link::index(node, UPLINK)?;
    let mut world = World::load(&["berth_send", "berth_up_out"], FLOWS, uplink, Some(cgroup))?;
    let _silence = drop_everything(topology.remote.netns())?;
    let directory = File::open(tenant.cgroup().path())?;
    let sockets = world.object().program("berth_send")?;
    let tc = world.object().program("berth_up_out")?;
    let mut places = [Place::at_sockets(directory.as_fd(), sockets)?, Place::at_uplink(node, uplink, tc)?];
    let _stats = enable_stats(Stats::RunTime).context("have the kernel measure run times")?;
    for round in 0..=rounds {
        measure_once(&topology, &tenant, &mut world, &mut places, round > 0)?;
    }
    Ok(places.into_iter().flat_map(Place::cases).collect())
}

/// One round.
fn measure_once(
    topology: &Topology,
    tenant: &Tenant,
    world: &mut World,
    places: &mut [Place; 2],
    counts: bool,
) -> Result<()> {
    let [sockets, uplink] = places;
    let same = |socket: UdpSocket| move |_| socket.send_to(&[0; 18], at(REMOTE_V4, DESTINATION));
    let node = &topology.node;

    let host = same(node.udp_bind(unspecified(NODE_V4, 0))?);
    expect(world, ContainerId::HOST, || uplink.measure("host", counts, host))?;

    let reserved = same(tenant.udp_bind(unspecified(NODE_V4, PLAIN_PORT))?);
    expect(world, PLAIN, || Place::measure_both(sockets, uplink, "port hit", counts, reserved))?;
    ensure!(world.flows(PLAIN)? == 0, "a flow was opened that should not have been");

    let connected = same(tenant.udp_bind(unspecified(NODE_V4, 0))?);
    connected(0)?;
    expect(world, PLAIN, || Place::measure_both(sockets, uplink, "flow hit", counts, connected))?;

    world.flush(PLAIN)?;
    let many = tenant.udp_bind(unspecified(NODE_V4, 0))?;
    let many = |number: u16| many.send_to(&[0; 18], at(REMOTE2_V4, 1000 + number));
    // What comes by at the uplink has its flow from the hook before.
    expect(world, PLAIN, || sockets.measure("new flow", counts, many))?;
    ensure!(world.flows(PLAIN)? == u64::from(PACKETS), "not every packet opened a flow");
    world.flush(PLAIN)
}

/// Everything that was sent has to be counted for `owner`.
fn expect(world: &World, owner: ContainerId, send: impl FnOnce() -> Result<()>) -> Result<()> {
    let before = world.packets(owner)?;
    send()?;
    let counted = world.packets(owner)? - before;
    ensure!(counted == u64::from(PACKETS), "{counted} of {PACKETS} packets were counted for {owner:?}");
    Ok(())
}

impl Place {
    fn at_sockets(cgroup: BorrowedFd<'_>, measured: BorrowedFd<'_>) -> Result<Self> {
        let empty = sys::load_cgroup_egress("bench_empty", &[set(Reg::R0, 1), exit()])?;
        let attach = |program| sys::create_link(program, sys::number(cgroup), sys::CGROUP_EGRESS, 0);
        let links = [attach(measured)?, attach(empty.as_fd())?];
        Self::new(Hook::SocketEgress, measured, empty, links)
    }

    fn at_uplink(netns: &Netns, index: u32, measured: BorrowedFd<'_>) -> Result<Self> {
        let empty = sys::load_classifier("bench_empty", &[set(Reg::R0, -1), exit()])?;
        let attach = |program| sys::create_link(program, index, Direction::Egress.tcx(), 0);
        let links = in_netns(netns, || anyhow::Ok([attach(measured)?, attach(empty.as_fd())?]))?;
        let links = links.context("attach to an interface, which takes Linux 6.6")?;
        Self::new(Hook::UplinkEgress, measured, empty, links)
    }

    fn new(hook: Hook, measured: BorrowedFd<'_>, empty: OwnedFd, links: [OwnedFd; 2]) -> Result<Self> {
        let measured = measured.try_clone_to_owned()?;
        Ok(Self { hook, measured, empty, _links: links, overhead: Samples::default(), cases: Vec::new() })
    }

    /// Sends, and takes down what that has cost here.
    fn measure<T>(
        &mut self,
        case: &'static str,
        counts: bool,
        send: impl FnMut(u16) -> std::io::Result<T>,
    ) -> Result<()> {
        let before = self.run_times()?;
        (0..PACKETS).map(send).collect::<Result<Vec<T>, _>>()?;
        self.add(case, before, counts)
    }

    /// As [`Self::measure`], at two places at once.
    fn measure_both<T>(
        one: &mut Self,
        other: &mut Self,
        case: &'static str,
        counts: bool,
        send: impl FnMut(u16) -> std::io::Result<T>,
    ) -> Result<()> {
        let before = other.run_times()?;
        one.measure(case, counts, send)?;
        other.add(case, before, counts)
    }

    fn add(&mut self, case: &'static str, before: [RunTime; 2], counts: bool) -> Result<()> {
        let [measured, empty] = self.run_times()?;
        let (measured, empty) = (measured.since(before[0])?, empty.since(before[1])?);
        if !counts {
            return Ok(());
        }
        self.overhead.add(empty);
        let place = self.cases.iter().position(|(name, _)| *name == case).unwrap_or_else(|| {
            self.cases.push((case, Samples::default()));
            self.cases.len() - 1
        });
        self.cases[place].1.add(measured - empty);
        Ok(())
    }

    fn run_times(&self) -> Result<[RunTime; 2]> {
        Ok([RunTime::of(self.measured.as_fd())?, RunTime::of(self.empty.as_fd())?])
    }

    fn cases(self) -> Vec<Case> {
        let Self { hook, overhead, cases, .. } = self;
        let all = [("empty program", overhead)].into_iter().chain(cases);
        let case = |(name, samples): (&'static str, Samples)| {
            Some(Case { hook, name, flows: 1, ns: samples.summary()? })
        };
        all.filter_map(case).collect()
    }
}

impl RunTime {
    fn of(program: BorrowedFd<'_>) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd()))?;
        let find = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|number| number.trim().parse().ok())
                .with_context(|| format!("no {name} in:\n{text}"))
        };
        Ok(Self { nanoseconds: find("run_time_ns")?, runs: find("run_cnt")? })
    }

    /// Nanoseconds of a run, on average of those since `before`.
    #[allow(clippy::cast_precision_loss, reason = "far below where whole numbers cannot be told apart")]
    fn since(self, before: Self) -> Result<f64> {
        let runs = self.runs - before.runs;
        ensure!(runs == u64::from(PACKETS), "{runs} runs for {PACKETS} packets");
        Ok((self.nanoseconds - before.nanoseconds) as f64 / runs as f64)
    }
}

/// Has the remote host drop what arrives, before it could answer.
fn drop_everything(remote: &Netns) -> Result<OwnedFd> {
    let program = sys::load_classifier("bench_drop", &[set(Reg::R0, SHOT), exit()])?;
    let index = link::index(remote, WIRE)?;
    let attach = || sys::create_link(program.as_fd(), index, Direction::Ingress.tcx(), 0);
    in_netns(remote, attach)?.context("attach to an interface, which takes Linux 6.6")
}

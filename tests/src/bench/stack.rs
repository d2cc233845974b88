//! The same flows through a whole network stack: what berth adds to a packet's way from an interface to a socket, and what the
//! kernel's own connection tracking adds with a rule of nft's that asks for its state.

use std::fs;
use std::net::UdpSocket;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use socket2::SockRef;

use super::ingress::datagram;
use super::report::{Case, Hook};
use super::samples::Samples;
use super::turnstile::{Target, Turnstile};
use super::world::{TRACKED, TRACKED_PORT, World};
use crate::bpf::asm::{Reg, call, exit, set};
use crate::bpf::sys;
use crate::topology::{NODE_V4, UPLINK, at};
use crate::{Direction, Endpoint as _, Sockets as _, Topology, in_netns, link, process, sysctl};

/// How many flows the table has room for unless configured otherwise.
const DEFAULT_TABLE: u32 = 1 << 16;
/// How many packets make one measurement, at least.
const PACKETS: u32 = 1 << 17;
const NEXT: i32 = -1;
const CLONE_REDIRECT: i32 = 13;
const TO_INGRESS: i32 = 1;

const RULES: &str = "table inet bench {\nchain input {\ntype filter hook input priority 0; policy drop;\n\
                     ct state established accept\nct state new accept\n}\n}\n";
/// The node's limit, which its network namespaces share.
const MOST_FLOWS: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// What packets meet on their way.
enum Guard {
    Nothing,
    /// A program that does nothing, where berth's is.
    Empty,
    Berth(Box<World>),
    Nft,
}

/// A node whose stack packets go through.
struct Node {
    topology: Topology,
    guard: Guard,
    pump: Turnstile,
    _attached: Option<OwnedFd>,
    _socket: UdpSocket,
}

/// The measurements with one number of flows.
pub struct Column {
    flows: u32,
    nodes: [Node; 4],
    samples: [(&'static str, Samples); 4],
    _ceiling: Option<Ceiling>,
}

impl Column {
    /// With so many flows.
    pub fn new(flows: u32) -> Result<Self> {
        let names = ["nothing in the way", "empty program", "berth", "nft, ct state"];
        Ok(Self {
            flows,
            _ceiling: Ceiling::raise(flows)?,
            nodes: [
                Node::with_nothing(flows)?,
                Node::with_empty(flows)?,
                Node::with_berth(flows)?,
                Node::with_nft(flows)?,
            ],
            samples: names.map(|name| (name, Samples::default())),
        })
    }

    /// One round.
    pub fn measure(&mut self, counts: bool) -> Result<()> {
        let [nothing, others @ ..] = &self.nodes;
        let bare = nothing.measure(self.flows)?;
        let above: Vec<f64> =
            others.iter().map(|node| Ok(node.measure(self.flows)? - bare)).collect::<Result<_>>()?;
        if counts {
            for ((_, samples), taken) in self.samples.iter_mut().zip([bare].into_iter().chain(above)) {
                samples.add(taken);
            }
        }
        Ok(())
    }

    /// What was measured.
    pub fn cases(self) -> Vec<Case> {
        let flows = self.flows;
        let case = |(name, samples): (&'static str, Samples)| {
            Some(Case { hook: Hook::Stack, name, flows, ns: samples.summary()? })
        };
        self.samples.into_iter().filter_map(case).collect()
    }
}

impl Node {
    fn new(flows: u32, guard: impl FnOnce(&Topology) -> Result<(Guard, Option<OwnedFd>)>) -> Result<Self> {
        let topology = Topology::builder().with_known_neighbours().build()?;
        for scope in ["all", "default", UPLINK] {
            sysctl::set(topology.node.netns(), &format!("ipv4/conf/{scope}/rp_filter"), "0")?;
        }
        // One that is full takes nothing, and costs the same whatever was in the way.
        let socket = topology.node.udp_bind(at(NODE_V4, TRACKED_PORT))?;
        SockRef::from(&socket).set_recv_buffer_size(1)?;
        let index = link::index(topology.node.netns(), UPLINK)?;
        let redirect = [
            set(Reg::R2, index.cast_signed()),
            set(Reg::R3, TO_INGRESS),
            call(CLONE_REDIRECT),
            set(Reg::R0, NEXT),
            exit(),
        ];
        let redirect = sys::load_classifier("bench_redirect", &redirect)?;
        let pump = Turnstile::sound(redirect.as_fd(), flows, &packet()?)?;
        let (guard, attached) = guard(&topology)?;
        Ok(Self { topology, guard, pump, _attached: attached, _socket: socket })
    }

    fn with_nothing(flows: u32) -> Result<Self> {
        Self::new(flows, |_| Ok((Guard::Nothing, None)))
    }

    fn with_empty(flows: u32) -> Result<Self> {
        Self::new(flows, |topology| {
            let program = sys::load_classifier("bench_empty", &[set(Reg::R0, NEXT), exit()])?;
            Ok((Guard::Empty, Some(attach(topology, program.as_fd())?)))
        })
    }

    fn with_berth(flows: u32) -> Result<Self> {
        Self::new(flows, |topology| {
            let index = link::index(topology.node.netns(), UPLINK)?;
            let world = World::load(&["berth_up_in"], flows.max(DEFAULT_TABLE), index, None)?;
            let attached = attach(topology, world.object().program("berth_up_in")?)?;
            Ok((Guard::Berth(Box::new(world)), Some(attached)))
        })
    }

    fn with_nft(flows: u32) -> Result<Self> {
        Self::new(flows, |topology| {
            let mut command = topology.node.command("nft")?;
            process::ok_with_input(command.args(["-f", "-"]), RULES)?;
            Ok((Guard::Nft, None))
        })
    }

    /// Nanoseconds that a packet takes that is in one of so many flows.
    fn measure(&self, flows: u32) -> Result<f64> {
        let netns = self.topology.node.netns();
        let packet = packet()?;
        let run = |count| in_netns(netns, || self.pump.run(Target::Measured, &packet, count))?;
        let (before, packets) = (self.received()?, PACKETS.max(2 * flows));
        run(flows)?;
        let taken = run(packets)?;
        let arrived = self.received()? - before;
        ensure!(arrived == u64::from(flows + packets), "{arrived} of {} packets arrived", flows + packets);
        let found = match &self.guard {
            Guard::Nothing | Guard::Empty => return Ok(taken),
            Guard::Berth(world) => world.flows(TRACKED)?,
            Guard::Nft => sysctl::get(netns, "netfilter/nf_conntrack_count")?.parse()?,
        };
        ensure!(found == u64::from(flows), "{found} flows, not {flows}");
        Ok(taken)
    }

    /// How many packets of IPv4 the stack has taken.
    fn received(&self) -> Result<u64> {
        let netns = self.topology.node.netns();
        let text = in_netns(netns, || fs::read_to_string("/proc/thread-self/net/snmp"))??;
        // Names, then numbers: `Ip: Forwarding DefaultTTL InReceives …`.
        let numbers = text.lines().filter(|line| line.starts_with("Ip:")).nth(1);
        let number = numbers.and_then(|line| line.split_whitespace().nth(3));
        Ok(number.context("no counters of IPv4")?.parse()?)
    }
}

fn attach(topology: &Topology, program: BorrowedFd<'_>) -> Result<OwnedFd> {
    let netns = topology.node.netns();
    let index = link::index(netns, UPLINK)?;
    let attached = in_netns(netns, || sys::create_link(program, index, Direction::Ingress.tcx(), 0))?;
    attached.context("attach to an interface, which takes Linux 6.6")
}

/// One without a checksum of its own.
fn packet() -> Result<Vec<u8>> {
    const CHECKSUM: usize = 40;
    let mut packet = datagram(TRACKED_PORT)?;
    packet.get_mut(CHECKSUM..CHECKSUM + 2).context("a short packet")?.fill(0);
    Ok(packet)
}

/// The node's limit of connections, while it is raised.
struct Ceiling(String);

impl Ceiling {
    fn raise(flows: u32) -> Result<Option<Self>> {
        let before = fs::read_to_string(MOST_FLOWS).context("read the limit of connections")?;
        let wanted = flows.saturating_add(flows / 8);
        if before.trim().parse::<u32>()? >= wanted {
            return Ok(None);
        }
        fs::write(MOST_FLOWS, wanted.to_string()).context("raise the limit of connections")?;
        Ok(Some(Self(before)))
    }
}

impl Drop for Ceiling {
    fn drop(&mut self) {
        let _ = fs::write(MOST_FLOWS, &self.0);
    }
}

//! What happens: packets at hooks, and requests of the operator.

use std::fmt;

use berth_common::abi::{
    control::Control,
    port::PortKey,
    units::{ContainerId, Port, Protocol},
};
use berth_common::memory::generate::{Direction, Mutation, Random, Scene, Shape, noise};
use berth_tests::object::zero;

use crate::setting::{self, CONTAINERS};

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// A packet at a hook.
    Packet {
        /// The hook.
        hook: Hook,
        /// For hooks on sockets and containers' interfaces: whose it is; the host for nobody's.
        actor: ContainerId,
        /// How many segments the packet says it has.
        segments: u32,
        /// The packet, from where the hook's device has it begin.
        bytes: Vec<u8>,
    },
    /// A request of the operator's.
    Request(Control),
}

/// Where a packet can come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Ingress of an uplink.
    UplinkIn,
    /// Ingress of an uplink without Ethernet headers.
    UplinkInIp,
    /// Egress of an uplink.
    UplinkOut,
    /// Egress of an uplink without Ethernet headers.
    UplinkOutIp,
    /// From a container's own interface.
    InterfaceIn,
    /// The same without Ethernet headers.
    InterfaceInIp,
    /// To a container's own interface.
    InterfaceOut,
    /// The same without Ethernet headers.
    InterfaceOutIp,
    /// A container's socket sends.
    Send,
    /// A container's socket is offered a packet.
    Receive,
}

/// Every hook, those that decide most more often than the others.
const HOOKS: &[Hook] = &[
    Hook::UplinkIn,
    Hook::UplinkIn,
    Hook::UplinkIn,
    Hook::UplinkIn,
    Hook::UplinkInIp,
    Hook::UplinkOut,
    Hook::UplinkOut,
    Hook::UplinkOutIp,
    Hook::Send,
    Hook::Send,
    Hook::Send,
    Hook::Send,
    Hook::Receive,
    Hook::Receive,
    Hook::InterfaceIn,
    Hook::InterfaceInIp,
    Hook::InterfaceOut,
    Hook::InterfaceOutIp,
];

/// Every program that is run.
pub const PROGRAMS: &[&str] = &[
    "berth_up_in",
    "berth_up_out",
    "berth_if_in",
    "berth_if_out",
    "berth_send",
    "berth_receive",
    "berth_control",
];

impl Hook {
    /// The program.
    pub fn program(self) -> &'static str {
        match self {
            Self::UplinkIn | Self::UplinkInIp => "berth_up_in",
            Self::UplinkOut | Self::UplinkOutIp => "berth_up_out",
            Self::InterfaceIn | Self::InterfaceInIp => "berth_if_in",
            Self::InterfaceOut | Self::InterfaceOutIp => "berth_if_out",
            Self::Send => "berth_send",
            Self::Receive => "berth_receive",
        }
    }

    /// Whether packets begin with an Ethernet header here.
    pub fn has_ethernet(self) -> bool {
        matches!(self, Self::UplinkIn | Self::UplinkOut | Self::InterfaceIn | Self::InterfaceOut)
    }

    /// Whether it is one of an uplink.
    pub fn is_on_uplink(self) -> bool {
        matches!(self, Self::UplinkIn | Self::UplinkInIp | Self::UplinkOut | Self::UplinkOutIp)
    }

    /// Whether it is one of a socket: it sees packets without what the kernel has taken off.
    pub fn is_on_sockets(self) -> bool {
        matches!(self, Self::Send | Self::Receive)
    }

    /// Which way most of its packets go.
    fn direction(self) -> Direction {
        match self {
            Self::UplinkIn | Self::UplinkInIp | Self::Receive | Self::InterfaceOut | Self::InterfaceOutIp => {
                Direction::In
            }
            _ => Direction::Out,
        }
    }
}

impl Step {
    /// Something or other.
    pub fn random(scene: &Scene, random: &mut Random) -> Self {
        if random.once_in(50) {
            return Self::Request(request(scene, random));
        }
        let hook = random.pick(HOOKS).unwrap_or(Hook::UplinkIn);
        let actor = ContainerId(random.below(CONTAINERS) as u32);
        let segments = if random.once_in(8) { random.below(40) as u32 } else { 0 };
        loop {
            let bytes = packet(hook, scene, random);
            if if hook.is_on_sockets() { !bytes.is_empty() } else { can_be_run(&bytes) } {
                return Self::Packet { hook, actor, segments, bytes };
            }
        }
    }
}

/// Whether the kernel runs a program on this: not if the Ethernet header, or the IP header it announces, is cut off. (The
/// kernel looks for that header wherever the packet begins for the program.)
fn can_be_run(bytes: &[u8]) -> bool {
    match bytes.get(12..14) {
        None => false,
        Some([0x08, 0x00]) => bytes.len() >= 14 + 20,
        Some([0x86, 0xdd]) => bytes.len() >= 14 + 40,
        Some(_) => true,
    }
}

/// A packet, damaged or not.
fn packet(hook: Hook, scene: &Scene, random: &mut Random) -> Vec<u8> {
    if random.once_in(25) {
        return noise(random);
    }
    let direction = match random.below(10) {
        0 => random.pick(&[Direction::In, Direction::Out, Direction::Local]),
        1 | 2 if hook.is_on_sockets() => Some(Direction::Local),
        _ => None,
    };
    // Conversations have more to them than the rest.
    let shapes = if random.once_in(2) { Shape::ALL } else { &[Shape::Tcp, Shape::Udp, Shape::Query] };
    let shape = random.pick(shapes).unwrap_or(Shape::Tcp);
    let sample = scene.sample(shape, direction.unwrap_or_else(|| hook.direction()), random);
    let mut bytes = if hook.has_ethernet() { sample.frame } else { sample.packet().to_vec() };
    if random.once_in(2) {
        for _ in 0..=random.below(3) {
            Mutation::random(random).apply(&mut bytes);
        }
    }
    bytes
}

fn request(scene: &Scene, random: &mut Random) -> Control {
    let operation = match random.below(14) {
        0..=5 => Control::RESERVE,
        6..=8 => Control::RELEASE,
        9 => Control::SWEEP_FLOWS,
        10 => Control::FLUSH_FLOWS,
        11 => Control::CARRY_FLOWS,
        12 => Control::DRAIN_SLOTS,
        _ => Control::FLUSH_PORTS,
    };
    let mut container = ContainerId(random.below(CONTAINERS) as u32);
    if operation == Control::FLUSH_PORTS && random.once_in(3) {
        // Those that nobody holds.
        container = ContainerId::UNOWNED;
    }
    let flags = if operation == Control::RESERVE && random.once_in(4) { Control::RAW } else { 0 };
    let cursor = random.pick(&[0, Control::LOOKS, 3 * Control::LOOKS]).unwrap_or(0);
    Control { operation, container, key: port_key(scene, random), flags, cursor, ..zero() }
}

/// A reservation's key; now and then one of a protocol that has no ports.
pub fn port_key(scene: &Scene, random: &mut Random) -> PortKey {
    let protocol = random.pick(&[1, 6, 6, 6, 17, 17, 17, 47, 58, 132, 136, 50]).unwrap_or(6);
    let address = setting::local_address(scene, random);
    let address = if random.once_in(2) { address.wildcard() } else { address };
    PortKey::new(Protocol(protocol), address, Port(random.pick(&scene.ports).unwrap_or(1)))
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet { hook, actor, segments, bytes } => {
                write!(f, "{} for {}, {segments} segments: ", hook.program(), actor.0)?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Request(request) => write!(f, "{request:?}"),
        }
    }
}

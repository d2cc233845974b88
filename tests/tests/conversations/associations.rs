//! Associations of SCTP: two ends that mostly do as it does, and whose packets get lost, come again, and are tampered with.

use std::fmt;

use anyhow::Result;
use berth_common::memory::generate::Random;
use berth_common::wire::sctp::kind::{
    ABORT, COOKIE_ACK, COOKIE_ECHO, DATA, ERROR, HEARTBEAT, HEARTBEAT_ACK, INIT, INIT_ACK, SHUTDOWN,
    SHUTDOWN_ACK, SHUTDOWN_COMPLETE,
};
use berth_tests::frame::Packet;
use berth_tests::privileged;

use crate::compare::{self, Sent};
use crate::router::SCTP_TIMEOUTS;
use crate::{LEFT, RIGHT};

/// How many associations.
const ASSOCIATIONS: usize = 2_000;
const LEAST: usize = 250;

/// How many of them pause.
const PAUSED: usize = 100;

#[test]
fn of_sctp_that_pause_agree_with_netfilter() -> Result<()> {
    privileged!();
    let timeouts = SCTP_TIMEOUTS.map(|(name, _)| name);
    compare::paused(
        (PAUSED, 50),
        &timeouts.map(|name| format!("sctp_{name}")).each_ref().map(String::as_str),
        random,
    )
}

/// How an association can stand.
const PHASES: [&str; 8] = [
    "CLOSED",
    "COOKIE_WAIT",
    "COOKIE_ECHOED",
    "ESTABLISHED",
    "SHUTDOWN_SENT",
    "SHUTDOWN_RECD",
    "SHUTDOWN_ACK_SENT",
    "HEARTBEAT_SENT",
];

#[test]
fn of_sctp_agree_with_netfilter() -> Result<()> {
    privileged!();
    compare::all((ASSOCIATIONS, LEAST), random)?.has_all(&PHASES)
}

const SCTP: u8 = 132;
/// Most packets of an association.
const MOST: usize = 24;
/// Selective acknowledgement.
const SACK: u8 = 3;
/// All, and one that nobody knows.
const KINDS: [u8; 14] = [
    DATA,
    INIT,
    INIT_ACK,
    SACK,
    HEARTBEAT,
    HEARTBEAT_ACK,
    ABORT,
    SHUTDOWN,
    SHUTDOWN_ACK,
    ERROR,
    COOKIE_ECHO,
    COOKIE_ACK,
    SHUTDOWN_COMPLETE,
    200,
];
/// What may come behind another chunk.
const RIDERS: [u8; 8] = [DATA, SACK, HEARTBEAT, HEARTBEAT_ACK, SHUTDOWN, ERROR, ABORT, SHUTDOWN_ACK];
/// Bytes of the ports.
const PORTS: usize = 4;
/// Bytes that INIT and INIT ACK have behind their header.
const INIT_BODY: usize = 16;

#[derive(Clone, Debug)]
struct Chunk {
    kind: u8,
    flags: u8,
    /// What its header says, if that is not so.
    length: Option<u16>,
    body: Vec<u8>,
}

impl Chunk {
    fn new(kind: u8) -> Self {
        let size = match kind {
            COOKIE_ACK | SHUTDOWN_ACK | SHUTDOWN_COMPLETE | ABORT => 0,
            INIT | INIT_ACK | DATA => INIT_BODY,
            _ => 7,
        };
        Self { kind, flags: 0, length: None, body: vec![0; size] }
    }

    /// INIT or INIT ACK, which asks for this tag.
    fn asks_for(kind: u8, tag: u32) -> Self {
        let mut chunk = Self::new(kind);
        chunk.body[..4].copy_from_slice(&tag.to_be_bytes());
        chunk
    }

    fn write(&self, bytes: &mut Vec<u8>) -> Result<()> {
        let length = u16::try_from(4 + self.body.len())?;
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.length.unwrap_or(length).to_be_bytes());
        bytes.extend(&self.body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        Ok(())
    }
}

/// A packet.
#[derive(Clone)]
struct Sctp {
    from_left: bool,
    tag: u32,
    chunks: Vec<Chunk>,
    /// Bytes that are cut off.
    cut: usize,
}

impl Sent for Sctp {
    fn is_from_left(&self) -> bool {
        self.from_left
    }

    fn packet(&self, ports: [u16; 2]) -> Result<Vec<u8>> {
        let (mut ports, mut ends) = (ports, [LEFT, RIGHT]);
        if !self.from_left {
            ports.reverse();
            ends.reverse();
        }
        let mut bytes: Vec<u8> = ports.into_iter().flat_map(u16::to_be_bytes).collect();
        bytes.extend(self.tag.to_be_bytes());
        bytes.extend([0; 4]);
        for chunk in &self.chunks {
            chunk.write(&mut bytes)?;
        }
        bytes.truncate(bytes.len().saturating_sub(self.cut).max(PORTS));
        Packet::other(ends[0], ends[1], SCTP).payload(bytes).build()
    }
}

impl fmt::Display for Sctp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tag {}", if self.from_left { "->" } else { "<-" }, self.tag)?;
        for Chunk { kind, flags, length, body } in &self.chunks {
            write!(f, ", chunk {kind} flags {flags} length {length:?} {body:02x?}")?;
        }
        write!(f, ", cut by {}", self.cut)
    }
}

/// What an end knows.
#[derive(Clone, Copy)]
struct End {
    /// What the other end's packets are to bear.
    tag: u32,
    /// What its packets are to bear.
    other: u32,
}

/// What it does in the usual order: who opens, of the two.
const USUAL: [(bool, u8); 12] = [
    (true, INIT),
    (false, INIT_ACK),
    (true, COOKIE_ECHO),
    (false, COOKIE_ACK),
    (true, DATA),
    (false, SACK),
    (true, HEARTBEAT),
    (false, HEARTBEAT_ACK),
    (false, DATA),
    (true, SHUTDOWN),
    (false, SHUTDOWN_ACK),
    (true, SHUTDOWN_COMPLETE),
];

fn random(random: &mut Random) -> Vec<Sctp> {
    let mut sent: Vec<Sctp> = Vec::new();
    let (mut ends, mut left_opens) = ([fresh(random), fresh(random)], random.once_in(2));
    // Some are met when they are open.
    let mut step = random.pick(&[0, 0, 0, 0, 0, 3, 6, 9]).unwrap_or(0);
    if step != 0 {
        (ends[0].other, ends[1].other) = (ends[1].tag, ends[0].tag);
    }
    let tampers = 2 + random.below(12);
    for _ in 0..=random.below(MOST) {
        let (opener, usual) = USUAL[step % USUAL.len()];
        let packet = match random.below(16) {
            0 | 1 if !sent.is_empty() => sent[random.below(sent.len())].clone(),
            // The same ends begin anew, the other one perhaps.
            2 if random.once_in(2) => {
                (ends, left_opens, step) = ([fresh(random), fresh(random)], random.once_in(2), 0);
                continue;
            }
            // Something is left out, or done twice.
            3 => {
                step += 1;
                continue;
            }
            4 => {
                let any = (random.once_in(2), random.pick(&KINDS).unwrap_or(DATA));
                say(random, &mut ends, any)
            }
            _ => {
                step += 1;
                say(random, &mut ends, (opener == left_opens, usual))
            }
        };
        let packet = if random.once_in(tampers) { tampered(random, packet, &ends) } else { packet };
        // Some are lost.
        if !random.once_in(12) {
            sent.push(packet);
        }
    }
    sent
}

fn fresh(random: &mut Random) -> End {
    End { tag: number(random) | 1, other: 0 }
}

fn number(random: &mut Random) -> u32 {
    let [a, b, c, d, ..] = random.bits().to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}

/// What an end says, and what the other learns by it.
fn say(random: &mut Random, ends: &mut [End; 2], (from_left, kind): (bool, u8)) -> Sctp {
    let place = usize::from(!from_left);
    let own = ends[place];
    let mut chunks = match kind {
        INIT | INIT_ACK => {
            ends[1 - place].other = own.tag;
            vec![Chunk::asks_for(kind, own.tag)]
        }
        _ => vec![Chunk::new(kind)],
    };
    let mut tag = if kind == INIT { 0 } else { own.other };
    if matches!(kind, ABORT | SHUTDOWN_COMPLETE) && random.once_in(2) {
        chunks[0].flags = 1;
        tag = own.tag;
    }
    if !matches!(kind, INIT | INIT_ACK | SHUTDOWN_COMPLETE) {
        for _ in 0..random.below(3) {
            chunks.push(Chunk::new(random.pick(&RIDERS).unwrap_or(DATA)));
        }
    }
    Sctp { from_left, tag, chunks, cut: 0 }
}

fn tampered(random: &mut Random, mut packet: Sctp, ends: &[End; 2]) -> Sctp {
    let place = random.below(packet.chunks.len().max(1));
    let Some(chunk) = packet.chunks.get_mut(place) else { return packet };
    match random.below(9) {
        0 => packet.tag = number(random),
        1 => packet.tag = 0,
        2 => packet.tag = ends[random.below(2)].tag,
        3 => chunk.kind = random.pick(&KINDS).unwrap_or(DATA),
        4 => chunk.flags ^= 1,
        5 => chunk.length = random.pick(&[0, 1, 3, 5, 40, 0xffff]),
        6 => packet.from_left = !packet.from_left,
        7 => packet.chunks.push(Chunk::new(random.pick(&KINDS).unwrap_or(DATA))),
        _ => packet.cut = random.below(20),
    }
    packet
}

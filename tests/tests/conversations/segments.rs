//! Connections of TCP: two ends that mostly do as it does, and whose segments get lost, come again, and are tampered with.

use std::fmt;

use anyhow::Result;
use berth_common::memory::generate::Random;
use berth_common::wire::tcp::{ACK, FIN, RST, SYN};
use berth_tests::frame::{Packet, TcpHeader};
use berth_tests::privileged;
use berth_tests::topology::at;

use crate::compare::{self, Sent};
use crate::{LEFT, RIGHT};

/// How many connections.
const CONNECTIONS: usize = 5_000;
const LEAST: usize = 250;

/// How a connection can stand.
const PHASES: [&str; 9] = [
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
];

#[test]
fn of_tcp_agree_with_netfilter() -> Result<()> {
    privileged!();
    compare::all((CONNECTIONS, LEAST), random)?.has_all(&PHASES)
}

/// How many of them pause.
const PAUSED: usize = 200;

#[test]
fn of_tcp_that_pause_agree_with_netfilter() -> Result<()> {
    privileged!();
    let timeouts = [
        "tcp_syn_sent",
        "tcp_syn_recv",
        "tcp_established",
        "tcp_fin_wait",
        "tcp_close_wait",
        "tcp_last_ack",
        "tcp_time_wait",
        "tcp_close",
    ];
    compare::paused((PAUSED, 50), &timeouts, random)
}

/// Most segments of a conversation.
const MOST: usize = 24;
const WINDOWS: [u16; 6] = [0, 1, 500, 1_000, 8_000, 65_535];
const SIZES: [u32; 5] = [0, 0, 1, 100, 1_000];
/// By how much numbers are off.
const OFF: [u32; 12] = [
    1,
    u32::MAX,
    100,
    u32::MAX - 99,
    1_000,
    u32::MAX - 999,
    65_999,
    66_001,
    u32::MAX - 65_999,
    1 << 20,
    1 << 31,
    8_000,
];
/// Flags that make sense, and some that do not.
const FLAGS: [u8; 12] =
    [SYN, SYN | ACK, ACK, ACK, FIN | ACK, RST, RST | ACK, FIN, 0, SYN | FIN, ACK | 0x20, ACK | 0x08];

/// A segment.
#[derive(Clone)]
struct Segment {
    from_left: bool,
    flags: u8,
    sequence: u32,
    acknowledgement: u32,
    window: u16,
    bytes: u32,
    options: Vec<u8>,
}

impl Sent for Segment {
    fn is_from_left(&self) -> bool {
        self.from_left
    }

    fn packet(&self, ports: [u16; 2]) -> Result<Vec<u8>> {
        let ends = [at(LEFT, ports[0]), at(RIGHT, ports[1])];
        let [source, destination] = if self.from_left { ends } else { [ends[1], ends[0]] };
        let mut failed = None;
        let packet = Packet::tcp(source, destination, |header: &mut TcpHeader| {
            let has = |flag| self.flags & flag != 0;
            (header.syn, header.ack, header.fin, header.rst) = (has(SYN), has(ACK), has(FIN), has(RST));
            (header.psh, header.urg) = (has(0x08), has(0x20));
            header.sequence_number = self.sequence;
            header.acknowledgment_number = self.acknowledgement;
            header.window_size = self.window;
            failed = header.set_options_raw(&self.options).err();
        });
        if let Some(error) = failed {
            anyhow::bail!("{error}");
        }
        packet.payload(vec![0x5a; usize::try_from(self.bytes)?]).build()
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [(SYN, "SYN "), (FIN, "FIN "), (RST, "RST "), (ACK, "ACK ")];
        write!(f, "{} ", if self.from_left { "->" } else { "<-" })?;
        for (_, name) in names.iter().filter(|(flag, _)| self.flags & flag != 0) {
            write!(f, "{name}")?;
        }
        let Self { flags, sequence, bytes, acknowledgement, window, options, .. } = self;
        write!(f, "({flags:#x}) {sequence}+{bytes} ack {acknowledgement} win {window} options {options:02x?}")
    }
}

/// What an end knows.
#[derive(Clone, Copy)]
struct End {
    /// The next sequence number.
    next: u32,
    /// What comes next from the other.
    expected: u32,
    is_open: bool,
    has_closed: bool,
}

/// A connection.
fn random(random: &mut Random) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let fresh =
        |random: &mut Random| End { next: number(random), expected: 0, is_open: false, has_closed: false };
    let mut ends = [fresh(random), fresh(random)];
    let in_mid_stream = random.once_in(8);
    if in_mid_stream {
        ends[0] = End { expected: ends[1].next, is_open: true, ..ends[0] };
        ends[1] = End { expected: ends[0].next, is_open: true, ..ends[1] };
    }
    let tampers = 2 + random.below(10);
    for _ in 0..=random.below(MOST) {
        let segment = match random.below(16) {
            // Again, which may be out of order.
            0 | 1 if !segments.is_empty() => segments[random.below(segments.len())].clone(),
            // The same ends begin anew.
            2 if random.once_in(2) => {
                ends = [fresh(random), fresh(random)];
                next(random, &mut ends)
            }
            _ => next(random, &mut ends),
        };
        let segment = if random.once_in(tampers) { tampered(random, segment) } else { segment };
        // Some are lost.
        if !random.once_in(10) {
            segments.push(segment);
        }
    }
    segments
}

/// Any number.
fn number(random: &mut Random) -> u32 {
    let [a, b, c, d, ..] = random.bits().to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}

/// What TCP might do next.
fn next(random: &mut Random, ends: &mut [End; 2]) -> Segment {
    let place = random.below(2);
    let from_left = place == 0;
    let (own, other) = (ends[place], ends[1 - place]);
    let window = random.pick(&WINDOWS).unwrap_or(1_000);
    let mut segment = Segment {
        from_left,
        flags: ACK,
        sequence: own.next,
        acknowledgement: own.expected,
        window,
        bytes: 0,
        options: Vec::new(),
    };
    if !own.is_open {
        let answers = other.is_open || random.once_in(3);
        let knows = own.expected != 0;
        (segment.flags, segment.options) = (SYN, offers(random));
        if knows || (answers && !from_left) {
            ends[place].expected = other.next;
            segment.flags |= ACK;
            segment.acknowledgement = ends[place].expected;
        } else {
            segment.acknowledgement = 0;
        }
        ends[place].next = own.next.wrapping_add(1);
        ends[place].is_open = true;
        return segment;
    }
    // It has heard what the other has sent so far, or most of it.
    if !random.once_in(5) {
        ends[place].expected = other.next;
        segment.acknowledgement = other.next;
    }
    match random.below(12) {
        0 => segment.flags |= FIN,
        1 if random.once_in(3) => segment.flags = if random.once_in(2) { RST } else { RST | ACK },
        2 => segment.options = selected(random, segment.acknowledgement),
        3 => segment.options = vec![1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
        4 if own.has_closed => segment.flags |= FIN,
        _ if own.has_closed => {}
        _ => segment.bytes = random.pick(&SIZES).unwrap_or(0),
    }
    let fin = u32::from(segment.flags & FIN != 0);
    if fin != 0 && own.has_closed {
        segment.sequence = own.next.wrapping_sub(1);
        return segment;
    }
    ends[place].has_closed |= fin != 0;
    ends[place].next = own.next.wrapping_add(segment.bytes + fin);
    segment
}

/// What a SYN may offer.
fn offers(random: &mut Random) -> Vec<u8> {
    let scale = random.pick(&[0_u8, 1, 7, 14, 15]).unwrap_or(0);
    match random.below(6) {
        0 => Vec::new(),
        1 => vec![2, 4, 5, 0xb4],
        2 => vec![4, 2, 1, 1],
        3 => vec![3, 3, scale, 0],
        4 => vec![2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, scale],
        // Sizes that lie.
        _ => vec![1, 4, 2, 3, 1, 3, scale, 1],
    }
}

/// Blocks that are acknowledged selectively.
fn selected(random: &mut Random, acknowledged: u32) -> Vec<u8> {
    let blocks = 1 + random.below(3);
    let mut options = vec![1, 1, 5, 2 + 8 * u8::try_from(blocks).unwrap_or(1)];
    for _ in 0..blocks {
        let left = acknowledged.wrapping_add(number(random) % 2_000);
        let right = left.wrapping_add(random.pick(&[1, 100, 1_000]).unwrap_or(1));
        options.extend(left.to_be_bytes().into_iter().chain(right.to_be_bytes()));
    }
    options
}

fn tampered(random: &mut Random, segment: Segment) -> Segment {
    let off = random.pick(&OFF).unwrap_or(1);
    match random.below(7) {
        0 => Segment { sequence: segment.sequence.wrapping_add(off), ..segment },
        1 => Segment { acknowledgement: segment.acknowledgement.wrapping_add(off), ..segment },
        2 => Segment { flags: random.pick(&FLAGS).unwrap_or(ACK), ..segment },
        3 => Segment { window: random.pick(&WINDOWS).unwrap_or(0), ..segment },
        4 => Segment { sequence: 0, ..segment },
        5 => Segment { acknowledgement: 0, ..segment },
        _ => Segment { from_left: !segment.from_left, ..segment },
    }
}

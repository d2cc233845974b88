//! Control connections of FTP that announce others, and connections to what was announced, and to what was not: the kernel's
//! helper and berth's say the same of which are related.
//!
//! Lines that announce are not cut in the middle, which the kernel's helper drops.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, ensure};
use berth_common::memory::generate::Random;
use berth_common::wire::tcp::{ACK, SYN};
use berth_tests::frame::{Packet, TcpHeader};
use berth_tests::privileged;
use berth_tests::topology::at;

use crate::compare::{self, Sent};
use crate::router::State;
use crate::{LEFT, RIGHT};

const CONVERSATIONS: usize = 500;
const LEAST: usize = 60;

#[test]
fn of_ftp_agree_with_netfilter() -> Result<()> {
    privileged!();
    let met = compare::all((CONVERSATIONS, LEAST), random)?;
    for state in [State::New, State::Related] {
        ensure!(met.contains("SYN_SENT", state), "no connection was ever {state:?}");
    }
    Ok(())
}

/// Most segments after the handshake.
const MOST: usize = 20;
/// Ports that a conversation has for itself at either end: what may be announced, and then where connections come from.
const PORTS: u16 = 8;
const CONTROL: u16 = 21;
const LOWEST: u16 = 10_000;

/// A segment.
#[derive(Clone)]
struct Segment {
    from_left: bool,
    /// Of its connection, which end opened it.
    ends: Ends,
    flags: u8,
    sequence: u32,
    acknowledgement: u32,
    line: Line,
}

/// Between what ports it is.
#[derive(Clone, Copy)]
enum Ends {
    /// The left end, which is the client, and the server.
    Control,
    /// From the left end's port of this number to what the server may have announced.
    Passive(u16, u16),
    /// From the server to what the left end may have announced.
    Active(u16),
}

/// What it says.
#[derive(Clone)]
enum Line {
    Text(&'static str),
    /// Before the numbers, after them, whether they are of its sender's address, and which port.
    Numbers(&'static str, &'static str, bool, u16),
    /// The same in the words of RFC 2428.
    Extended(bool, u16),
    /// Of RFC 2428, without an address.
    Port(u16),
}

/// The first of the conversation's own ports. Other conversations' are 16 further. All have five digits, so that lines are as long
/// whichever they are.
fn base(ports: [u16; 2]) -> u16 {
    ports[0].wrapping_sub(1_024).wrapping_mul(2 * PORTS).wrapping_add(LOWEST)
}

impl Line {
    fn text(&self, sender: IpAddr, base: u16) -> String {
        let other = if sender == LEFT { RIGHT } else { LEFT };
        let own = |is_own: bool| if is_own { sender } else { other };
        match *self {
            Self::Text(text) => text.to_owned(),
            Self::Numbers(before, after, is_own, number) => {
                let [high, low] = (base + number).to_be_bytes();
                let address = own(is_own).to_string().replace('.', ",");
                format!("{before}{address},{high:03},{low:03}{after}\r\n")
            }
            Self::Extended(is_own, number) => format!("EPRT |1|{}|{}|\r\n", own(is_own), base + number),
            Self::Port(number) => format!("229 Entering Extended Passive Mode (|||{}|)\r\n", base + number),
        }
    }
}

impl Sent for Segment {
    fn is_from_left(&self) -> bool {
        self.from_left
    }

    fn packet(&self, ports: [u16; 2]) -> Result<Vec<u8>> {
        let base = base(ports);
        let (left, right): (SocketAddr, SocketAddr) = match self.ends {
            Ends::Control => (at(LEFT, base), at(RIGHT, CONTROL)),
            Ends::Passive(from, to) => (at(LEFT, base + PORTS + from), at(RIGHT, base + to)),
            Ends::Active(to) => (at(LEFT, base + to), at(RIGHT, 20)),
        };
        let (source, destination) = if self.from_left { (left, right) } else { (right, left) };
        let text = self.line.text(source.ip(), base);
        let packet = Packet::tcp(source, destination, |header: &mut TcpHeader| {
            (header.syn, header.ack) = (self.flags & SYN != 0, self.flags & ACK != 0);
            header.sequence_number = self.sequence;
            header.acknowledgment_number = self.acknowledgement;
            header.window_size = 60_000;
        });
        packet.payload(text).build()
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from_left, ends, flags, sequence, acknowledgement, line } = self;
        let (sender, arrow) = if *from_left { (LEFT, "->") } else { (RIGHT, "<-") };
        let between = match ends {
            Ends::Control => "control".to_owned(),
            Ends::Passive(from, to) => format!("passive {from} to {to}"),
            Ends::Active(to) => format!("active to {to}"),
        };
        let text = line.text(sender, 0);
        write!(f, "{arrow} {between} ({flags:#x}) {sequence} ack {acknowledgement} {text:?}")
    }
}

/// A control connection, and others.
fn random(random: &mut Random) -> Vec<Segment> {
    let syn = |from_left, ends, flags, sequence, acknowledgement| Segment {
        from_left,
        ends,
        flags,
        sequence,
        acknowledgement,
        line: Line::Text(""),
    };
    let mut segments = vec![
        syn(true, Ends::Control, SYN, 999, 0),
        syn(false, Ends::Control, SYN | ACK, 4_999, 1_000),
        syn(true, Ends::Control, ACK, 1_000, 5_000),
    ];
    let mut next = [1_000_u32, 5_000];
    let mut announced = 0;
    for _ in 0..=random.below(MOST) {
        let port = u16::try_from(random.below(usize::from(PORTS))).unwrap_or(0);
        // Mostly what was announced last.
        let near = if random.once_in(4) { port } else { announced };
        match random.below(10) {
            0 | 1 => segments.push(syn(true, Ends::Passive(port, near), SYN, 1, 0)),
            2 => segments.push(syn(false, Ends::Active(near), SYN, 1, 0)),
            // The last one again, or, of a connection that was just begun, its answer.
            3 => {
                let Some(last) = segments.last().cloned() else { continue };
                let answers = !matches!(last.ends, Ends::Control) && last.flags == SYN;
                segments.push(if answers {
                    syn(!last.from_left, last.ends, SYN | ACK, 100, 2)
                } else {
                    last
                });
            }
            _ => {
                let from_left = random.once_in(2);
                let line = said(random, from_left, port);
                announced = match &line {
                    Line::Text(_) => announced,
                    _ => port,
                };
                let place = usize::from(!from_left);
                let (sequence, acknowledgement) = (next[place], next[1 - place]);
                let length = line.text(if from_left { LEFT } else { RIGHT }, LOWEST).len();
                next[place] = sequence.wrapping_add(u32::try_from(length).unwrap_or(0));
                segments
                    .push(Segment { line, ..syn(from_left, Ends::Control, ACK, sequence, acknowledgement) });
            }
        }
    }
    segments
}

/// What one end may say.
fn said(random: &mut Random, from_left: bool, port: u16) -> Line {
    let is_own = !random.once_in(5);
    match (random.below(6), from_left) {
        (0, true) => Line::Text("PASV\r\n"),
        (0, false) => Line::Text("230 all is well\r\n"),
        // The middle of a line comes next.
        (1, true) => Line::Text("RETR "),
        (1, false) => Line::Text("550 "),
        (2 | 3, true) => Line::Numbers("PORT ", "", is_own, port),
        (2, false) => Line::Numbers("227 Entering Passive Mode (", ").", is_own, port),
        (3, false) => Line::Numbers("227 ", "", is_own, port),
        (4, true) => Line::Numbers("port ", "", is_own, port),
        (_, true) => Line::Extended(is_own, port),
        (_, false) => Line::Port(port),
    }
}

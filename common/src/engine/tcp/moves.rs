//! Where segments take a connection: the states of nf_conntrack (net/netfilter/nf_conntrack_proto_tcp.c), which sees both ends
//! from between them.

use super::segment::Kind;
use crate::abi::flow::Phase;

/// Where a segment takes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// To this phase, if it is in the window.
    To(Phase),
    /// Nowhere: it may be that the ends know better, and what they answer will tell.
    Nowhere,
    /// It makes no sense.
    Invalid,
}

/// A row of the table: for each phase, half a byte.
const fn row(cells: &[u8; 10]) -> u64 {
    let mut row = 0;
    let mut rest: &[u8] = cells;
    // The first cell comes to lie lowest.
    while let [others @ .., last] = rest {
        row = row << 4 | digit(*last);
        rest = others;
    }
    row
}

const NOWHERE: u64 = 14;
const INVALID: u64 = 15;

/// Phases as the table has them: S for SYN_SENT, R for SYN_RECV, E, F for FIN_WAIT, C for CLOSE_WAIT, L for LAST_ACK, T for
/// TIME_WAIT, Z for CLOSE, 2 for SYN_SENT2; a dot for nowhere, an exclamation mark for what makes no sense.
const fn digit(letter: u8) -> u64 {
    match letter {
        b'S' => 1,
        b'R' => 2,
        b'E' => 3,
        b'F' => 4,
        b'C' => 5,
        b'L' => 6,
        b'T' => 7,
        b'Z' => 8,
        b'2' => 9,
        b'.' => NOWHERE,
        _ => INVALID,
    }
}

/// What the opener sends. Columns: nothing seen, then S R E F C L T Z 2.
const OPENER: [u64; 6] = [
    row(b"SS.....SS2"), // SYN: again, or anew
    row(b"!!R!!!!!!R"), // SYN and ACK: of a simultaneous open alone
    row(b"!!FFLLLTZ!"), // FIN
    row(b"E!EECCTTZ!"), // ACK
    row(b"!ZZZZZZZZZ"), // RST
    row(b"!!!!!!!!!!"), // nothing
];

/// What the other end sends.
const RESPONDER: [u64; 6] = [
    row(b"!2!!!!!S!2"),
    row(b"!R.......R"),
    row(b"!!FFLLLTZ!"),
    row(b"!.RECCTTZ."),
    row(b"!ZZZZZZZZZ"),
    row(b"!!!!!!!!!!"),
];

/// Where a segment of this kind takes a connection in this phase.
#[inline(always)]
pub(super) fn next(phase: Phase, kind: Kind, from_opener: bool) -> Move {
    let rows = if from_opener { &OPENER } else { &RESPONDER };
    let row = rows.get(kind as usize).copied().unwrap_or(u64::MAX);
    match row >> ((phase as u32) << 2) & 0xf {
        INVALID => Move::Invalid,
        NOWHERE => Move::Nowhere,
        number => Move::To(Phase::from_number(number as u8)),
    }
}

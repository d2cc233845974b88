//! A segment, as far as its connection is moved on by it.

use crate::{
    engine::{Headers, question},
    wire::{Packet, lower, tcp},
};
pub use tcp::Options;

/// What kind of segment it is: the first of these flags that it has tells.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SYN without ACK.
    Syn = 0,
    /// SYN and ACK.
    SynAck = 1,
    /// FIN.
    Fin = 2,
    /// ACK.
    Ack = 3,
    /// RST.
    Rst = 4,
    /// None of them.
    Bare = 5,
}

impl Kind {
    /// By the header's flags.
    #[inline(always)]
    pub const fn of(flags: u8) -> Self {
        let (syn, ack) = (flags & tcp::SYN != 0, flags & tcp::ACK != 0);
        match (flags & tcp::RST != 0, flags & tcp::FIN != 0) {
            (true, _) => Self::Rst,
            (false, _) if syn && ack => Self::SynAck,
            (false, _) if syn => Self::Syn,
            (false, true) => Self::Fin,
            (false, false) if ack => Self::Ack,
            (false, false) => Self::Bare,
        }
    }

    /// From its number; what has no name is nothing in particular.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Syn,
            1 => Self::SynAck,
            2 => Self::Fin,
            3 => Self::Ack,
            4 => Self::Rst,
            _ => Self::Bare,
        }
    }
}

/// A segment. All numbers in host byte order.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its sequence number.
    pub sequence: u32,
    /// The one behind its last byte; SYN and FIN count as bytes (RFC 9293 §3.4).
    pub end: u32,
    /// What it acknowledges; of no meaning without ACK.
    pub acknowledgement: u32,
    /// The right edge of the last block that it acknowledges selectively (RFC 2018), or else the acknowledgement.
    pub selective: u32,
    /// The window that it offers, not scaled.
    pub window: u16,
    /// What it offers, if it is a SYN.
    pub options: Options,
    /// The header's flags.
    pub flags: u8,
}

/// Words that a segment can be kept in.
pub const WORDS: usize = 5;

impl Segment {
    /// The one whose headers are given, in a packet of `whole` bytes from the IP header on, unless that tells better. Nothing
    /// if it is none that makes sense.
    #[inline(always)]
    pub fn read<P: Packet>(packet: &P, headers: &Headers, whole: u32) -> Option<Self> {
        let [_, sequence, acknowledgement, word] = packet.words::<4>(headers.transport)?;
        let (sequence, acknowledgement) = (u32::from_be(sequence), u32::from_be(acknowledgement));
        let flags = tcp::flags(word);
        let before = headers.transport.wrapping_sub(headers.network as u32);
        let transport = question::length(packet, headers, whole)?.checked_sub(before)?;
        let header = tcp::header_len(word);
        let payload = transport.checked_sub(header)?;
        if header < tcp::HEADER || !makes_sense(flags) {
            return None;
        }
        let (syn, fin) = (flags & tcp::SYN != 0, flags & tcp::FIN != 0);
        let end = sequence.wrapping_add(payload).wrapping_add(syn as u32).wrapping_add(fin as u32);
        let (mut options, mut selective) = (Options::default(), acknowledgement);
        if header != tcp::HEADER && !tcp::is_timestamp_alone(packet, headers.transport, word) {
            let scan = tcp::scan(packet, headers.transport, word);
            options = scan.options();
            selective = tcp::last_edge(packet, headers.transport, scan, acknowledgement);
        }
        Some(Self { sequence, end, acknowledgement, selective, window: lower(word), options, flags })
    }

    /// In few words.
    #[inline(always)]
    pub const fn words(&self) -> [u32; WORDS] {
        let last = self.window as u32 | (self.flags as u32) << 16 | self.options.number() << 24;
        [self.sequence, self.end, self.acknowledgement, self.selective, last]
    }

    /// From such words.
    #[inline(always)]
    pub const fn from_words(words: [u32; WORDS]) -> Self {
        let [sequence, end, acknowledgement, selective, last] = words;
        Self {
            sequence,
            end,
            acknowledgement,
            selective,
            window: last as u16,
            options: Options::from_number(last >> 24),
            flags: (last >> 16) as u8,
        }
    }

    /// Its kind.
    #[inline(always)]
    pub const fn kind(&self) -> Kind {
        Kind::of(self.flags)
    }

    /// Whether it has this flag.
    #[inline(always)]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Whether one sequence number comes before another (RFC 9293 §3.4).
#[inline(always)]
pub(super) const fn before(number: u32, other: u32) -> bool {
    number.wrapping_sub(other).cast_signed() < 0
}

/// Whether one comes after another.
#[inline(always)]
pub(super) const fn after(number: u32, other: u32) -> bool {
    before(other, number)
}

/// Whether TCP has any use for a segment with these flags.
#[inline(always)]
const fn makes_sense(flags: u8) -> bool {
    const ACK_FIN: u8 = tcp::ACK | tcp::FIN;
    const SYN_ACK: u8 = tcp::SYN | tcp::ACK;
    const RST_ACK: u8 = tcp::RST | tcp::ACK;
    let flags = flags & !(tcp::PSH | tcp::ECE | tcp::CWR);
    match flags & !tcp::URG {
        tcp::SYN | tcp::ACK | ACK_FIN => true,
        // Not what is urgent.
        SYN_ACK | tcp::RST | RST_ACK => flags & tcp::URG == 0,
        _ => false,
    }
}

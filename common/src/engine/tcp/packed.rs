//! A connection in few words, as its flow keeps it: [`NUMBERS`] numbers, and what goes into its [`State`].
//!
//! All in host byte order. Two numbers of the opener have a number in either half: what it has sent (the lower half) and may
//! send; its window and what it has acknowledged. Then two of the other end. Then [`Last`]: from the lowest bit on 32 of
//! `end`, 16 of `window`, 3 of `kind`, one of `from_opener`, 4 of `scale`, 2 of `again`, 5 of `flags`. Into the state go 9 bits
//! of each end (by what power of two windows are scaled, 15 if they are not; then flags) and 4 of the phase.

use super::{Connection, End, Kind, Last};
use crate::abi::flow::{NUMBERS, Phase, State};

/// Windows are not scaled.
const UNSCALED: u32 = 15;

impl Connection {
    /// The numbers of one that has not begun.
    pub const NO_NUMBERS: [u64; NUMBERS] = [0, 0, 0, 0, Last::NONE.number()];

    /// Its ends and its phase.
    #[inline(always)]
    pub const fn ends(&self) -> u32 {
        bits(&self.opener)
            | bits(&self.responder) << State::END_BITS
            | (self.phase as u32) << (2 * State::END_BITS)
    }

    /// Its numbers, by their places.
    #[inline(always)]
    pub const fn number(&self, place: usize) -> u64 {
        match place {
            0 => sent(&self.opener),
            1 => offered(&self.opener),
            2 => sent(&self.responder),
            3 => offered(&self.responder),
            _ => self.last.number(),
        }
    }

    /// Becomes the one of such ends and such a phase, but for its numbers.
    #[inline(always)]
    pub const fn set_ends(&mut self, ends: u32) {
        self.phase = Phase::from_number((ends >> (2 * State::END_BITS)) as u8 & 0xf);
        self.opener.set_bits(ends);
        self.responder.set_bits(ends >> State::END_BITS);
    }

    /// Becomes the one of such a number, by its place.
    #[inline(always)]
    pub const fn set_number(&mut self, place: usize, number: u64) {
        let (lower, upper) = (number as u32, (number >> 32) as u32);
        match place {
            0 => (self.opener.sent, self.opener.may_send) = (lower, upper),
            1 => (self.opener.window, self.opener.acknowledged) = (lower, upper),
            2 => (self.responder.sent, self.responder.may_send) = (lower, upper),
            3 => (self.responder.window, self.responder.acknowledged) = (lower, upper),
            _ => self.last = Last::from_number(number),
        }
    }
}

impl End {
    #[inline(always)]
    const fn set_bits(&mut self, bits: u32) {
        let scale = bits & 0xf;
        let flags = (bits >> 4 & 0x1f) << 1;
        let (scale, scales) = if scale == UNSCALED { (0, 0) } else { (scale, Self::SCALES) };
        self.scale = scale as u8;
        self.flags = flags as u8 | scales;
    }
}

impl Last {
    #[inline(always)]
    const fn number(self) -> u64 {
        let Self { kind, from_opener, end, window, scale, flags, again } = self;
        end as u64
            | (window as u64) << 32
            | (kind as u64) << 48
            | (from_opener as u64) << 51
            | (scale as u64 & 0xf) << 52
            | (again as u64 & 3) << 56
            | (flags as u64 & 0x1f) << 58
    }

    #[inline(always)]
    const fn from_number(number: u64) -> Self {
        Self {
            kind: Kind::from_number((number >> 48) as u8 & 7),
            from_opener: number >> 51 & 1 != 0,
            end: number as u32,
            window: (number >> 32) as u16,
            scale: (number >> 52) as u8 & 0xf,
            again: (number >> 56) as u8 & 3,
            flags: (number >> 58) as u8 & 0x1f,
        }
    }
}

#[inline(always)]
const fn sent(end: &End) -> u64 {
    end.sent as u64 | (end.may_send as u64) << 32
}

#[inline(always)]
const fn offered(end: &End) -> u64 {
    end.window as u64 | (end.acknowledged as u64) << 32
}

/// That windows are scaled is told by how much they are.
#[inline(always)]
const fn bits(end: &End) -> u32 {
    let scale = if end.has(End::SCALES) { end.scale as u32 } else { UNSCALED };
    scale | (end.flags as u32 >> 1 & 0x1f) << 4
}

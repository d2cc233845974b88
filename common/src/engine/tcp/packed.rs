//! A connection in few words, as a flow is to keep it.

use super::{Connection, End, Kind, Last, Phase};

/// A connection, packed. All words in host byte order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// What the opener has sent and may send, its window and what it has acknowledged, two to a word, the first in the lower
    /// half.
    pub opener: [u64; 2],
    /// The same of the other end.
    pub responder: [u64; 2],
    /// [`Last`]: from the lowest bit on 32 of `end`, 16 of `window`, 3 of `kind`, one of `from_opener`, 4 of `scale`, 2 of
    /// `again`, 5 of `flags`.
    pub last: u64,
    /// 9 bits of the opener, 9 of the responder (by what power of two windows are scaled, 15 if they are not; then
    /// flags), 4 of the phase.
    pub ends: u32,
    /// Unused.
    pub padding: u32,
}

const _: () = assert!(core::mem::size_of::<Packed>() == 48);

/// Windows are not scaled.
const UNSCALED: u32 = 15;

/// Bits of an end in [`Packed::ends`].
const END_BITS: u32 = 9;

impl Connection {
    /// In few words.
    #[inline(always)]
    pub const fn pack(&self) -> Packed {
        let Last { kind, from_opener, end, window, scale, flags, again } = self.last;
        Packed {
            opener: numbers(&self.opener),
            responder: numbers(&self.responder),
            last: end as u64
                | (window as u64) << 32
                | (kind as u64) << 48
                | (from_opener as u64) << 51
                | (scale as u64 & 0xf) << 52
                | (again as u64 & 3) << 56
                | (flags as u64 & 0x1f) << 58,
            ends: bits(&self.opener)
                | bits(&self.responder) << END_BITS
                | (self.phase as u32) << (2 * END_BITS),
            padding: 0,
        }
    }

    /// From such words.
    #[inline(always)]
    pub const fn unpack(packed: &Packed) -> Self {
        let Packed { opener, responder, last, ends, .. } = *packed;
        Self {
            phase: Phase::from_number((ends >> (2 * END_BITS)) as u8 & 0xf),
            opener: end(opener, ends),
            responder: end(responder, ends >> END_BITS),
            last: Last {
                kind: Kind::from_number((last >> 48) as u8 & 7),
                from_opener: last >> 51 & 1 != 0,
                end: last as u32,
                window: (last >> 32) as u16,
                scale: (last >> 52) as u8 & 0xf,
                again: (last >> 56) as u8 & 3,
                flags: (last >> 58) as u8 & 0x1f,
            },
        }
    }
}

#[inline(always)]
const fn numbers(end: &End) -> [u64; 2] {
    [end.sent as u64 | (end.may_send as u64) << 32, end.window as u64 | (end.acknowledged as u64) << 32]
}

/// That windows are scaled is told by how much they are.
#[inline(always)]
const fn bits(end: &End) -> u32 {
    let scale = if end.has(End::SCALES) { end.scale as u32 } else { UNSCALED };
    scale | (end.flags as u32 >> 1 & 0x1f) << 4
}

#[inline(always)]
const fn end([sent, window]: [u64; 2], bits: u32) -> End {
    let scale = bits & 0xf;
    let flags = (bits >> 4 & 0x1f) << 1;
    let (scale, scales) = if scale == UNSCALED { (0, 0) } else { (scale, End::SCALES) };
    End {
        sent: sent as u32,
        may_send: (sent >> 32) as u32,
        window: window as u32,
        acknowledged: (window >> 32) as u32,
        scale: scale as u8,
        flags: flags as u8 | scales,
    }
}

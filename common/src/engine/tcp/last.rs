//! The segment before.

use super::segment::{Kind, Segment};

/// What is remembered of the last segment that was in the window, or that was let through since the ends may know better.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// Its kind.
    pub kind: Kind,
    /// Which end it came from.
    pub from_opener: bool,
    /// The sequence number behind it: of the last one that was a mere acknowledgement, or was let through.
    pub end: u32,
    /// Of a SYN that was let through: its window. Of a mere acknowledgement: what tells it from others.
    pub window: u16,
    /// Of a SYN that was let through: by what power of two it scales.
    pub scale: u8,
    /// [`Self::SCALES`] and its neighbours.
    pub flags: u8,
    /// How often the last acknowledgement came again, up to [`Self::MOST`].
    pub again: u8,
}

impl Last {
    /// The SYN that was let through scales windows.
    pub const SCALES: u8 = 1;
    /// It takes selective acknowledgements.
    pub const SACK: u8 = 2;
    /// Its answer may be an acknowledgement that challenges it (RFC 5961 §4), and not one of a FIN.
    pub const CHALLENGED: u8 = 4;
    /// Both ends have sent a SYN.
    pub const SIMULTANEOUS: u8 = 8;
    /// The last window that was offered was zero.
    pub const STOPPED: u8 = 16;

    /// An acknowledgement that came so often again is answered by nobody (`nf_conntrack_tcp_max_retrans`).
    pub const MOST: u8 = 3;

    /// No segment.
    pub const NONE: Self = Self {
        kind: Kind::Bare,
        from_opener: false,
        end: 0,
        window: 0,
        scale: 0,
        flags: Self::STOPPED,
        again: 0,
    };

    /// Whether a flag is set.
    #[inline(always)]
    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    #[inline(always)]
    pub(super) const fn set(&mut self, flag: u8, is_set: bool) {
        self.flags = if is_set { self.flags | flag } else { self.flags & !flag };
    }

    /// Counts how often the same acknowledgement comes.
    #[inline(always)]
    pub(super) fn count_again(&mut self, segment: &Segment, from_opener: bool) {
        let Segment { sequence, end, acknowledgement, window, .. } = *segment;
        let mark = mark(sequence, acknowledgement, window);
        if self.from_opener == from_opener && self.end == end && self.window == mark {
            self.again = if self.again < Self::MOST { self.again.wrapping_add(1) } else { Self::MOST };
            return;
        }
        self.end = end;
        self.window = mark;
        self.again = 0;
        self.set(Self::STOPPED, window == 0);
    }
}

/// Tells one acknowledgement from another, almost always.
#[inline(always)]
const fn mark(sequence: u32, acknowledgement: u32, window: u16) -> u16 {
    let all = (sequence as u64) << 32 | acknowledgement as u64;
    // 2⁶⁴ divided by the golden ratio (Knuth, The Art of Computer Programming, 6.4).
    ((all ^ (window as u64) << 16).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as u16
}

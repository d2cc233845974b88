//! SCTP chunks (RFC 9260 §3).

use super::Packet;

/// Bytes of the common header: ports, verification tag, checksum.
pub const HEADER: u32 = 12;
/// Offset of the verification tag.
pub const TAG_OFFSET: u32 = 4;
/// Offset of the initiate tag of an INIT or INIT ACK, which are alone.
pub const INITIATE_OFFSET: u32 = HEADER + CHUNK_HEADER;

const CHUNK_HEADER: u32 = 4;
/// Bytes of what every INIT and INIT ACK has behind that.
const INIT_BODY: u32 = 16;

/// Types of chunks that say something of an association (RFC 9260 §3.2). Those of others move nothing.
pub mod kind {
    /// DATA.
    pub const DATA: u8 = 0;
    /// INIT.
    pub const INIT: u8 = 1;
    /// INIT ACK.
    pub const INIT_ACK: u8 = 2;
    /// HEARTBEAT.
    pub const HEARTBEAT: u8 = 4;
    /// HEARTBEAT ACK.
    pub const HEARTBEAT_ACK: u8 = 5;
    /// ABORT.
    pub const ABORT: u8 = 6;
    /// SHUTDOWN.
    pub const SHUTDOWN: u8 = 7;
    /// SHUTDOWN ACK.
    pub const SHUTDOWN_ACK: u8 = 8;
    /// ERROR.
    pub const ERROR: u8 = 9;
    /// COOKIE ECHO.
    pub const COOKIE_ECHO: u8 = 10;
    /// COOKIE ACK.
    pub const COOKIE_ACK: u8 = 11;
    /// SHUTDOWN COMPLETE.
    pub const SHUTDOWN_COMPLETE: u8 = 14;
}

/// A chunk that says something of its association: its type, and above that whether it has the T flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk(pub u8);

impl Chunk {
    const BITS: u32 = 5;
    /// The sender has no association, and the verification tag is its own (RFC 9260 §8.5.1).
    const T: u8 = 1;

    #[inline(always)]
    const fn new(kind: u8, flags: u8) -> Self {
        Self(kind | (flags & Self::T) << 4)
    }

    /// Its type: one of [`kind`].
    #[inline(always)]
    pub const fn kind(self) -> u8 {
        self.0 & 0xf
    }

    /// Whether its packet bears the sender's own tag.
    #[inline(always)]
    pub const fn reflects_tag(self) -> bool {
        self.0 & 0x10 != 0
    }
}

/// How far the chunks of a packet have been gone through, and what was found: from the lowest bit on 16 of the offset of the next
/// one, 7 times 5 of a [`Chunk`], 3 of how many those are, then flags.
///
/// A number, since that is all that a function which the verifier proves by itself can return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan(pub u64);

impl Scan {
    /// Before the first one.
    pub const NEW: Self = Self(HEADER as u64);
    /// Most chunks that say something and are remembered; those behind them say nothing here.
    pub const MOST: u32 = 7;
    /// Most chunks that are looked at. Those that say something come before data (RFC 9260 §6.10).
    const LOOKS: u32 = 64;

    const LIST: u32 = 16;
    const COUNT: u32 = Self::LIST + Self::MOST * Chunk::BITS;
    const FLAGS: u32 = Self::COUNT + 3;
    /// There is data.
    const DATA: u64 = 1 << Self::FLAGS;
    /// There is something that says nothing.
    const OTHER: u64 = 2 << Self::FLAGS;
    /// There is one that has to be alone.
    const ALONE: u64 = 4 << Self::FLAGS;
    /// It makes no sense.
    const BROKEN: u64 = 8 << Self::FLAGS;
    const DONE: u64 = 16 << Self::FLAGS;

    /// Goes through the chunks of the packet whose SCTP header is at `offset` and which has so many bytes from there on.
    #[inline(always)]
    pub fn of<P: Packet>(packet: &P, offset: u32, length: u32) -> Self {
        let mut scan = Self::NEW;
        for _ in 0..Self::LOOKS {
            scan = packet.chunk_step(offset, length, scan);
            if scan.has(Self::DONE) {
                break;
            }
        }
        scan
    }

    /// Goes past the next chunk, or finds that there is none.
    #[inline(always)]
    pub fn step<P: Packet>(self, packet: &P, offset: u32, length: u32) -> Self {
        let place = self.place();
        if place.wrapping_add(CHUNK_HEADER) > length {
            return self.with(Self::DONE);
        }
        let Some([word]) = packet.words::<1>(offset.wrapping_add(place)) else {
            return self.with(Self::DONE);
        };
        let word = u32::from_be(word);
        let (kind, flags, size) = ((word >> 24) as u8, (word >> 16) as u8, word & 0xffff);
        let with_kind = self.with(Self::flags_of(kind));
        let has_body = !is_one_of(INIT, kind) || place.wrapping_add(CHUNK_HEADER + INIT_BODY) <= length;
        let is_first = place == HEADER;
        if (with_kind.has(Self::ALONE) || is_one_of(FIRST, kind)) && !is_first || size == 0 || !has_body {
            return self.with(Self::BROKEN | Self::DONE);
        }
        let next = place.wrapping_add(size.wrapping_add(3) & !3);
        // No packet is as long.
        let next = if next > u16::MAX as u32 { u16::MAX as u32 } else { next };
        Self(with_kind.found(kind, flags).0 & !0xffff | next as u64)
    }

    /// Whether the chunks are such as may be in one packet.
    #[inline(always)]
    pub const fn makes_sense(self) -> bool {
        !self.has(Self::BROKEN) && self.place() != HEADER
    }

    /// Whether there is data.
    #[inline(always)]
    pub const fn has_data(self) -> bool {
        self.has(Self::DATA)
    }

    /// Whether there is anything that says nothing of the association.
    #[inline(always)]
    pub const fn has_other(self) -> bool {
        self.has(Self::OTHER)
    }

    /// The types of those that say something, each as the bit of its number.
    #[inline(always)]
    pub const fn kinds(self) -> u32 {
        let (mut kinds, mut place) = (0, 0);
        while place < Self::MOST {
            kinds |= 1_u32.wrapping_shl(self.nth(place) & 0xf);
            place = place.wrapping_add(1);
        }
        // Where there is none.
        kinds & !1
    }

    /// Whether there are as many that say something as are remembered, and maybe more.
    #[inline(always)]
    pub const fn is_full(self) -> bool {
        self.count() == Self::MOST
    }

    /// One of those that say something, if there are so many.
    #[inline(always)]
    pub const fn chunk(self, place: u32) -> Option<Chunk> {
        if place >= Self::MOST {
            return None;
        }
        let chunk = self.nth(place) as u8;
        if chunk == 0 { None } else { Some(Chunk(chunk)) }
    }

    #[inline(always)]
    const fn nth(self, place: u32) -> u32 {
        self.0.wrapping_shr(Self::LIST.wrapping_add(place.wrapping_mul(Chunk::BITS))) as u32 & 0x1f
    }

    #[inline(always)]
    const fn flags_of(kind: u8) -> u64 {
        let data = if kind == kind::DATA { Self::DATA } else { 0 };
        let other = if is_one_of(SAY_SOMETHING, kind) { 0 } else { Self::OTHER };
        let alone = if is_one_of(ALONE, kind) { Self::ALONE } else { 0 };
        data | other | alone
    }

    #[inline(always)]
    const fn found(self, kind: u8, flags: u8) -> Self {
        if !is_one_of(SAY_SOMETHING, kind) || self.is_full() {
            return self;
        }
        let place = Self::LIST.wrapping_add(self.count().wrapping_mul(Chunk::BITS));
        let chunk = (Chunk::new(kind, flags).0 as u64).wrapping_shl(place);
        Self((self.0 | chunk).wrapping_add(1 << Self::COUNT))
    }

    #[inline(always)]
    const fn count(self) -> u32 {
        (self.0 >> Self::COUNT) as u32 & 7
    }

    #[inline(always)]
    const fn place(self) -> u32 {
        self.0 as u32 & 0xffff
    }

    #[inline(always)]
    const fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }

    #[inline(always)]
    const fn with(self, flags: u64) -> Self {
        Self(self.0 | flags)
    }
}

/// Types as bits.
const SAY_SOMETHING: u32 = ALONE
    | FIRST
    | 1 << kind::HEARTBEAT
    | 1 << kind::HEARTBEAT_ACK
    | 1 << kind::ABORT
    | 1 << kind::SHUTDOWN
    | 1 << kind::SHUTDOWN_ACK
    | 1 << kind::ERROR;
/// Those with no others beside them.
const ALONE: u32 = 1 << kind::INIT | 1 << kind::INIT_ACK | 1 << kind::SHUTDOWN_COMPLETE;
/// Those with no others before them.
const FIRST: u32 = 1 << kind::COOKIE_ECHO | 1 << kind::COOKIE_ACK;
const INIT: u32 = 1 << kind::INIT | 1 << kind::INIT_ACK;

#[inline(always)]
const fn is_one_of(kinds: u32, kind: u8) -> bool {
    kind < 32 && kinds.wrapping_shr(kind as u32) & 1 != 0
}

//! TCP flags and options (RFC 9293 §3.1).

use super::Packet;

/// FIN.
pub const FIN: u8 = 0x01;
/// SYN.
pub const SYN: u8 = 0x02;
/// RST.
pub const RST: u8 = 0x04;
/// PSH.
pub const PSH: u8 = 0x08;
/// ACK.
pub const ACK: u8 = 0x10;
/// URG.
pub const URG: u8 = 0x20;
/// ECE (RFC 3168).
pub const ECE: u8 = 0x40;
/// CWR (RFC 3168).
pub const CWR: u8 = 0x80;

/// Offset in the header of the word that holds the flags.
pub const FLAGS_OFFSET: u32 = 12;

/// Bytes of the header without options.
pub const HEADER: u32 = 20;
/// Most bytes of options.
const MAX_OPTIONS: u32 = 40;

/// The flags in the word at [`FLAGS_OFFSET`] as it lay in the packet.
#[inline(always)]
pub const fn flags(word: u32) -> u8 {
    (u32::from_be(word) >> 16) as u8
}

/// Bytes of the header, options included, from the word at [`FLAGS_OFFSET`].
#[inline(always)]
pub const fn header_len(word: u32) -> u32 {
    (u32::from_be(word) >> 28) << 2
}

/// Whether the header at `offset` has an option of this kind, as xt_tcpudp looks for it: it reads on behind the end of
/// the list, too. Nothing if the header is cut off.
#[inline(always)]
pub fn has_option<P: Packet>(packet: &P, offset: u32, kind: u8) -> Option<bool> {
    let [word] = packet.words::<1>(offset.wrapping_add(FLAGS_OFFSET))?;
    let options = offset.wrapping_add(HEADER);
    let length = header_len(word).checked_sub(HEADER)?;
    let mut place = 0;
    for _ in 0..MAX_OPTIONS {
        if place >= length {
            return Some(false);
        }
        let found = byte(packet, options, place)?;
        if found == kind {
            return Some(true);
        }
        let has_length = found >= 2 && place.wrapping_add(1) < length;
        let skip = if has_length { byte(packet, options, place.wrapping_add(1))? } else { 1 };
        place = place.wrapping_add(if skip == 0 { 1 } else { skip as u32 });
    }
    Some(false)
}

/// What a SYN offers: bits, and below them by how much it scales windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options(pub u16);

impl Options {
    /// There are options at all.
    pub const PRESENT: u16 = 1 << 8;
    /// Windows are scaled.
    pub const SCALES: u16 = 1 << 9;
    /// Selective acknowledgements may be sent.
    pub const SACK: u16 = 1 << 10;

    /// Largest power of two that a window may be scaled by (RFC 7323 §2.3).
    const MOST: u8 = 14;

    /// In seven bits.
    #[inline(always)]
    pub const fn number(self) -> u32 {
        (self.0 as u32 >> 8 & 7) << 4 | self.scale() as u32
    }

    /// From such bits.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        Self((number << 4 & 0x700) as u16 | (number & 0xf) as u16)
    }

    /// Whether a bit is set.
    #[inline(always)]
    pub const fn has(self, bit: u16) -> bool {
        self.0 & bit != 0
    }

    /// By what power of two its sender's windows are scaled.
    #[inline(always)]
    pub const fn scale(self) -> u8 {
        let scale = self.0 as u8;
        if scale > Self::MOST { Self::MOST } else { scale }
    }
}

/// Kinds of options (RFC 9293 §3.1, RFC 7323 §2.2, RFC 2018 §§2 and 3).
const END: u8 = 0;
const NOTHING: u8 = 1;
const SCALE: u8 = 3;
const MAY_SELECT: u8 = 4;
const SELECTS: u8 = 5;

/// Bytes of a block that is acknowledged selectively.
const BLOCK: u32 = 8;
/// Most blocks that there is room for.
const BLOCKS: u32 = 4;

/// The options that nearly all segments have that have any: no others, and a timestamp (RFC 7323, appendix A).
const TIMESTAMP_ALONE: (u32, u32) = (12, 0x0101_080a);

/// How far the options of a header have been gone through, and what was found: from the lowest bit on 8 of the place of the
/// next one, 8 of how many bytes there are, 16 of [`Options`], 8 of the place of the first list of blocks that are acknowledged
/// selectively, 8 of how many bytes that has, and one that says that there is no more to be found.
///
/// A number, since that is all that a function which the verifier proves by itself can return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan(pub u64);

impl Scan {
    const DONE: u64 = 1 << 48;

    /// Before the first of so many bytes.
    #[inline(always)]
    pub const fn new(length: u32) -> Self {
        let present = if length == 0 { 0 } else { Options::PRESENT as u64 };
        Self((length as u64 & 0xff) << 8 | present << 16)
    }

    /// Whether there is no more to be found.
    #[inline(always)]
    pub const fn is_done(self) -> bool {
        self.0 & Self::DONE != 0
    }

    /// What was offered.
    #[inline(always)]
    pub const fn options(self) -> Options {
        Options((self.0 >> 16) as u16)
    }

    const fn done(self) -> Self {
        Self(self.0 | Self::DONE)
    }

    /// Goes past the next option of the header at `offset`, or finds that there is none, or none that makes sense.
    #[inline(always)]
    pub fn step<P: Packet>(self, packet: &P, offset: u32) -> Self {
        let options = offset.wrapping_add(HEADER);
        let (place, length) = (self.0 as u32 & 0xff, (self.0 >> 8) as u32 & 0xff);
        let Some(kind) = byte(packet, options, place).filter(|_| place < length) else { return self.done() };
        match kind {
            END => self.done(),
            NOTHING => self.after(1),
            _ => {
                let left = length.wrapping_sub(place);
                let size = byte(packet, options, place.wrapping_add(1)).filter(|_| left >= 2);
                match size {
                    Some(size) if size >= 2 && size as u32 <= left => {
                        let scale = byte(packet, options, place.wrapping_add(2)).unwrap_or(0);
                        self.found(kind, size, scale).after(size)
                    }
                    _ => self.done(),
                }
            }
        }
    }

    const fn after(self, size: u8) -> Self {
        // No more than a byte, since both are less than 64.
        Self(self.0.wrapping_add(size as u64))
    }

    #[inline(always)]
    const fn found(self, kind: u8, size: u8, scale: u8) -> Self {
        let Self(scan) = self;
        let (blocks, has_blocks) = ((size as u32).wrapping_sub(2), (scan >> 40) as u8 != 0);
        match (kind, size) {
            (MAY_SELECT, 2) => Self(scan | (Options::SACK as u64) << 16),
            (SCALE, 3) => Self(scan & !(0xff << 16) | (Options::SCALES as u64) << 16 | (scale as u64) << 16),
            (SELECTS, _) if blocks != 0 && blocks & (BLOCK - 1) == 0 && !has_blocks => {
                Self(scan | (scan & 0xff) << 32 | (blocks as u64) << 40)
            }
            _ => self,
        }
    }
}

/// Goes through the options of the header at `offset`, whose word at [`FLAGS_OFFSET`] is given.
#[inline(always)]
pub fn scan<P: Packet>(packet: &P, offset: u32, word: u32) -> Scan {
    let mut scan = Scan::new(header_len(word).saturating_sub(HEADER));
    for _ in 0..MAX_OPTIONS {
        scan = packet.scan_step(offset, scan);
        if scan.is_done() {
            break;
        }
    }
    scan
}

/// Whether the only option of the header at `offset` is a timestamp, as it nearly always is where there are any.
#[inline(always)]
pub fn is_timestamp_alone<P: Packet>(packet: &P, offset: u32, word: u32) -> bool {
    let (length, first) = TIMESTAMP_ALONE;
    header_len(word) == HEADER.wrapping_add(length)
        && packet.words::<1>(offset.wrapping_add(HEADER)) == Some([u32::to_be(first)])
}

/// The right edge of whichever of the blocks that were found in the header at `offset` ends last, or `acknowledged` if that
/// comes after all.
#[inline(always)]
pub fn last_edge<P: Packet>(packet: &P, offset: u32, scan: Scan, acknowledged: u32) -> u32 {
    let (place, length) = ((scan.0 >> 32) as u32 & 0xff, (scan.0 >> 40) as u32 & 0xff);
    let first = offset.wrapping_add(HEADER).wrapping_add(place).wrapping_add(2);
    let mut last = acknowledged;
    for block in 0..BLOCKS {
        let place = block.wrapping_mul(BLOCK);
        if place >= length {
            break;
        }
        let Some([edge]) = packet.words::<1>(first.wrapping_add(place).wrapping_add(4)) else { break };
        let edge = u32::from_be(edge);
        if last.wrapping_sub(edge).cast_signed() < 0 {
            last = edge;
        }
    }
    last
}

/// A byte of the options, read as part of its word, since options are whole words and may be the packet's last.
#[inline(always)]
fn byte<P: Packet>(packet: &P, options: u32, place: u32) -> Option<u8> {
    let [word] = packet.words::<1>(options.wrapping_add(place & !3))?;
    Some((u32::from_be(word) >> (24 - (place & 3) * 8)) as u8)
}

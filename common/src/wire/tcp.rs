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

/// What the SYN whose header is at `offset` offers, as far as its options make sense.
#[inline(always)]
pub fn offers<P: Packet>(packet: &P, offset: u32) -> Options {
    let mut offered = 0;
    let mut list = List::new(packet, offset);
    if list.left != 0 {
        offered |= Options::PRESENT;
    }
    for _ in 0..MAX_OPTIONS {
        let Some((kind, size)) = list.next() else { break };
        match (kind, size) {
            (MAY_SELECT, 2) => offered |= Options::SACK,
            (SCALE, 3) => {
                let Some(scale) = list.byte(2) else { break };
                offered = offered & 0xff00 | Options::SCALES | scale as u16;
            }
            _ => {}
        }
        list.skip(size);
    }
    Options(offered)
}

/// The right edge of the last block that the segment whose header is at `offset` acknowledges selectively, or `acknowledged`
/// if that comes after it.
#[inline(always)]
pub fn selective<P: Packet>(packet: &P, offset: u32, acknowledged: u32) -> u32 {
    let mut list = List::new(packet, offset);
    if list.is_timestamp_alone() {
        return acknowledged;
    }
    for _ in 0..MAX_OPTIONS {
        let Some((kind, size)) = list.next() else { break };
        let length = size.wrapping_sub(2);
        if kind == SELECTS && length != 0 && length & (BLOCK - 1) == 0 {
            return list.last_edge(length, acknowledged);
        }
        list.skip(size);
    }
    acknowledged
}

/// What is left of a header's options.
struct List<'a, P> {
    packet: &'a P,
    /// Where they begin.
    options: u32,
    place: u32,
    left: u32,
}

impl<'a, P: Packet> List<'a, P> {
    #[inline(always)]
    fn new(packet: &'a P, offset: u32) -> Self {
        let length = match packet.words::<1>(offset.wrapping_add(FLAGS_OFFSET)) {
            Some([word]) => header_len(word).saturating_sub(HEADER),
            None => 0,
        };
        Self { packet, options: offset.wrapping_add(HEADER), place: 0, left: length }
    }

    #[inline(always)]
    fn byte(&self, ahead: u32) -> Option<u8> {
        byte(self.packet, self.options, self.place.wrapping_add(ahead))
    }

    /// Kind and size of the next option but those without meaning, if it makes sense.
    #[inline(always)]
    fn next(&mut self) -> Option<(u8, u32)> {
        if self.left == 0 {
            return None;
        }
        let kind = self.byte(0)?;
        if kind == END {
            return None;
        }
        if kind == NOTHING {
            return Some((NOTHING, 1));
        }
        if self.left < 2 {
            return None;
        }
        let size = self.byte(1)? as u32;
        if size < 2 || size > self.left { None } else { Some((kind, size)) }
    }

    #[inline(always)]
    const fn skip(&mut self, size: u32) {
        self.place = self.place.wrapping_add(size);
        self.left = self.left.saturating_sub(size);
    }

    #[inline(always)]
    fn is_timestamp_alone(&self) -> bool {
        let (length, first) = TIMESTAMP_ALONE;
        self.left == length && self.packet.words::<1>(self.options) == Some([u32::to_be(first)])
    }

    /// The right edge of whichever of the blocks here, of so many bytes, ends last, or `acknowledged` if that comes after
    /// all.
    #[inline(always)]
    fn last_edge(&self, length: u32, acknowledged: u32) -> u32 {
        let mut last = acknowledged;
        let mut place = 2;
        for _ in 0..BLOCKS {
            if place > length {
                break;
            }
            let Some(edge) = self.number(place.wrapping_add(4)) else { break };
            if last.wrapping_sub(edge).cast_signed() < 0 {
                last = edge;
            }
            place = place.wrapping_add(BLOCK);
        }
        last
    }

    /// A number of four bytes, wherever it begins.
    #[inline(always)]
    fn number(&self, ahead: u32) -> Option<u32> {
        let mut number = 0;
        for place in 0..4 {
            number = number << 8 | self.byte(ahead.wrapping_add(place))? as u32;
        }
        Some(number)
    }
}

/// A byte of the options, read as part of its word, since options are whole words and may be the packet's last.
#[inline(always)]
fn byte<P: Packet>(packet: &P, options: u32, place: u32) -> Option<u8> {
    let [word] = packet.words::<1>(options.wrapping_add(place & !3))?;
    Some((u32::from_be(word) >> (24 - (place & 3) * 8)) as u8)
}

//! TCP flags and options (RFC 9293 §3.1).

use super::Packet;

/// FIN.
pub const FIN: u8 = 0x01;
/// SYN.
pub const SYN: u8 = 0x02;
/// RST.
pub const RST: u8 = 0x04;
/// ACK.
pub const ACK: u8 = 0x10;

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

/// A byte of the options, read as part of its word, since options are whole words and may be the packet's last.
#[inline(always)]
fn byte<P: Packet>(packet: &P, options: u32, place: u32) -> Option<u8> {
    let [word] = packet.words::<1>(options.wrapping_add(place & !3))?;
    Some((u32::from_be(word) >> (24 - (place & 3) * 8)) as u8)
}

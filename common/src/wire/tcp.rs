//! TCP flags (RFC 9293 §3.1).

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

//! GRE (RFC 2784) with keys (RFC 2890).

const CHECKSUM: u32 = 0x8000_0000;
const KEY: u32 = 0x2000_0000;

/// Offset of the key behind the start of the header whose first word (as it lay in the packet) is given, if it has
/// one.
#[inline(always)]
pub const fn key_offset(word: u32) -> Option<u32> {
    let flags = u32::from_be(word);
    match (flags & KEY != 0, flags & CHECKSUM != 0) {
        (false, _) => None,
        (true, false) => Some(4),
        (true, true) => Some(8),
    }
}

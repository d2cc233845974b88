//! The Internet checksum (RFC 1071).

/// Sum of words as they lie in the packet, to be [finished](finish) or added to others. (The order of bytes does not
/// matter to a one's complement sum: RFC 1071 §2 (B).)
#[inline(always)]
pub fn words(words: &[u32]) -> u64 {
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word as u64))
}

/// The checksum for such a sum, in host byte order.
#[inline(always)]
pub const fn finish(sum: u64) -> u16 {
    u16::from_be(!fold(fold(sum)) as u16)
}

/// Adds the parts of a sum above its lowest 16 bits to those. Twice leaves none above, if there were no more than 2²⁴
/// words.
#[inline(always)]
const fn fold(sum: u64) -> u64 {
    let sum = (sum & 0xffff_ffff).wrapping_add(sum >> 32);
    let sum = (sum & 0xffff).wrapping_add(sum >> 16 & 0xffff).wrapping_add(sum >> 32);
    (sum & 0xffff).wrapping_add(sum >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> u16 {
        let sum = bytes.chunks_exact(4).fold(0_u64, |sum, word| {
            sum + words(&[u32::from_ne_bytes([word[0], word[1], word[2], word[3]])])
        });
        finish(sum)
    }

    #[test]
    fn sums_are_folded() {
        // RFC 1071 §3: the sum is ddf2.
        assert_eq!(of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(of(&[0xff; 4_000]), 0);
        assert_eq!(of(&[0; 4]), 0xffff);
        assert_eq!(finish(u64::MAX), 0);
    }
}

//! IPv6 (RFC 8200) and its extension headers.

use super::{Packet, lower};
use crate::abi::{address::Address, units::Protocol};

/// Bytes of the fixed header.
pub const HEADER: u32 = 40;

/// Most extension headers that are looked through. RFC 8200 §4.1 knows six, one of them twice.
pub const MAX_EXTENSIONS: u32 = 8;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
const HIP: u8 = 139;
const SHIM6: u8 = 140;

/// The fixed IPv6 header.
#[derive(Clone, Copy)]
pub struct Ipv6([u32; 10]);

impl Ipv6 {
    /// A view on the first ten words, if they are an IPv6 header.
    #[inline(always)]
    pub const fn new(words: [u32; 10]) -> Option<Self> {
        if u32::from_be(words[0]) >> 28 == 6 { Some(Self(words)) } else { None }
    }

    /// The protocol or extension header that follows.
    #[inline(always)]
    pub const fn next_header(&self) -> u8 {
        (u32::from_be(self.0[1]) >> 8) as u8
    }

    /// Source address.
    #[inline(always)]
    pub const fn source(&self) -> Address {
        Address([self.0[2], self.0[3], self.0[4], self.0[5]])
    }

    /// Destination address.
    #[inline(always)]
    pub const fn destination(&self) -> Address {
        Address([self.0[6], self.0[7], self.0[8], self.0[9]])
    }
}

/// Where the extension headers lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// The protocol behind them.
    pub protocol: Protocol,
    /// Its offset in the packet.
    pub offset: u32,
    /// The fragment header's offset (in units of eight bytes, upper 13 bits) and more-fragments flag (lowest bit).
    pub fragment: u16,
    /// The fragment header's identification as it lay in the packet.
    pub fragment_id: u32,
}

/// Follows the extension headers from `next`, which begins at `offset`; nothing if they are cut off or more than
/// [`MAX_EXTENSIONS`].
#[inline(always)]
pub fn upper_layer<P: Packet>(packet: &P, next: u8, offset: u32) -> Option<Upper> {
    let mut upper = Upper { protocol: Protocol(next), offset, fragment: 0, fragment_id: 0 };
    for _ in 0..MAX_EXTENSIONS {
        let kind = upper.protocol.0;
        if !is_extension(kind) {
            return Some(upper);
        }
        let [first, second] = packet.rare_words::<2>(upper.offset)?;
        let length = u32::from_be(first) >> 16 & 0xff;
        let bytes = match kind {
            FRAGMENT => {
                upper.fragment = lower(first);
                upper.fragment_id = second;
                8
            }
            // RFC 4302 §2.2: in words, less two.
            AUTHENTICATION => length.wrapping_add(2) << 2,
            _ => length.wrapping_add(1) << 3,
        };
        upper.protocol = Protocol((u32::from_be(first) >> 24) as u8);
        upper.offset = upper.offset.wrapping_add(bytes);
        if upper.fragment & 0xfff8 != 0 {
            return Some(upper);
        }
    }
    if is_extension(upper.protocol.0) { None } else { Some(upper) }
}

#[inline(always)]
const fn is_extension(kind: u8) -> bool {
    matches!(kind, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION | MOBILITY | HIP | SHIM6)
}

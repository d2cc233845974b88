//! IPv4 (RFC 791).

use super::{lower, upper};
use crate::abi::{address::Address, units::Protocol};

/// Bytes of the header without options.
pub const HEADER: u32 = 20;

/// The fixed part of an IPv4 header.
#[derive(Clone, Copy)]
pub struct Ipv4([u32; 5]);

impl Ipv4 {
    /// A view on the first five words, if they are an IPv4 header.
    #[inline(always)]
    pub const fn new(words: [u32; 5]) -> Option<Self> {
        let view = Self(words);
        if u32::from_be(words[0]) >> 28 == 4 && view.header_len() >= 20 { Some(view) } else { None }
    }

    /// Bytes of the header, options included.
    #[inline(always)]
    pub const fn header_len(&self) -> u32 {
        (u32::from_be(self.0[0]) >> 24 & 0xf) << 2
    }

    /// Identification, the same in all fragments of a packet.
    #[inline(always)]
    pub const fn id(&self) -> u16 {
        upper(self.0[1])
    }

    /// Whether this is a fragment that is not the last.
    #[inline(always)]
    pub const fn more_fragments(&self) -> bool {
        lower(self.0[1]) & 0x2000 != 0
    }

    /// Where this fragment begins, in units of eight bytes.
    #[inline(always)]
    pub const fn fragment_offset(&self) -> u16 {
        lower(self.0[1]) & 0x1fff
    }

    /// What the packet carries.
    #[inline(always)]
    pub const fn protocol(&self) -> Protocol {
        Protocol((u32::from_be(self.0[2]) >> 16) as u8)
    }

    /// Source address.
    #[inline(always)]
    pub const fn source(&self) -> Address {
        Address::v4(self.0[3])
    }

    /// Destination address.
    #[inline(always)]
    pub const fn destination(&self) -> Address {
        Address::v4(self.0[4])
    }
}

//! A packet in memory.

use crate::{
    engine::{Headers, parse},
    wire::{
        Packet,
        ether::{self, EtherType},
    },
};

/// A packet's bytes.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Packet for Bytes<'_> {
    fn words<const N: usize>(&self, offset: u32) -> Option<[u32; N]> {
        let start = usize::try_from(offset).ok()?;
        let bytes = self.0.get(start..)?.get(..N.checked_mul(4)?)?;
        let mut words = [0; N];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_ne_bytes(bytes.try_into().ok()?);
        }
        Some(words)
    }
}

impl Bytes<'_> {
    /// The headers of the IP packet in an Ethernet frame; nothing for other frames and where they cannot be read.
    pub fn in_frame(&self) -> Option<Headers> {
        let (kind, offset) = ether::payload(self);
        self.at(kind, offset)
    }

    /// The headers of a packet that begins with its IP header.
    pub fn in_packet(&self) -> Option<Headers> {
        self.at(parse::version(self), 0)
    }

    /// The headers of the IP packet at `offset`.
    pub fn at(&self, kind: EtherType, offset: u32) -> Option<Headers> {
        let mut headers = Headers::EMPTY;
        parse::ip(self, kind, offset, &mut headers).then_some(headers)
    }
}

//! Views on packet bytes. A view is made from words that were really in the packet, so that its accessors cannot fail.

pub mod arp;
pub mod checksum;
pub mod ether;
pub mod ftp;
pub mod gre;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod neighbour;
pub mod sctp;
pub mod tcp;

/// The bytes of one packet.
pub trait Packet: Sized {
    /// `N` words from byte `offset` on, each as it lies in the packet (so in network byte order); nothing if the
    /// packet ends before.
    fn words<const N: usize>(&self, offset: u32) -> Option<[u32; N]>;

    /// As [`Self::words`], for what few packets have: it may take longer, and be easier to prove.
    #[inline(always)]
    fn rare_words<const N: usize>(&self, offset: u32) -> Option<[u32; N]> {
        self.words(offset)
    }

    /// As [`tcp::Scan::step`], which it is in the kernel, too, but as a function of its own: the verifier would go through it as
    /// often as there are ways through many.
    #[inline(always)]
    fn scan_step(&self, offset: u32, scan: tcp::Scan) -> tcp::Scan {
        scan.step(self, offset)
    }

    /// As [`sctp::Scan::step`], likewise.
    #[inline(always)]
    fn chunk_step(&self, offset: u32, length: u32, scan: sctp::Scan) -> sctp::Scan {
        scan.step(self, offset, length)
    }

    /// As [`sctp::Scan::of`], likewise.
    #[inline(always)]
    fn chunks(&self, offset: u32, length: u32) -> sctp::Scan {
        sctp::Scan::of(self, offset, length)
    }

    /// As [`ftp::Line::step`], likewise.
    #[inline(always)]
    fn line_step(&self, line: &mut ftp::Line, offset: u32) -> ftp::Told {
        line.step(self, offset)
    }
}

/// The upper half of a word as it lay in the packet, in host byte order.
#[inline(always)]
pub(crate) const fn upper(word: u32) -> u16 {
    (u32::from_be(word) >> 16) as u16
}

/// The lower half of a word as it lay in the packet, in host byte order.
#[inline(always)]
pub(crate) const fn lower(word: u32) -> u16 {
    u32::from_be(word) as u16
}

//! The chunks of a packet, as far as their association is moved on by them.

use crate::{
    engine::{Headers, question},
    wire::{
        Packet,
        sctp::{INITIATE_OFFSET, Scan, TAG_OFFSET, kind},
    },
};

/// Chunks, and the tags beside them, as these lie in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// The chunks.
    pub scan: Scan,
    /// The verification tag.
    pub tag: u32,
    /// The tag that an INIT or INIT ACK wants to be answered with.
    pub initiate: u32,
}

impl Chunks {
    /// Those of the packet whose headers are given, of `whole` bytes from the IP header on, unless that tells better. Nothing if
    /// it makes no sense.
    #[inline(always)]
    pub fn read<P: Packet>(packet: &P, headers: &Headers, whole: u32) -> Option<Self> {
        let [tag, _checksum] = packet.words::<2>(headers.transport.wrapping_add(TAG_OFFSET))?;
        let before = headers.transport.wrapping_sub(headers.network as u32);
        let length = question::length(packet, headers, whole)?.checked_sub(before)?;
        let scan = packet.chunks(headers.transport, length);
        if !scan.makes_sense() {
            return None;
        }
        let initiate = if scan.kinds() & (1 << kind::INIT | 1 << kind::INIT_ACK) == 0 {
            0
        } else {
            let [initiate] = packet.words::<1>(headers.transport.wrapping_add(INITIATE_OFFSET))?;
            initiate
        };
        Some(Self { scan, tag, initiate })
    }

    /// Whether an association, or another path of one, can begin with them: whether one that has [begun](super::Association::begin)
    /// with them finds none of them invalid.
    #[inline(always)]
    pub fn may_begin(&self) -> bool {
        const NEVER: u32 = 1 << kind::ABORT | 1 << kind::SHUTDOWN_COMPLETE | 1 << kind::COOKIE_ACK;
        const WITH_ANY_TAG: u32 = 1 << kind::HEARTBEAT_ACK | 1 << kind::SHUTDOWN_ACK;
        let (kinds, has_no_tag) = (self.scan.kinds(), self.tag == 0);
        let has = |kinds_asked: u32| kinds & kinds_asked != 0;
        if self.scan.has_other() || has(NEVER) {
            false
        } else if has(1 << kind::HEARTBEAT) {
            true
        } else if has(1 << kind::INIT | 1 << kind::COOKIE_ECHO) {
            has_no_tag
        } else {
            has_no_tag || has(WITH_ANY_TAG)
        }
    }

    /// Whether the verification tag is held against the association's as a whole, since no chunk has a rule of its own (RFC 9260
    /// §8.5).
    #[inline(always)]
    pub const fn are_under_tag(&self) -> bool {
        const OWN_RULES: u32 = 1 << kind::INIT
            | 1 << kind::SHUTDOWN_COMPLETE
            | 1 << kind::COOKIE_ECHO
            | 1 << kind::ABORT
            | 1 << kind::SHUTDOWN_ACK
            | 1 << kind::HEARTBEAT
            | 1 << kind::HEARTBEAT_ACK;
        self.scan.kinds() & OWN_RULES == 0
    }
}

//! Translation of addresses and ports: containers with a network of their own, as seen from outside.
//!
//! A flow that is translated has one entry, in its container's own zone, with the addresses that the container knows. Beside its slot
//! ([`Translation`]) stands what it is called outside, and a second table leads from that name back to the slot. A name counts as long
//! as the slot's flow lives and the two say the same of each other: nothing has to be deleted when a flow ends, and no slot ever
//! has more than one name. Who finds a name that does not count any more takes it over by compare-and-swap.
//!
//! What arrives at a published port goes on to the container, and what the name of its flow will be is only noted
//! ([`NatTables::note_pending`]) until there is a flow: it is opened once rules have let the packet through, and gets its name with
//! the first answer. So what rules drop leaves nothing that counts.

mod fragments;
mod from_node;
mod inward;
mod name;
mod outward;
pub mod own;
pub mod pending;
mod reflect;
mod tables;

pub use fragments::{follow_first, note_first};
pub use from_node::ask;
pub use inward::{arrive, arrive_about, go_in, is_forged, published, translated};
pub use name::{Beginning, Naming, Taken, begin, end, keeps, name_flow, retire, seize, take};
pub use outward::{
    Look, Path, Proposal, Sender, awaits, by_node, leave, leave_about, live, outside, propose, sender,
};
pub use reflect::{Ends, reflect, reflection};
pub use tables::{NatTables, TranslationEntry};

use super::{
    headers::{Headers, Kind, Part},
    tables::{FlowEntry, Which},
};
use crate::abi::{
    address::Address,
    flow::{End, FlowKey},
    nat::Translation,
    reason::Reason,
    units::{ContainerId, Nanos, Port, Protocol, Ticks},
};

/// How long it is remembered what a flow is to be called that nobody inside has answered yet. Each packet of it renews that, and a TCP
/// connection is tried again after no more than 64 s (`tcp_syn_retries`).
const PENDING_LIFETIME: Nanos = Nanos::seconds(120);

/// What becomes of a packet.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It stays as it is.
    AsItIs,
    /// The container's end is another, which was written where the caller said.
    Translated,
    /// It is dropped, and counted for the container.
    Dropped(ContainerId, Reason),
}

/// Tells the flows apart that a slot has had. The lower half tells their keys apart, the upper half those with the same key.
#[must_use]
#[inline(always)]
pub fn stamp(key: &FlowKey, created: Ticks) -> u64 {
    stamp_of(|place| key.word(place), created)
}

/// The same of a flow in its slot.
#[inline(always)]
pub(crate) fn stamp_of_flow<F: FlowEntry>(flow: &F) -> u64 {
    stamp_of(|place| flow.key_word(place), flow.created())
}

/// Neither zero nor [`BUSY`](crate::abi::nat::Translation::BUSY): the 32nd bit is set, and the 63rd is not.
#[inline(always)]
fn stamp_of(word: impl Fn(usize) -> u32, created: Ticks) -> u64 {
    // FNV-1a (Fowler, Noll, Vo; draft-eastlake-fnv) by words.
    let mut hash = 0x811c_9dc5_u32;
    for place in 0..FlowKey::WORDS {
        hash = (hash ^ word(place)).wrapping_mul(0x0100_0193);
    }
    ((created.0 & 0x7fff_ffff) as u64) << 32 | 1 << 31 | (hash >> 1) as u64
}

/// Whether a stamp is that of a flow, or of an earlier one with the same key.
#[inline(always)]
const fn is_of_key(stamp: u64, of_flow: u64) -> bool {
    stamp != Translation::BUSY && stamp as u32 == of_flow as u32
}

/// The end of the flow in a slot that is not at `remote`.
#[inline(always)]
fn other_end<F: FlowEntry>(flow: &F, remote: &Address) -> End {
    let address = |first: usize| {
        Address([
            flow.key_word(first),
            flow.key_word(first.wrapping_add(1)),
            flow.key_word(first.wrapping_add(2)),
            flow.key_word(first.wrapping_add(3)),
        ])
    };
    let (low, ports) = (address(0), flow.key_word(8));
    if low == *remote {
        End { address: address(4), port: Port((ports >> 16) as u16) }
    } else {
        End { address: low, port: Port(ports as u16) }
    }
}

impl Headers {
    /// Whether it has ports, or an id, that can be changed: those of protocols whose checksum is known.
    #[inline(always)]
    pub fn has_number(&self) -> bool {
        let has_ports = self.protocol == Protocol::TCP || self.protocol == Protocol::UDP;
        self.fragment != Part::Later && (self.kind == Kind::Query || has_ports && self.kind == Kind::Ports)
    }

    /// One of its ends.
    #[inline(always)]
    pub const fn end(&self, which: Which) -> End {
        match which {
            Which::Source => self.from(),
            Which::Destination => self.to(),
        }
    }

    /// The same with another end there. Of a query the id is at both ends.
    #[inline(always)]
    pub fn put(&mut self, which: Which, end: End) {
        match which {
            Which::Source => self.source = end.address,
            Which::Destination => self.destination = end.address,
        }
        let step = end.port.0.wrapping_sub(self.end(which).port.0);
        let is_query = matches!(self.kind, Kind::Query);
        if is_query || which == Which::Source {
            self.source_port = Port(self.source_port.0.wrapping_add(step));
        }
        if is_query || which == Which::Destination {
            self.destination_port = Port(self.destination_port.0.wrapping_add(step));
        }
    }
}

//! Ids of ICMP queries that several containers use with one destination at once, as every `ping` in a fresh pid namespace
//! does: whoever comes second goes by another id on the wire, and gets its own back in the reply (RFC 5508 §3.1, as NAT has it).
//!
//! Nothing but the flow remembers it. The other id follows from the container's own, and is found again by trying the same few.

use super::{
    flow,
    headers::{Headers, Kind, Part, Place},
    tables::{FlowEntry, Tables, Which},
};
use crate::abi::units::{ContainerId, Port, Zone};

/// How many other ids are tried. Where all are taken the container is refused.
const TRIES: u32 = 8;

/// Of the first number of a flow: its opener goes by another id than its own, which stands below.
const RENAMED: u64 = 1 << 16;

/// 2³² divided by the golden ratio (Knuth, The Art of Computer Programming, 6.4).
const SPREAD: u32 = 0x9e37_79b1;

/// No other ids, since what stands beside a packet that has got its own back might mean something else.
pub const RESERVED: [Port; 3] = [Port(0), Port(0xbe27), Port(0xbe28)];

/// Gives the headers of a request of `sender`'s the id that it goes by on the wire, if that is not its own; tells whether it is so. If
/// its flow is to be opened, [`note`] has to follow.
#[inline(always)]
pub fn rename<T: Tables>(tables: &T, headers: &mut Headers, (sender, zone): (ContainerId, Zone)) -> bool {
    if headers.kind != Kind::Query || !headers.is_requester(Which::Source) {
        return false;
    }
    let place = Place::in_zone(zone);
    let Some(hit) = flow::find(tables, headers, place) else { return false };
    let holder = hit.sender();
    if holder == sender
        || !holder.is_container()
        || tables.port_holder(headers, Which::Source) == Some(sender)
    {
        return false;
    }
    let own = headers.source_port;
    for turn in 0..TRIES {
        headers.give(candidate(own, sender, turn));
        let is_free = match flow::find(tables, headers, place) {
            Some(hit) => hit.sender() == sender && hit.entry.number(0) == RENAMED | own.0 as u64,
            None => tables.port_holder(headers, Which::Source).is_none_or(|holder| holder == sender),
        };
        if is_free && !RESERVED.contains(&headers.source_port) {
            return true;
        }
    }
    headers.give(own);
    false
}

/// The flow of a request of `sender`'s that was [renamed](rename) remembers the container's own id. False if there is none, or another
/// container was faster: no reply would find its way back.
#[inline(always)]
pub fn note<T: Tables>(
    tables: &T,
    headers: &Headers,
    (sender, zone): (ContainerId, Zone),
    own: Port,
) -> bool {
    match flow::find(tables, headers, Place::in_zone(zone)) {
        Some(hit) if hit.sender() == sender => {
            hit.entry.set_number(0, RENAMED | own.0 as u64);
            true
        }
        _ => false,
    }
}

/// The id that the reply has to have for the container that it is for, if that is another.
#[inline(always)]
pub fn own_id<T: Tables>(tables: &T, headers: &Headers, zone: Zone) -> Option<Port> {
    if headers.kind != Kind::Query
        || headers.fragment == Part::Later
        || !headers.is_requester(Which::Destination)
    {
        return None;
    }
    let hit = flow::find(tables, headers, Place::in_zone(zone))?;
    let number = hit.entry.number(0);
    if number & RENAMED != 0 { Some(Port(number as u16)) } else { None }
}

/// The id that is tried at this turn.
#[inline(always)]
fn candidate(own: Port, sender: ContainerId, turn: u32) -> Port {
    let seed = (own.0 as u32) << 16 ^ sender.0 ^ turn.wrapping_mul(SPREAD);
    Port((seed.wrapping_mul(SPREAD) >> 16) as u16)
}

impl Headers {
    /// Gives a query another id.
    #[inline(always)]
    pub fn give(&mut self, id: Port) {
        let own = if self.is_requester(Which::Source) { self.source_port } else { self.destination_port };
        let step = id.0.wrapping_sub(own.0);
        self.source_port = Port(self.source_port.0.wrapping_add(step));
        self.destination_port = Port(self.destination_port.0.wrapping_add(step));
    }
}

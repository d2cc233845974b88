//! Which packets may go through the node by the fast path, past its own stack: those of flows that are established, as TCP's are after the
//! handshake, and UDP's when they go on two seconds after an answer. So whoever looks on in the stack has seen how they have begun.

use super::{
    headers::{Headers, Kind, Part},
    nat::{NatTables, live},
    tables::FlowEntry,
};
use crate::{
    abi::{
        flow::State,
        units::{ContainerId, Zone},
    },
    wire::{Packet, ether, lower, upper},
};

/// Whether a packet may, which is on its way to or from container `id`, and looks as it does outside of that one's interface.
#[inline(always)]
pub fn may_pass<T: NatTables>(tables: &T, headers: &Headers, id: ContainerId) -> bool {
    let is_plain = headers.kind == Kind::Ports && headers.fragment == Part::Whole;
    is_plain
        && live(tables, headers, Zone::of(id)).is_some_and(|slot| {
            let state = slot.flow.state();
            state.has(State::ASSURED) && !state.has(State::OVER)
        })
}

/// How many hops a packet has left, if the stack would have no more to do with it than to count one: it has no options, and comes as far
/// as the next one.
#[inline(always)]
pub fn hops<P: Packet>(packet: &P, headers: &Headers) -> Option<u8> {
    const PLAIN: u16 = 0x45;
    let network = headers.network as u32;
    let (length, hops) = if headers.source.is_v4() {
        let [first, _, third] = packet.words::<3>(network)?;
        (if upper(first) >> 8 == PLAIN { 20 } else { 0 }, upper(third) >> 8)
    } else {
        let [second] = packet.words::<1>(network.wrapping_add(4))?;
        (40, lower(second) & 0xff)
    };
    let is_plain = network == ether::HEADER && headers.transport == network.wrapping_add(length);
    if is_plain && hops > 1 { Some(hops as u8) } else { None }
}

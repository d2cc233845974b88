//! ICMP errors, by the packets that they are about.

use super::{
    super::{
        super::headers::{Headers, Part},
        NatTables, TranslationEntry, other_end,
    },
    NO_SLOT, Whose, live, slot_of,
};
use crate::abi::nat::NatEnd;

/// Before all else: whom a packet was from that an ICMP error on a container's interface is about, if it bears a name: that end is written to `end`.
#[inline(always)]
pub fn arrive_about<T: NatTables>(tables: &T, quoted: &Headers, whose: Whose, end: &mut NatEnd) -> bool {
    if quoted.fragment == Part::Later {
        return false;
    }
    let zone = whose.before();
    let number = tables.own_number(quoted, zone);
    if number == NO_SLOT {
        return false;
    }
    let (Some(flow), Some(translation)) = (tables.slot(slot_of(number)), tables.translation(number)) else {
        return false;
    };
    *end = other_end(&flow, &quoted.destination).into();
    translation.faces(&quoted.destination, zone)
}

/// After all else: where it was going, if the flow has a name there.
#[inline(always)]
pub fn depart_about<T: NatTables>(tables: &T, quoted: &Headers, whose: Whose, end: &mut NatEnd) -> bool {
    if quoted.fragment == Part::Later {
        return false;
    }
    let Some(slot) = live(tables, quoted, whose.flows()) else { return false };
    tables.own_end(slot.number, &quoted.source, whose.after(), end) && *end != quoted.to().into()
}

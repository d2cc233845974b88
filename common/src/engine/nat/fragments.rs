//! Later fragments of a packet, which have no ports: they follow the first.

use super::{super::headers::Headers, NatTables};
use crate::abi::{
    nat::{NatEnd, NatFragment},
    units::{Nanos, Zone},
};

/// How long that holds.
const LIFETIME: Nanos = crate::engine::ingress::FRAGMENT_LIFETIME;

/// As [`NatTables::follow_first`].
#[inline(always)]
pub fn follow_first<T: NatTables>(tables: &T, headers: &Headers, zone: Zone, end: &mut NatEnd) -> bool {
    match tables.fragment(&headers.fragment_key(zone)) {
        Some(first) if first.expires > tables.now().0 => {
            end.address = first.address;
            true
        }
        _ => false,
    }
}

/// As [`NatTables::note_first`].
#[inline(always)]
pub fn note_first<T: NatTables>(tables: &T, headers: &Headers, zone: Zone, end: &NatEnd) {
    let fragment = NatFragment { expires: tables.now().after(LIFETIME).0, address: end.address };
    tables.keep_fragment(&headers.fragment_key(zone), &fragment);
}

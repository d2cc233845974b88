//! What a flow that has come by a published port is to be called outside, until it has been answered: a [table of places](super::super::places),
//! so that whoever is flooded with connections loses none but his own.

use super::{
    super::{
        flow_table::hash,
        places::{self, Bucket, Place},
    },
    NatTables,
};
use crate::abi::{
    flow::FlowKey,
    nat::{NatPending, PENDING_PLACES},
    units::ContainerId,
};

/// What is noted of the flow with this key in its container's zone, if it still holds.
#[inline(always)]
pub fn find<T: NatTables>(tables: &T, key: &FlowKey) -> Option<NatPending> {
    bucket(tables, key)?.find(key)
}

/// Notes it. If somebody else is just writing at this place, one of the two flows gets no name with its first packet.
#[inline(always)]
pub fn keep<T: NatTables>(tables: &T, number: u32, key: &FlowKey, pending: &NatPending) {
    if let Some(place) = tables.pending_place(number) {
        places::keep(place, key, pending);
    }
}

/// The place where something is to be noted that is for `owner`.
#[inline(always)]
pub fn choose<T: NatTables>(tables: &T, key: &FlowKey, owner: ContainerId) -> Option<u32> {
    bucket(tables, key)?.choose(key, owner)
}

/// Hashed as flows are, so that nobody can aim at a bucket.
#[inline(always)]
fn bucket<T: NatTables>(
    tables: &T,
    key: &FlowKey,
) -> Option<Bucket<impl Fn(u32) -> Option<T::PendingPlace>>> {
    let hash = hash::chosen(tables.shape()?, |place| key.word(place));
    let at = |number| tables.pending_place(number);
    Some(Bucket { at, first: places::first_of(hash, PENDING_PLACES), now: tables.now() })
}

/// What [`Place`] is to what is pending.
pub trait PendingPlace: Place<Kept = NatPending> {}

impl<P: Place<Kept = NatPending>> PendingPlace for P {}

impl places::Key for FlowKey {
    #[inline(always)]
    fn word(&self, number: usize) -> u32 {
        Self::word(self, number)
    }
}

const _: () =
    assert!(FlowKey::WORDS == places::KEY_WORDS && (PENDING_PLACES / places::WAYS).is_power_of_two());

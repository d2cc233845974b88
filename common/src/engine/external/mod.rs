//! Checks that keep something beside the ruleset, so that it outlives it ([`crate::abi::guard`]): netfilter's, as far as
//! users can tell.

pub mod connlimit;
pub mod hashlimit;
pub mod recent;

use super::{
    classify::External,
    headers::{Headers, Kind},
    quota::Account,
    tables::{InsertError, Tables, UsageWord},
};
use crate::{
    abi::{
        container::Container,
        guard::{Bucket, BucketKey, CountKey, Counted, CountedKey, ObjectKey, RecentList},
        units::{ContainerId, Port, Protocol},
    },
    wire::{Packet, lower, upper},
};

/// Where such checks keep what they keep.
pub trait Guards: Tables {
    /// A bucket.
    fn bucket(&self, key: &BucketKey) -> Option<BucketWords<Self::Word>>;
    /// A new bucket.
    fn insert_bucket(&self, key: &BucketKey, bucket: &Bucket) -> Result<(), InsertError>;
    /// Has a list of recent addresses looked at, and perhaps changed, while nobody else does so. Nothing if there is none.
    fn recent<R>(&self, key: &ObjectKey, ask: impl FnOnce(&mut RecentList) -> R) -> Option<R>;
    /// A flow that is counted.
    fn counted(&self, key: &CountedKey) -> Option<Counted>;
    /// One more flow that is counted.
    fn insert_counted(&self, key: &CountedKey, counted: &Counted) -> Result<(), InsertError>;
    /// Deletes a flow that is counted; tells whether it was there.
    fn remove_counted(&self, key: &CountedKey) -> bool;
    /// How many flows of an address are counted.
    fn count(&self, key: &CountKey) -> Option<Self::Word>;
    /// The same of one more address.
    fn insert_count(&self, key: &CountKey, count: u64) -> Result<(), InsertError>;
    /// The number of a connlimit of a container, by its place among them.
    fn connlimit(&self, id: ContainerId, place: u32) -> Option<u32>;
    /// Whether rules still keep something for an object.
    fn has_object(&self, key: &ObjectKey) -> bool;
}

/// A [`Bucket`], as several processors see it at once.
#[derive(Clone, Copy)]
pub struct BucketWords<W> {
    /// [`Bucket::full_at`].
    pub full_at: W,
    /// [`Bucket::expires`].
    pub expires: W,
}

/// The object that a check of this container's rules is about; nothing if there is no such container.
#[inline(always)]
pub fn object<T: Tables>(tables: &T, id: ContainerId, check: &External) -> Option<ObjectKey> {
    let container = tables.container(id)?;
    Some(ObjectKey { container: id, generation: container.generation, number: check.id })
}

/// Where what the rules of a container remember is counted.
#[inline(always)]
fn account<T: Tables>(tables: &T, id: ContainerId) -> Option<Account<T::Word>> {
    let limit = tables.container(id)?.guard_limit;
    let words = [UsageWord::GuardsHeld, UsageWord::GuardsMax, UsageWord::GuardsFailed];
    Account::new(tables, id, limit, words)
}

/// Gives back so many of what was kept for an object. What an earlier container of the id held is
/// forgotten with it.
#[inline(always)]
fn give<T: Tables>(tables: &T, object: &ObjectKey, count: u64) {
    let is_current = |container: &Container| container.generation == object.generation;
    if tables.container(object.container).as_ref().is_some_and(is_current)
        && let Some(account) = account(tables, object.container)
    {
        account.give_back(count);
    }
}

/// Source and destination port as matches see them that tell packets apart by ports: those of protocols without any are
/// zero, those of ESP the halves of its index, which stands in their place. Nothing where they are cut off.
#[inline(always)]
fn ports<P: Packet>(packet: &P, headers: &Headers) -> Option<(Port, Port)> {
    match (headers.kind, headers.protocol) {
        (Kind::Ports, _) => Some((headers.source_port, headers.destination_port)),
        (Kind::Bare, Protocol::DCCP | Protocol::ESP) => {
            let [word] = packet.words::<1>(headers.transport)?;
            Some((Port(upper(word)), Port(lower(word))))
        }
        _ => Some((Port(0), Port(0))),
    }
}

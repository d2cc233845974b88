//! Port reservations: who holds a port, and how it is claimed and given up.
//!
//! One word holds the claim on a key ([`Claim`]), another sums up all keys of a port ([`Summary`]), so that a packet to
//! a port that nobody has reserved costs one array access. Both words change by compare-and-swap. A key that nobody
//! holds may stay in the map for a while and is claimed again in place; who deletes it has marked it dead before.

use super::{
    headers::{Headers, Kind},
    quota,
    tables::{InsertError, Tables, Which, Word},
};
use crate::abi::{
    address::Address,
    container::Container,
    port::{Claim, PortKey, Summary},
    reason::Reason,
    units::ContainerId,
};

/// How often a lost race is run again. Each loss means that another processor has won.
const ATTEMPTS: u32 = 8;

/// A refusal to reserve: why, and who holds the port where that is the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// The container that holds the port, or [`ContainerId::UNOWNED`].
    pub holder: ContainerId,
}

/// As [`Tables::port_holder`]: who has reserved one end of the packet, its exact address before the wildcard.
#[inline(always)]
pub fn holder<T: Tables>(tables: &T, headers: &Headers, end: Which) -> Option<ContainerId> {
    let local = match end {
        Which::Source => headers.from(),
        Which::Destination => headers.to(),
    };
    match headers.kind {
        Kind::Ports | Kind::Key => {}
        Kind::Query if headers.is_requester(end) => {}
        Kind::Query | Kind::IcmpError | Kind::Link | Kind::Bare => return None,
    }
    let key = PortKey::new(headers.protocol, local.address, local.port);
    let summary = tables.port_summary(key.summary_index()?)?;
    if Summary(summary.load()).keys() == 0 {
        return None;
    }
    holder_of_key(tables, &key).or_else(|| {
        let key = PortKey::new(headers.protocol, local.address.wildcard(), local.port);
        holder_of_key(tables, &key).filter(|holder| !is_elsewhere(tables, &local.address, *holder))
    })
}

/// Whether the address is that of another container with a network of its own: a wildcard does not reach there.
#[inline(always)]
fn is_elsewhere<T: Tables>(tables: &T, address: &Address, holder: ContainerId) -> bool {
    if !tables.has_container_addresses() {
        return false;
    }
    match tables.address(address) {
        Some(owner) if owner.is_container() && owner != holder => {
            tables.container(owner).is_some_and(|entry| entry.flags & Container::OWN_NETWORK != 0)
        }
        _ => false,
    }
}

/// The present epoch of the reservations.
#[inline(always)]
pub fn epoch<T: Tables>(tables: &T) -> u32 {
    tables.port_epoch().map_or(0, |epoch| epoch.load() as u32)
}

/// Reserves `key` with a `claim` (a socket's, or the operator's), within `limit` reservations of its owner.
#[inline(always)]
pub fn reserve<T: Tables>(tables: &T, key: &PortKey, claim: Claim, limit: u32) -> Result<(), Refusal> {
    let owner = claim.owner();
    // Before anything is changed: a summary that was once mixed stays so, which would lock the holder out.
    if let Some(holder) = conflict(tables, key, owner, summary(tables, key)) {
        return Err(Refusal { reason: Reason::BindConflict, holder });
    }
    if !take_key(tables, key, claim, limit)? {
        return Ok(());
    }
    // And after, since somebody may have been at it at the same time.
    let others = summarize(tables, key, |summary| summary.with(owner));
    if let Some(holder) = conflict(tables, key, owner, others) {
        release(tables, key, claim);
        return Err(Refusal { reason: Reason::BindConflict, holder });
    }
    if let Some(epoch) = tables.port_epoch() {
        epoch.add(1);
    }
    Ok(())
}

/// Gives up what [`reserve`] took with the same `claim`.
#[inline(always)]
pub fn release<T: Tables>(tables: &T, key: &PortKey, claim: Claim) {
    let Some(word) = tables.port(key) else { return };
    for _ in 0..ATTEMPTS {
        let old = Claim(word.load());
        if old.is_free() || old.is_dead() || old.owner() != claim.owner() {
            return;
        }
        let new = old.without(claim);
        if !word.swap(old.0, new.0) {
            continue;
        }
        if new.is_free() {
            let _ = summarize(tables, key, Summary::without_one);
            quota::give_port(tables, claim.owner());
        }
        return;
    }
}

/// Frees `key` whatever holds it, as for a container that goes. Tells whether it was held by `owner`.
#[inline(always)]
pub fn evict<T: Tables>(tables: &T, key: &PortKey, owner: ContainerId) -> bool {
    let Some(word) = tables.port(key) else {
        return false;
    };
    for _ in 0..ATTEMPTS {
        let old = Claim(word.load());
        if old.is_free() || old.is_dead() || old.owner() != owner {
            return false;
        }
        if word.swap(old.0, Claim::FREE.0) {
            let _ = summarize(tables, key, Summary::without_one);
            quota::give_port(tables, owner);
            return true;
        }
    }
    false
}

/// Marks a key that nobody holds as dead, so that the caller alone may delete it.
#[inline(always)]
pub fn retire<W: Word>(claim: W) -> bool {
    claim.swap(Claim::FREE.0, Claim::DEAD.0)
}

#[inline(always)]
fn holder_of_key<T: Tables>(tables: &T, key: &PortKey) -> Option<ContainerId> {
    let claim = Claim(tables.port(key)?.load());
    if claim.is_free() || claim.is_dead() { None } else { Some(claim.owner()) }
}

/// Takes the key itself; true if its owner did not hold it yet.
#[inline(always)]
fn take_key<T: Tables>(tables: &T, key: &PortKey, claim: Claim, limit: u32) -> Result<bool, Refusal> {
    let owner = claim.owner();
    let quota = Refusal { reason: Reason::PortQuota, holder: ContainerId::UNOWNED };
    for _ in 0..ATTEMPTS {
        let Some(word) = tables.port(key) else {
            if !quota::take_port(tables, owner, limit) {
                return Err(quota);
            }
            match tables.insert_port(key, claim) {
                Ok(()) => return Ok(true),
                Err(error) => {
                    quota::give_port(tables, owner);
                    match error {
                        InsertError::Exists => continue,
                        InsertError::Full => return Err(quota),
                    }
                }
            }
        };
        let old = Claim(word.load());
        if old.is_dead() {
            continue;
        }
        if old.is_free() {
            if !quota::take_port(tables, owner, limit) {
                return Err(quota);
            }
            if word.swap(old.0, claim.0) {
                if holder_of_key(tables, key) == Some(owner) {
                    return Ok(true);
                }
                // The key was swept in between, and its place is another's now.
                word.swap(claim.0, Claim::FREE.0);
            }
            quota::give_port(tables, owner);
        } else if old.owner() != owner {
            return Err(Refusal { reason: Reason::BindConflict, holder: old.owner() });
        } else if word.swap(old.0, old.and(claim).0) {
            return Ok(false);
        }
    }
    Err(Refusal { reason: Reason::BindConflict, holder: ContainerId::UNOWNED })
}

/// Who stands in the way of `owner`'s fresh claim on `key`: for a single address the holder of the wildcard, for the
/// wildcard anyone who holds any address.
#[inline(always)]
fn conflict<T: Tables>(tables: &T, key: &PortKey, owner: ContainerId, all: Summary) -> Option<ContainerId> {
    if all.keys() == 0 || all.owner() == owner {
        return None;
    }
    if key.address.is_wildcard() {
        return Some(all.owner());
    }
    let wildcard = PortKey::new(key.protocol, key.address.wildcard(), key.port);
    holder_of_key(tables, &wildcard).filter(|holder| *holder != owner)
}

/// The summary of the key's port.
#[inline(always)]
fn summary<T: Tables>(tables: &T, key: &PortKey) -> Summary {
    let word = key.summary_index().and_then(|index| tables.port_summary(index));
    Summary(word.map_or(0, |word| word.load()))
}

/// Changes the summary of the key's port, and returns what it became.
#[inline(always)]
fn summarize<T: Tables>(tables: &T, key: &PortKey, change: impl Fn(Summary) -> Summary) -> Summary {
    let word = key.summary_index().and_then(|index| tables.port_summary(index));
    let Some(word) = word else { return Summary(0) };
    for _ in 0..64 {
        let old = word.load();
        let new = change(Summary(old));
        if word.swap(old, new.0) {
            return new;
        }
    }
    Summary(word.load())
}

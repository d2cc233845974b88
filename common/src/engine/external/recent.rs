//! Lists of addresses that were seen (net/netfilter/xt_recent.c).
//!
//! A list is one value, and is asked under its lock: which address is the oldest, and what becomes of it, is a question about
//! all of them. The loops here do not branch on what they find: the kernel's verifier would follow either way, each time.

use core::hint::black_box;

use super::{Guards, account, give};
use crate::{
    abi::{
        address::Address,
        guard::{ObjectKey, RECENT_ADDRESSES, RECENT_STAMPS, RecentEntry, RecentList},
        rules::external::{Recent, RecentAction, Seen},
        units::Nanos,
    },
    engine::{classify::Answer, headers::Headers, quota::Account, tables::Word},
};

/// What of a packet is held against a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Source or destination, masked.
    pub address: Address,
    /// Its time to live.
    pub ttl: u8,
    /// When it came.
    pub now: Nanos,
}

impl Sight {
    /// Of a packet with this time to live.
    #[inline(always)]
    pub fn new(headers: &Headers, ttl: u8, now: Nanos, asked: &Recent) -> Self {
        let address = if asked.destination { &headers.destination } else { &headers.source };
        Self { address: address.masked(asked.prefix), ttl, now }
    }
}

/// What a list was found to have for a sight.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// [`RecentList::turns`] then.
    turns: u64,
    /// Where the address is, if it is there as the rule wants it; else beyond all places.
    place: u32,
    /// How many hits are missing.
    missing: u32,
    /// Where there is room for one more address: a free place, or else the oldest's.
    room: u32,
    /// Where the oldest address is; beyond all places if there is none.
    oldest: u32,
}

impl Look {
    /// Before any.
    pub const EMPTY: Self = Self { turns: 0, place: NOWHERE, missing: 0, room: NOWHERE, oldest: NOWHERE };
}

/// How often a list is looked at again, because somebody else has changed it since.
pub const LOOKS: u32 = 32;

/// Asks the list of an object, which may change by it.
#[inline(always)]
pub fn ask<G: Guards>(guards: &G, object: &ObjectKey, sight: &Sight, asked: &Recent) -> Answer {
    let mut found = Look::EMPTY;
    for _ in 0..LOOKS {
        look(guards, object, (sight, asked), &mut found);
        match act(guards, object, (sight, asked), &found) {
            Answer::Later => {}
            answer => return answer,
        }
    }
    Answer::TableFull
}

/// Looks what a list has. It is looked at and changed in two parts, which the verifier proves one by one: here are the
/// loops, and there all ways that they may lead to.
#[inline(always)]
pub fn look<G: Guards>(guards: &G, object: &ObjectKey, (sight, asked): (&Sight, &Recent), found: &mut Look) {
    guards.recent(object, |list| {
        found.turns = list.turns;
        let place = find(list, &sight.address);
        found.place = place;
        found.missing = missing(list, place, since(sight.now, &asked.seen), &asked.seen);
        if asked.action == RecentAction::Set || asked.seen.reap {
            (found.room, found.oldest) = oldest(list);
        }
    });
}

/// Does what is asked with what was found. [`Answer::Later`] if the list has changed since.
#[inline(always)]
pub fn act<G: Guards>(
    guards: &G,
    object: &ObjectKey,
    (sight, asked): (&Sight, &Recent),
    found: &Look,
) -> Answer {
    let Some(account) = account(guards, object.container) else { return Answer::OverQuota };
    let act = |list: &mut RecentList| {
        if still_holds(list, (sight, asked), found) {
            act_on(list, (sight, asked), found, &account)
        } else {
            Answer::Later
        }
    };
    guards.recent(object, act).unwrap_or(Answer::TableFull)
}

/// Whether what was found still holds as far as it matters, so that those who ask a list at once do not wait for each other
/// in vain: what is the oldest matters only to who adds an address, or reaps.
#[inline(always)]
fn still_holds(list: &RecentList, (sight, asked): (&Sight, &Recent), found: &Look) -> bool {
    if list.turns == found.turns {
        return true;
    }
    if asked.seen.reap {
        return false;
    }
    match list.entries.get(black_box(found.place) as usize) {
        Some(entry) => entry.turn != 0 && pairs(entry.address) == pairs(sight.address),
        None => asked.action != RecentAction::Set,
    }
}

#[inline(always)]
fn act_on<W: Word>(
    list: &mut RecentList,
    (sight, asked): (&Sight, &Recent),
    found: &Look,
    account: &Account<W>,
) -> Answer {
    let has_ttl = |entry: &RecentEntry| {
        let (then, now) = (entry.ttl, sight.ttl);
        !asked.seen.same_ttl || then == now || then == 0 || now == 0
    };
    let Some(entry) = entry(&mut list.entries, found.place).filter(|entry| has_ttl(entry)) else {
        if asked.action != RecentAction::Set {
            return asked.inverted.into();
        }
        let is_added = add(list, found, sight, account);
        return if is_added { (!asked.inverted).into() } else { Answer::OverQuota };
    };
    let holds = match asked.action {
        RecentAction::Set | RecentAction::Remove => !asked.inverted,
        RecentAction::Check | RecentAction::Update => (found.missing == 0) != asked.inverted,
    };
    let renews = match asked.action {
        RecentAction::Set => true,
        RecentAction::Update => holds,
        RecentAction::Check | RecentAction::Remove => false,
    };
    if renews {
        touch(entry, &mut list.turns, sight);
    }
    if asked.action == RecentAction::Remove {
        forget(entry, &mut list.turns, account);
    }
    // One at a time, as the kernel does, and not what has just been renewed.
    if asked.seen.reap
        && !(renews && found.oldest == found.place)
        && let Some(oldest) = self::entry(&mut list.entries, found.oldest)
        && oldest.last < since(sight.now, &asked.seen)
    {
        forget(oldest, &mut list.turns, account);
    }
    holds.into()
}

const NOWHERE: u32 = u32::MAX;

#[inline(always)]
fn entry(entries: &mut [RecentEntry], place: u32) -> Option<&mut RecentEntry> {
    // Hidden, since the verifier does not see what the compiler may know.
    entries.get_mut(black_box(place) as usize)
}

/// Where the address is in the list; [`NOWHERE`], or beyond all places, if it is not.
#[inline(always)]
fn find(list: &RecentList, address: &Address) -> u32 {
    let wanted = pairs(*address);
    let mut found = 0_u64;
    for number in 0..black_box(RECENT_ADDRESSES) {
        let Some(entry) = list.entries.get(number) else { break };
        let here = pairs(entry.address);
        let difference = (wanted[0] ^ here[0]) | (wanted[1] ^ here[1]);
        let difference = difference >> 32 | difference & u32::MAX as u64;
        // Both have their highest bit set if there is no difference, and if the place is taken.
        let is_it = black_box(difference).wrapping_sub(1) & 0_u64.wrapping_sub(entry.turn);
        found |= highest(is_it).wrapping_mul((number as u64).wrapping_add(1));
    }
    black_box(found).wrapping_sub(1) as u32
}

/// An address as two numbers.
#[inline(always)]
const fn pairs(Address([a, b, c, d]): Address) -> [u64; 2] {
    [(a as u64) << 32 | b as u64, (c as u64) << 32 | d as u64]
}

/// The place for one more address: a free one, or else the oldest's; and the place of the oldest, or beyond all places if
/// there is no address.
#[inline(always)]
fn oldest(list: &RecentList) -> (u32, u32) {
    let (mut room, mut oldest) = (u64::MAX >> 1, u64::MAX >> 1);
    for number in 0..black_box(RECENT_ADDRESSES) {
        let Some(entry) = list.entries.get(number) else { break };
        let at = |turn: u64| (turn & TURNS).wrapping_shl(PLACE_BITS) | number as u64;
        room = least(room, at(entry.turn));
        // One less makes what is free (turn zero) the youngest.
        oldest = least(oldest, at(entry.turn.wrapping_sub(1)));
    }
    let is_none = highest(TURNS.wrapping_sub(1).wrapping_sub(oldest >> PLACE_BITS));
    (room as u32 & PLACES, (oldest as u32 & PLACES) | (is_none as u32).wrapping_mul(NOWHERE))
}

/// The lesser of two numbers below 2⁶³, without a branch.
#[inline(always)]
fn least(one: u64, other: u64) -> u64 {
    let difference = other.wrapping_sub(one);
    one.wrapping_add(difference.wrapping_mul(highest(difference)))
}

const PLACE_BITS: u32 = 7;
const PLACES: u32 = (1 << PLACE_BITS) - 1;
/// As many turns as there can be.
const TURNS: u64 = u64::MAX >> (PLACE_BITS + 1);

const _: () = assert!(RECENT_ADDRESSES <= PLACES as usize + 1);

/// Adds an address: where there is room, or if the container may have no more, at the place of the oldest. Tells whether
/// there is one.
#[inline(always)]
fn add<W: Word>(list: &mut RecentList, found: &Look, sight: &Sight, account: &Account<W>) -> bool {
    let is_free = entry(&mut list.entries, found.room).is_some_and(|entry| entry.turn == 0);
    let place = if is_free && !account.take() { found.oldest } else { found.room };
    let Some(entry) = entry(&mut list.entries, place) else { return false };
    entry.address = sight.address;
    entry.count = 0;
    entry.next = 0;
    touch(entry, &mut list.turns, sight);
    true
}

/// An address was seen.
#[inline(always)]
fn touch(entry: &mut RecentEntry, turns: &mut u64, sight: &Sight) {
    *turns = turns.wrapping_add(1);
    entry.turn = *turns;
    entry.ttl = sight.ttl;
    entry.last = sight.now.0;
    if let Some(stamp) = entry.stamps.get_mut(black_box(entry.next as usize)) {
        *stamp = sight.now.0;
    }
    let next = entry.next.wrapping_add(1);
    entry.next = if next as usize >= RECENT_STAMPS { 0 } else { next };
    if (entry.count as usize) < RECENT_STAMPS {
        entry.count = entry.count.wrapping_add(1);
    }
}

#[inline(always)]
fn forget<W: Word>(entry: &mut RecentEntry, turns: &mut u64, account: &Account<W>) {
    *turns = turns.wrapping_add(1);
    entry.turn = 0;
    account.give();
}

/// How many hits from `from` on the entry at `place` lacks, of those that are asked for.
#[inline(always)]
fn missing(list: &RecentList, place: u32, from: u64, seen: &Seen) -> u32 {
    let Some(entry) = list.entries.get(black_box(place) as usize) else { return 0 };
    let count = black_box(entry.count as u64);
    // At least one is.
    let mut missing = positive((seen.hits as u64).wrapping_sub(1)).wrapping_add(1);
    for number in 0..black_box(RECENT_STAMPS) {
        let Some(stamp) = entry.stamps.get(number) else { break };
        let is_stamp = highest((number as u64).wrapping_sub(count));
        let is_early = highest(stamp.wrapping_sub(from));
        missing = missing.wrapping_sub(is_stamp).wrapping_add(is_stamp & is_early);
    }
    positive(missing) as u32
}

/// Whether a list goes, since no rule names it any more; what it has is given back then. The caller alone deletes lists.
#[inline(always)]
pub fn retire<G: Guards>(guards: &G, object: &ObjectKey, list: &RecentList) -> bool {
    if guards.has_object(object) {
        return false;
    }
    let mut count = 0_u64;
    for number in 0..black_box(RECENT_ADDRESSES) {
        let Some(entry) = list.entries.get(number) else { break };
        count = count.wrapping_add(highest(0_u64.wrapping_sub(entry.turn)));
    }
    give(guards, object, count);
    true
}

/// The number, or zero if its highest bit is set.
#[inline(always)]
fn positive(number: u64) -> u64 {
    number.wrapping_mul(highest(!number))
}

/// The highest bit: hidden from the compiler, which would make a branch of what is done with it. To be multiplied by, not
/// to be made a mask of, for which the verifier follows either way (`maybe_fork_scalars` in kernel/bpf/verifier.c).
#[inline(always)]
fn highest(number: u64) -> u64 {
    black_box(number >> 63)
}

/// From when on counts.
#[inline(always)]
fn since(now: Nanos, seen: &Seen) -> u64 {
    let is_bounded = highest(!seen.within.wrapping_sub(1));
    positive(now.0.wrapping_sub(seen.within)).wrapping_mul(is_bounded)
}

//! How many flows an address has (net/netfilter/xt_connlimit.c, nf_conncount.c).
//!
//! The kernel goes through a list of flows each time. Here a flow is counted when a rule first asks about it, and no more
//! once it is closed; what has expired is found by the sweep. So the number is there to be read, however large it is.

use super::{Guards, account, give};
use crate::{
    abi::{
        address::Address,
        guard::{CountKey, Counted, CountedKey, MAX_CONNLIMITS, ObjectKey},
        rules::{dimension::state, external::Connlimit, status},
        units::Nanos,
    },
    engine::{
        classify::Answer,
        flow,
        headers::{Headers, Kind, Place},
        quota::Account,
        rules::Case,
        tables::{FlowEntry, InsertError, Word},
    },
};

/// How long a flow may be counted before there is an entry of it: longer than rules take.
const OPENING: Nanos = Nanos::seconds(1);

/// Of a count: it is being deleted; whoever deletes it first swaps this word in.
const DEAD: u64 = 1 << 63;

/// What is asked about a packet.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its flow, as a connlimit counts it.
    pub key: CountedKey,
    /// The address that it is counted for, masked.
    pub address: Address,
    /// Not zero if its flow, should there be an entry of it, is to be found under this key.
    pub has_flow: u32,
    /// Not zero if it begins a flow.
    pub begins: u32,
}

impl Connection {
    /// The packet's, for a connlimit.
    #[inline(always)]
    pub fn new(object: ObjectKey, headers: &Headers, case: &Case, asked: &Connlimit) -> Self {
        let address = if asked.destination { &headers.destination } else { &headers.source };
        // On a shared network, an entry of a flow without ports is one of several, by who shares it.
        let has_flow = match headers.kind {
            Kind::Ports | Kind::Query | Kind::Key => true,
            Kind::Bare => case.own_interface(),
            Kind::IcmpError | Kind::Link => false,
        };
        Self {
            key: CountedKey {
                object,
                flow: Place::in_zone(case.zone()).key(headers),
                from_low: headers.source_is_low() as u32,
            },
            address: address.masked(asked.prefix),
            has_flow: has_flow as u32,
            begins: begins(case) as u32,
        }
    }
}

/// Whether nobody has answered yet: what another flow has announced is RELATED then, and not NEW.
#[inline(always)]
const fn begins(case: &Case) -> bool {
    case.state as u32 == state::NEW
        || (case.state as u32 == state::RELATED && case.status & status::EXPECTED != 0)
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The answer.
    pub answer: Answer,
    /// Whether a flow has been counted that has no entry yet.
    pub is_new: bool,
}

impl Told {
    #[inline(always)]
    const fn only(answer: Answer) -> Self {
        Self { answer, is_new: false }
    }
}

/// Counts the packet's flow, and answers whether the address has more flows than the limit, or not, as asked.
#[inline(always)]
pub fn ask<G: Guards>(guards: &G, connection: &Connection, asked: &Connlimit) -> Told {
    ask_of(guards, connection, asked, guards.flow(&connection.key.flow).map(|slot| slot.flow))
}

/// As [`ask`], where the entry of the flow has been looked up.
#[inline(always)]
pub fn ask_of<G: Guards>(
    guards: &G,
    connection: &Connection,
    asked: &Connlimit,
    entry: Option<G::Flow>,
) -> Told {
    let Connection { key, address, .. } = connection;
    let holds = |count: u64| Answer::from((count > asked.limit as u64) == asked.above);
    let counted = CountKey { object: key.object, address: *address };
    let before = guards.count(&counted).map_or(0, |word| word.load() & !DEAD);
    if connection.has_flow == 0 {
        return Told::only(holds(before.wrapping_add(1)));
    }
    // What begins in the place of a flow that has come to its end is a flow of its own.
    let is_another = |flow: &G::Flow| connection.begins != 0 && flow.state().is_closed();
    let flow = entry.filter(|flow| flow.expires() > guards.now() && !is_another(flow));
    let is_closed = flow.as_ref().is_some_and(|flow| flow.state().is_closed());
    if guards.counted(key).is_some() {
        if let Some(flow) = &flow {
            // It may have begun anew, or another processor may have opened it.
            flow::set_counted(flow);
        }
        // Where it has expired, its entry has to be told when it is made.
        return Told { answer: holds(before), is_new: flow.is_none() && connection.begins != 0 };
    }
    // The packet itself counts, but nothing is left of it.
    if is_closed || (flow.is_none() && connection.begins == 0) {
        return Told::only(holds(before.wrapping_add(1)));
    }
    let entry = Counted { since: guards.now(), address: *address };
    let answer = match remember(guards, key, &entry, &counted) {
        Ok(count) => {
            if let Some(flow) = &flow {
                flow::set_counted(flow);
            }
            holds(count)
        }
        // Another processor has just counted it, or nobody can for this moment.
        Err(Answer::No) => holds(at_least_one(before)),
        Err(refusal) => return Told::only(refusal),
    };
    Told { answer, is_new: flow.is_none() }
}

#[inline(always)]
const fn at_least_one(count: u64) -> u64 {
    if count == 0 { 1 } else { count }
}

/// Counts a flow; returns how many there are then. [`Answer::No`] if it is counted already, or its address is just being
/// forgotten.
///
/// The address is counted up first, so that whoever deletes the entry finds there what to take away.
#[inline(always)]
fn remember<G: Guards>(
    guards: &G,
    key: &CountedKey,
    entry: &Counted,
    counted: &CountKey,
) -> Result<u64, Answer> {
    let account = account(guards, key.object.container).ok_or(Answer::OverQuota)?;
    let count = add(guards, &account, counted)?;
    let refusal = if account.take() {
        match guards.insert_counted(key, entry) {
            Ok(()) => return Ok(count),
            Err(error) => {
                account.give();
                if error == InsertError::Exists { Answer::No } else { Answer::TableFull }
            }
        }
    } else {
        Answer::OverQuota
    };
    subtract(guards, counted);
    Err(refusal)
}

/// One more flow of an address; returns how many there are then.
#[inline(always)]
fn add<G: Guards>(guards: &G, account: &Account<G::Word>, counted: &CountKey) -> Result<u64, Answer> {
    if let Some(word) = guards.count(counted) {
        return increment(&word);
    }
    if !account.take() {
        return Err(Answer::OverQuota);
    }
    match guards.insert_count(counted, 1) {
        Ok(()) => return Ok(1),
        Err(InsertError::Full) => {
            account.give();
            return Err(Answer::TableFull);
        }
        Err(InsertError::Exists) => account.give(),
    }
    // Another processor has just made it.
    guards.count(counted).map_or(Err(Answer::No), |word| increment(&word))
}

#[inline(always)]
fn increment<W: Word>(word: &W) -> Result<u64, Answer> {
    let before = word.add(1);
    if before & DEAD == 0 { Ok(before.wrapping_add(1)) } else { Err(Answer::No) }
}

#[inline(always)]
fn subtract<G: Guards>(guards: &G, counted: &CountKey) {
    if let Some(word) = guards.count(counted) {
        word.add(u64::MAX);
    }
}

/// After rules have been asked: a flow that has been closed is counted no more, nor is one that they do not let begin.
#[inline(always)]
pub fn conclude<G: Guards>(guards: &G, headers: &Headers, case: &Case) {
    let (flow, owner) = (Place::in_zone(case.zone()).key(headers), case.container);
    let Some(container) = guards.container(owner) else { return };
    let object = ObjectKey { container: owner, generation: container.generation, number: 0 };
    let mut key = CountedKey { object, flow, from_low: 0 };
    for index in 0..MAX_CONNLIMITS as u32 {
        let Some(number) = guards.connlimit(owner, index) else { break };
        key.object.number = number;
        key.from_low = 0;
        forget(guards, &key);
        key.from_low = 1;
        forget(guards, &key);
    }
}

/// Counts a flow no more; tells whether it was counted.
#[inline(always)]
fn forget<G: Guards>(guards: &G, key: &CountedKey) -> bool {
    let Some(Counted { address, .. }) = guards.counted(key) else { return false };
    // Whoever deletes it takes it from the count.
    if !guards.remove_counted(key) {
        return false;
    }
    subtract(guards, &CountKey { object: key.object, address });
    give(guards, &key.object, 1);
    true
}

/// Counts a flow no more if it is closed, or gone, or if nobody asks for it any more; tells whether it was so.
#[inline(always)]
pub fn retire<G: Guards>(guards: &G, key: &CountedKey) -> bool {
    let Some(counted) = guards.counted(key) else { return false };
    let now = guards.now();
    let flow = guards.flow(&key.flow).map(|slot| slot.flow);
    let is_open = flow.is_some_and(|flow| flow.expires() > now && !flow.state().is_closed());
    let stays = is_open || counted.since.after(OPENING) > now;
    !(stays && guards.has_object(&key.object)) && forget(guards, key)
}

/// Marks a count for deletion if it is zero, or if nobody asks for it any more; the caller alone may delete it then. Its
/// container's quota is given back.
#[inline(always)]
pub fn retire_count<G: Guards>(guards: &G, key: &CountKey, count: &G::Word) -> bool {
    let old = count.load();
    let goes = old == 0 || (old & DEAD == 0 && !guards.has_object(&key.object));
    if !goes || !count.swap(old, DEAD) {
        return false;
    }
    give(guards, &key.object, 1);
    true
}

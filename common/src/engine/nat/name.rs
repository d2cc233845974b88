//! Names of flows outside: one for each, and nobody else's.

use super::{
    super::{
        attribute,
        headers::{Headers, Kind, Place},
        tables::{FlowEntry, Found, InsertError, Which, Word},
    },
    NatTables, TranslationEntry, is_of_key,
    own::slot_of,
    stamp_of_flow,
};
use crate::abi::{
    flow::{End, FlowKey},
    nat::Translation,
    reason::Reason,
    units::{Port, Protocol, Zone},
};

/// How many ports are tried. With nine of ten in use one chance in a thousand is left that none is found.
const TRIES: u32 = 64;

/// How often another processor is waited for that is about to name the same flow.
const WAITS: u32 = 64;

/// A name that is being deleted.
const DEAD: u64 = u64::MAX;

/// Whether a name could be taken.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It could.
    Yes = 0,
    /// Somebody else has it, or a socket or reservation there.
    No = 1,
    /// No more names can be had.
    Full = 2,
}

impl Taken {
    /// From its number.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Yes,
            2 => Self::Full,
            _ => Self::No,
        }
    }
}

/// What a flow is to be named.
#[derive(Clone, Copy)]
pub struct Naming {
    /// Where its name is kept: the number of its slot, and above it of the [layer](super::own::Layer).
    pub number: u32,
    /// Where packets bear it.
    pub zone: Zone,
    /// The end of the packet at hand that it is for.
    pub which: Which,
    /// Whether it is that or none, and nobody is to be asked but the other names.
    pub is_given: bool,
}

impl Naming {
    /// On the uplinks, where a packet of the flow in a slot leaves.
    #[inline(always)]
    pub const fn outside(slot: u32, is_given: bool) -> Self {
        Self { number: slot, zone: Zone::UPLINK, which: Which::Source, is_given }
    }

    /// As one number.
    #[inline(always)]
    pub const fn to_number(self) -> u64 {
        self.number as u64
            | (self.zone.0 as u64 & 0x00ff_ffff) << 32
            | (matches!(self.which, Which::Source) as u64) << 56
            | (self.is_given as u64) << 57
    }

    /// From such a number.
    #[inline(always)]
    pub const fn from_number(number: u64) -> Self {
        Self {
            number: number as u32,
            zone: Zone((number >> 32) as u32 & 0x00ff_ffff),
            which: if number >> 56 & 1 != 0 { Which::Source } else { Which::Destination },
            is_given: number >> 57 & 1 != 0,
        }
    }
}

/// The end that a flow is named after, if it has a name with this number.
#[inline(always)]
pub fn of<T: NatTables>(tables: &T, number: u32, flow: &T::Flow) -> Option<End> {
    let translation = tables.translation(number)?;
    let stamp = stamp_of_flow(flow);
    let held = translation.stamp().load();
    // One with the same key has been there before, and had a name that may be another's by now.
    let is_older = held != stamp && held & Translation::LOST == 0 && is_of_key(held, stamp);
    // Asked once more after it has been said that the name counts again, as whoever takes it looks after it has been taken.
    if is_older
        && tables.keeps_name(number)
        && translation.stamp().swap(held, stamp)
        && !tables.keeps_name(number)
    {
        translation.stamp().swap(stamp, 0);
    }
    if translation.stamp().load() != stamp {
        return None;
    }
    let end = translation.outer_end();
    if translation.stamp().load() == stamp { Some(end) } else { None }
}

/// As [`NatTables::name_flow`].
#[inline(always)]
pub fn name_flow<T: NatTables>(tables: &T, outer: &mut Headers, naming: Naming) -> Reason {
    once(tables, outer, naming, |outer| choose(tables, outer, naming))
}

/// Puts into `outer` the name that a flow has, or else the one that `choose` takes.
#[inline(always)]
pub fn once<T: NatTables>(
    tables: &T,
    outer: &mut Headers,
    naming: Naming,
    choose: impl FnOnce(&mut Headers) -> Reason,
) -> Reason {
    match tables.begin_name(outer, naming) {
        Beginning::Named => Reason::None,
        Beginning::Refused(reason) => reason,
        Beginning::Nameless(stamp) => {
            let reason = choose(outer);
            tables.end_name(naming.number, if reason == Reason::None { stamp } else { 0 });
            reason
        }
    }
}

/// What comes of it that a flow is to be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// It has a name, which has been put where it belongs.
    Named,
    /// It has none, and nobody else gives it one until that is [said](end). This is its stamp.
    Nameless(u64),
    /// It can have none.
    Refused(Reason),
}

/// As [`NatTables::begin_name`].
#[inline(always)]
pub fn begin<T: NatTables>(
    tables: &T,
    outer: &mut Headers,
    Naming { number, which, .. }: Naming,
) -> Beginning {
    let Some(translation) = tables.make_translation(number) else {
        return Beginning::Refused(Reason::NatTableFull);
    };
    let Some(flow) = tables.slot(slot_of(number)) else { return Beginning::Refused(Reason::NatPorts) };
    let stamp = stamp_of_flow(&flow);
    let Some(before) = lock(&translation, stamp) else { return Beginning::Refused(Reason::NatPorts) };
    if before == stamp {
        outer.put(which, translation.outer_end());
        return Beginning::Named;
    }
    if before != 0 {
        tables.retire(number);
    }
    Beginning::Nameless(stamp)
}

/// As [`NatTables::end_name`].
#[inline(always)]
pub fn end<T: NatTables>(tables: &T, number: u32, stamp: u64) {
    if let Some(translation) = tables.translation(number) {
        translation.stamp().swap(Translation::BUSY, stamp);
    }
}

/// Gives up a name that is an earlier flow's with the same key.
#[inline(always)]
pub fn forget_older<T: NatTables>(tables: &T, number: u32) {
    let (Some(translation), Some(flow)) = (tables.translation(number), tables.slot(slot_of(number))) else {
        return;
    };
    let held = translation.stamp().load();
    let is_older = held != 0 && held != Translation::BUSY && held != stamp_of_flow(&flow);
    if is_older && translation.stamp().swap(held, Translation::BUSY) {
        tables.retire(number);
        end(tables, number, 0);
    }
}

/// As [`NatTables::take`].
#[inline(always)]
pub fn take<T: NatTables>(tables: &T, outer: &Headers, naming: Naming) -> Taken {
    let Naming { zone, which, is_given, .. } = naming;
    if !is_given {
        let is_flow = tables
            .find(outer, Place::in_zone(zone))
            .is_some_and(|hit| hit.flow.expires().released() > tables.now());
        if is_flow
            || tables.port_holder(outer, which).is_some()
            || attribute::socket(tables, outer, which) != Found::Nothing
        {
            return Taken::No;
        }
    }
    seize(tables, outer, naming)
}

/// Takes the name that `outer` has, if no other flow has it.
#[inline(always)]
pub fn seize<T: NatTables>(tables: &T, outer: &Headers, Naming { number, zone, which, .. }: Naming) -> Taken {
    let key = Place::in_zone(zone).key(outer);
    let Some(translation) = tables.translation(number) else { return Taken::No };
    // Before the name leads here, so that nobody takes it for one that does not count.
    translation.set_outer(&key, outer.source_is_low() == (which == Which::Source));
    let word = (tables.random() as u64) << 32 | number as u64;
    match tables.name(&key) {
        Some(name) => {
            let old = name.load();
            if old == DEAD || counts(tables, &key, old as u32) || !name.swap(old, word) {
                return Taken::No;
            }
            // Its flow may have gone on, or begun anew, at the very moment.
            if old as u32 != number && counts(tables, &key, old as u32) {
                name.swap(word, old);
                return Taken::No;
            }
            Taken::Yes
        }
        None => match tables.insert_name(&key, word) {
            Ok(()) => Taken::Yes,
            Err(InsertError::Exists) => Taken::No,
            Err(InsertError::Full) => Taken::Full,
        },
    }
}

/// Has the translation to oneself, and tells whose it was; or, that it is of this very flow already.
#[inline(always)]
fn lock<E: TranslationEntry>(translation: &E, stamp: u64) -> Option<u64> {
    for _ in 0..WAITS {
        let before = translation.stamp().load();
        if before == stamp {
            return Some(before);
        }
        if before != Translation::BUSY && translation.stamp().swap(before, Translation::BUSY) {
            return Some(before);
        }
    }
    None
}

/// As [`NatTables::retire`].
#[inline(always)]
pub fn retire<T: NatTables>(tables: &T, number: u32) {
    let Some(translation) = tables.translation(number) else { return };
    let outer = translation.outer();
    // Somebody else may have taken it over.
    withdraw(tables, &outer, number);
}

/// Deletes a name, if it is the one with this number.
#[inline(always)]
fn withdraw<T: NatTables>(tables: &T, outer: &FlowKey, number: u32) {
    let Some(name) = tables.name(outer) else { return };
    let word = name.load();
    if word != DEAD && word as u32 == number && name.swap(word, DEAD) {
        tables.remove_name(outer);
    }
}

/// Takes a name from the flow that has it, which gets no other.
#[inline(always)]
pub fn lose<T: NatTables>(tables: &T, outer: &FlowKey) {
    let Some(slot) = tables.name(outer).map(|name| name.load() as u32) else { return };
    if let Some(translation) = tables.translation(slot) {
        let stamp = translation.stamp().load();
        if stamp != Translation::BUSY && translation.has_outer(outer) {
            translation.stamp().swap(stamp, stamp | Translation::LOST);
        }
    }
    withdraw(tables, outer, slot);
}

/// Whether the flow in a slot has lost its name.
#[inline(always)]
pub fn is_lost<T: NatTables>(tables: &T, slot: u32, flow: &T::Flow) -> bool {
    let held = tables.translation(slot).map_or(0, |translation| translation.stamp().load());
    held == stamp_of_flow(flow) | Translation::LOST
}

/// As [`NatTables::keeps_name`].
#[inline(always)]
pub fn keeps<T: NatTables>(tables: &T, number: u32) -> bool {
    let Some(translation) = tables.translation(number) else { return false };
    let outer = translation.outer();
    tables.name(&outer).is_some_and(|name| name.load() as u32 == number)
}

/// Whether a name counts, which is to be the one with this number.
#[inline(always)]
fn counts<T: NatTables>(tables: &T, key: &FlowKey, number: u32) -> bool {
    let Some(translation) = tables.translation(number) else { return false };
    if !translation.has_outer(key) {
        return false;
    }
    let stamp = translation.stamp().load();
    stamp == Translation::BUSY
        || tables.slot(slot_of(number)).is_some_and(|flow| {
            flow.expires().released() > tables.now() && is_of_key(stamp, stamp_of_flow(&flow))
        })
}

#[inline(always)]
fn choose<T: NatTables>(tables: &T, outer: &mut Headers, naming: Naming) -> Reason {
    let own = outer.from();
    // An id is kept if it can be: there is no reason why it should be another. Where there is nothing to be changed, it has to be.
    let keeps = naming.is_given || !matches!(outer.protocol, Protocol::TCP | Protocol::UDP);
    if keeps {
        match tables.take(outer, naming) {
            Taken::Yes => return Reason::None,
            Taken::Full => return Reason::NatTableFull,
            Taken::No if naming.is_given || outer.kind != Kind::Query => return Reason::NatPorts,
            Taken::No => {}
        }
    }
    let [first, last] = tables.ports();
    let span = (last.wrapping_sub(first) as u32).wrapping_add(1);
    for _ in 0..TRIES {
        let port = first.wrapping_add(tables.random().checked_rem(span).unwrap_or(0) as u16);
        outer.put(Which::Source, End { address: own.address, port: Port(port) });
        match tables.take(outer, naming) {
            Taken::Yes => return Reason::None,
            Taken::Full => return Reason::NatTableFull,
            Taken::No => {}
        }
    }
    Reason::NatPorts
}

//! Which of the ends that a rule allows a flow gets, as net/netfilter/nf_nat_core.c has it (`find_best_ips_proto`, `nf_nat_l4proto_unique_tuple`),
//! but for the hash.

use super::super::{
    super::{
        headers::{Headers, Kind},
        spoof,
        tables::Which,
    },
    NatTables,
};
use super::Whose;
use crate::abi::{
    address::Address,
    nat::NatEnd,
    reason::Reason,
    rules::target::{Target, Written},
    units::Port,
};

/// Puts in the place of an end's address the one that a target has for it, if it has one.
#[inline(always)]
fn put_address<T: NatTables>(
    tables: &T,
    headers: &Headers,
    (target, ifindex): (Written<'_>, u32),
    address: &mut Address,
) {
    let is_of_link = headers.source.is_link_local()
        || headers.destination.is_link_local()
        || headers.destination.is_group();
    // What is of one link alone would not be answered there under another.
    if target.has(Target::OWN)
        && !is_of_link
        && let Some(own) = tables.interface_address(ifindex, headers.source.is_v4())
    {
        *address = own;
    }
    if !target.has(Target::ADDRESSES) {
        return;
    }
    let mut hash = mixed(0, &headers.source);
    if !target.has(Target::PERSISTENT) {
        hash = mixed(hash, &headers.destination);
    }
    let mut is_below = false;
    for (word, place) in address.0.iter_mut().zip(0..) {
        let (first, last) = target.words(place);
        let (first, last) = if is_below { (0, u32::MAX) } else { (u32::from_be(first), u32::from_be(last)) };
        let span = (last.wrapping_sub(first) as u64).wrapping_add(1);
        let number = first.wrapping_add(((hash as u64).wrapping_mul(span) >> 32) as u32);
        is_below |= number != last;
        *word = number.to_be();
    }
}

/// A hash of an address (FNV-1a by words; Fowler, Noll, Vo), whose upper bits are good.
#[inline(always)]
fn mixed(seed: u32, address: &Address) -> u32 {
    let mut hash = 0x811c_9dc5 ^ seed;
    for word in address.0 {
        hash = (hash ^ word).wrapping_mul(0x0100_0193);
        hash ^= hash >> 15;
    }
    hash.wrapping_mul(0x9e37_79b1)
}

/// The ports that an end may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    first: u16,
    /// How many there are beside it.
    more: u16,
    /// The one to begin with, counted from the first.
    start: u16,
    /// Whether the port that is there is tried first.
    keeps: bool,
    /// Whether there is one that can be changed.
    has_port: bool,
}

impl Ports {
    /// As one number.
    #[inline(always)]
    pub const fn to_number(self) -> u64 {
        self.first as u64
            | (self.more as u64) << 16
            | (self.start as u64) << 32
            | (self.keeps as u64) << 48
            | (self.has_port as u64) << 49
    }

    /// From such a number.
    #[inline(always)]
    pub const fn from_number(number: u64) -> Self {
        Self {
            first: number as u16,
            more: (number >> 16) as u16,
            start: (number >> 32) as u16,
            keeps: number >> 48 & 1 != 0,
            has_port: number >> 49 & 1 != 0,
        }
    }

    /// Of a target, for one end of a packet.
    #[inline(always)]
    fn of<T: NatTables>(tables: &T, headers: &Headers, target: Option<Written<'_>>, which: Which) -> Self {
        let port = headers.end(which).port;
        let has = |flag| target.is_some_and(|target| target.has(flag));
        let given = target.filter(|target| target.has(Target::PORTS));
        let is_given = given.is_some();
        let [first, last] = given.map_or_else(|| alike(port), Written::ports);
        let more = last.0.wrapping_sub(first.0);
        let is_random = has(Target::RANDOM);
        let is_shifted = is_given && has(Target::SHIFTS);
        let start = if is_shifted {
            port.0.wrapping_sub(target.map_or(0, |target| target.base().0)) as u32
        } else if is_random || which == Which::Source {
            tables.random()
        } else {
            0
        };
        let start = start.checked_rem((more as u32).wrapping_add(1)).unwrap_or(0) as u16;
        let is_inside = !is_given || port.0.wrapping_sub(first.0) <= more;
        let keeps = !is_random && !is_shifted && is_inside;
        // Who is asked keeps his own, unless a rule says otherwise.
        let has_port = match which {
            Which::Source => headers.has_number(),
            Which::Destination => is_given && headers.kind == Kind::Ports && headers.has_number(),
        };
        Self { first: first.0, more, start, keeps, has_port }
    }

    /// The port that an end with `port` gets after so many others were tried; nothing if these were all.
    #[inline(always)]
    pub(super) fn candidate(self, port: Port, number: u32) -> Option<Port> {
        if (self.keeps || !self.has_port) && number == 0 {
            return Some(port);
        }
        let number = number.wrapping_sub(self.keeps as u32);
        if !self.has_port || number > self.more as u32 {
            return None;
        }
        let distance =
            (self.start as u32).wrapping_add(number).checked_rem((self.more as u32).wrapping_add(1))?;
        Some(Port(self.first.wrapping_add(distance as u16)))
    }
}

/// What one end of a packet may be, which begins a flow, as a rule has said: its address is written to `end`, and as much of its ports is returned. Why
/// there is none, if there is.
#[inline(always)]
pub fn plan<T: NatTables>(
    tables: &T,
    headers: &Headers,
    (target, whose): (Option<Written<'_>>, Whose),
    which: Which,
    end: &mut NatEnd,
) -> Result<Ports, Reason> {
    let own = headers.end(which);
    *end = own.into();
    if let Some(target) = target {
        put_address(tables, headers, (target, whose.ifindex), &mut end.address);
    }
    let is_said_outside = which == Which::Source && !whose.inward && end.address != own.address;
    if is_said_outside && !spoof::may_speak(tables, whose.id, &end.address) {
        return Err(Reason::SpoofedSource);
    }
    Ok(Ports::of(tables, headers, target, which))
}

/// The ports that may take the place of one, where no rule says so: those that ask for as many privileges.
#[inline(always)]
const fn alike(port: Port) -> [Port; 2] {
    match port.0 {
        0..512 => [Port(1), Port(511)],
        512..1024 => [Port(600), Port(1023)],
        1024.. => [Port(1024), Port(u16::MAX)],
    }
}

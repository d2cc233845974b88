//! FTP: the connection that carries the data is related to the one on which its port was announced, and rules see it so, as
//! with nf_conntrack_ftp (net/netfilter/nf_conntrack_ftp.c). [`crate::wire::ftp`] is what is read.
//!
//! What is awaited is an entry of the flow table of a protocol of its own, whose two ends are the announced one and the other
//! address with port zero. So it has an owner, counts in that one's quota, expires, and is given up first when there are too many.

use super::{
    flow::{self, Hit, Parties},
    headers::{Headers, Part, Place},
    question,
    tables::{FlowEntry, Tables, Which},
};
use crate::{
    abi::{
        container::Container,
        flow::State,
        timeout::Timeout,
        units::{ContainerId, Port, Protocol, Zone},
    },
    wire::{Packet, ftp::Speaker, tcp},
};

/// Where servers are spoken to (RFC 959 §8).
const CONTROL: Port = Port(21);

/// Whether what is said on a connection is to be listened to that begins with this packet, between these two.
#[inline(always)]
pub fn is_control<T: Tables>(tables: &T, headers: &Headers, parties: &Parties) -> bool {
    headers.protocol == Protocol::TCP
        && headers.destination_port == CONTROL
        && (wants(tables, parties.opener) || wants(tables, parties.responder))
}

#[inline(always)]
fn wants<T: Tables>(tables: &T, id: ContainerId) -> bool {
    id.is_container()
        && tables.container(id).is_some_and(|container| container.flags & Container::HELPER_FTP != 0)
}

/// As [`Tables::hear`]: whether a segment of a control connection announces another, which is noted there. `whole` is as of
/// [`question::length`]; `announced` is [`announced`](crate::wire::ftp::announced), of the segment's source.
///
/// Only what stands at the beginning of a line counts: the middle of one may be what the other end has made its sender say, and
/// where a segment begins is easily had one's way with.
#[inline(always)]
pub fn hear<P: Packet, F: FlowEntry>(
    packet: &P,
    headers: &Headers,
    whole: u32,
    flow: (&F, bool),
    announced: impl FnOnce((u32, u32), Speaker) -> Option<Port>,
) -> bool {
    hears(packet, headers, whole, flow, announced).is_some()
}

#[inline(always)]
fn hears<P: Packet, F: FlowEntry>(
    packet: &P,
    headers: &Headers,
    whole: u32,
    (entry, from_opener): (&F, bool),
    announced: impl FnOnce((u32, u32), Speaker) -> Option<Port>,
) -> Option<()> {
    let [_, sequence] = packet.words::<2>(headers.transport)?;
    let sequence = u32::from_be(sequence);
    let (network, payload) = (headers.network as u32, headers.payload as u32);
    let length = question::length(packet, headers, whole)?.checked_sub(payload.wrapping_sub(network))?;
    if length == 0 || headers.fragment != Part::Whole {
        return None;
    }
    let mut lines = Lines::of(entry, from_opener);
    let begins_line = lines.begin_at(sequence);
    let is_known = !lines.go_on(packet, (payload, length), sequence);
    let speaker = if from_opener { Speaker::Client } else { Speaker::Server };
    let announced = if begins_line && entry.state().has(State::REPLIED) {
        announced((payload, length), speaker)
    } else {
        None
    };
    if is_known && announced.is_none() {
        return None;
    }
    lines.announced = announced.map_or(lines.announced, |port| port.0);
    lines.keep(entry, from_opener);
    announced.map(drop)
}

/// As [`Tables::make_way`]: between whom a connection is to be awaited, and where, now that the packet has announced it.
#[inline(always)]
pub fn make_way<T: Tables>(tables: &T, headers: &Headers, zone: Zone) -> Option<(Parties, Port)> {
    let Hit { entry, from_opener } = flow::find(tables, headers, Place::in_zone(zone))?;
    let parties = Parties::new(entry.opener(), entry.responder());
    let mut lines = Lines::of(&entry, from_opener);
    let at = |port: u16, end: Which| Place::awaited(zone, Port(port), end);
    let give_up = |port: u16, end: Which| {
        let former = if port == 0 { None } else { flow::find(tables, headers, at(port, end)) };
        if let Some(hit) = former.filter(|hit| parties.are_of(&hit.entry)) {
            flow::end(tables, &hit.entry);
        }
    };
    if lines.awaited != lines.announced {
        give_up(lines.awaited, Which::Source);
    }
    // Whichever end has announced it: one is awaited at a time (`max_expected`).
    give_up(Lines::of(&entry, !from_opener).awaited, Which::Destination);
    lines.awaited = lines.announced;
    lines.keep(&entry, from_opener);
    let Some(hit) = flow::find(tables, headers, at(lines.awaited, Which::Source)) else {
        return Some((parties, Port(lines.awaited)));
    };
    // Else it is another's, who shares the address and speaks to the same server.
    if parties.are_of(&hit.entry) {
        flow::prolong(tables, &hit.entry, Timeout::EXPECTED);
    }
    None
}

/// Whether a packet that begins a connection of this container's begins one that was announced.
#[inline(always)]
pub fn is_awaited<T: Tables>(tables: &T, headers: &Headers, (id, zone): (ContainerId, Zone)) -> bool {
    let is_syn = headers.detail & (tcp::SYN | tcp::ACK) == tcp::SYN;
    headers.protocol == Protocol::TCP && is_syn && tables.awaits(headers, zone, id)
}

/// As [`Tables::awaits`].
#[inline(always)]
pub fn awaits<T: Tables>(tables: &T, headers: &Headers, zone: Zone, id: ContainerId) -> bool {
    wants(tables, id) && awaited(tables, headers, zone).is_some_and(|entry| has(&entry, id))
}

/// As [`Tables::arrives`].
#[inline(always)]
pub fn arrives<T: Tables>(
    tables: &T,
    headers: &Headers,
    zone: Zone,
    (id, other): (ContainerId, ContainerId),
) -> bool {
    awaited(tables, headers, zone).is_some_and(|entry| {
        has(&entry, id) && (!other.is_container() || has(&entry, other)) && flow::end(tables, &entry)
    })
}

#[inline(always)]
fn awaited<T: Tables>(tables: &T, headers: &Headers, zone: Zone) -> Option<T::Flow> {
    let place = Place::awaited(zone, headers.destination_port, Which::Destination);
    flow::find(tables, headers, place).map(|hit| hit.entry)
}

#[inline(always)]
fn has<F: FlowEntry>(entry: &F, id: ContainerId) -> bool {
    entry.opener() == id || entry.responder() == id
}

/// What is known of what one end has said. Its flow keeps no verdicts, and this in their place.
struct Lines {
    /// The sequence numbers with which lines begin: the last one, and the one before, for what is sent again.
    starts: [u32; 2],
    /// How many of them are known.
    known: u32,
    /// The port that was announced last; zero for none.
    announced: u16,
    /// The port at which a connection is awaited, or was; zero for none.
    awaited: u16,
}

impl Lines {
    const AWAITED: u32 = 16;
    const KNOWN: u32 = 32;

    #[inline(always)]
    fn of<F: FlowEntry>(entry: &F, from_opener: bool) -> Self {
        let (starts, more) = (entry.verdict(from_opener as usize, 0), entry.verdict(from_opener as usize, 1));
        let known = (more >> Self::KNOWN) as u32 & 3;
        let starts = [starts as u32, (starts >> 32) as u32];
        Self { starts, known, announced: more as u16, awaited: (more >> Self::AWAITED) as u16 }
    }

    #[inline(always)]
    fn keep<F: FlowEntry>(&self, entry: &F, from_opener: bool) {
        let [last, before] = self.starts;
        entry.set_verdict(from_opener as usize, 0, (before as u64) << 32 | last as u64);
        let ports = (self.awaited as u64) << Self::AWAITED | self.announced as u64;
        let more = (self.known as u64) << Self::KNOWN | ports;
        entry.set_verdict(from_opener as usize, 1, more);
    }

    #[inline(always)]
    const fn begin_at(&self, sequence: u32) -> bool {
        let [last, before] = self.starts;
        (self.known > 0 && sequence == last) || (self.known > 1 && sequence == before)
    }

    /// Goes past so many bytes, with this sequence number; tells whether another line begins behind them that was not known of.
    #[inline(always)]
    fn go_on<P: Packet>(&mut self, packet: &P, (offset, length): (u32, u32), sequence: u32) -> bool {
        let (end, [last, _]) = (sequence.wrapping_add(length), self.starts);
        if self.known > 0 && end.wrapping_sub(last).cast_signed() <= 0 {
            return false;
        }
        // The last byte, read with those before it: there are headers at least.
        let bytes = packet.rare_words::<1>(offset.wrapping_add(length).wrapping_sub(4));
        if bytes.is_none_or(|[word]| u32::from_be(word) as u8 != b'\n') {
            return false;
        }
        self.starts = [end, last];
        self.known = if self.known == 0 { 1 } else { 2 };
        true
    }
}

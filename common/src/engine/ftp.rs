//! FTP: the connection that carries the data is related to the one on which its port was announced, and rules see it so, as
//! with nf_conntrack_ftp (net/netfilter/nf_conntrack_ftp.c). [`crate::wire::ftp`] is what is read.
//!
//! What is awaited is an entry of the flow table, between the announced end and the other address. So it has an owner, counts in
//! that one's quota, expires, and is given up first when there are too many. It is good as long as the control connection is there
//! and has announced nothing else since, which each of the two says of the other.

use super::{
    attribute,
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

/// As [`Tables::make_way`]: between whom a connection is to be awaited, and where, now that the packet has announced it. Whatever
/// the control connection has awaited before it does not any more: one at a time (`max_expected`).
#[inline(always)]
pub fn make_way<T: Tables>(tables: &T, headers: &Headers, zone: Zone) -> Option<(Parties, Port)> {
    let Hit { entry, from_opener } = control(tables, headers, zone)?;
    let (parties, note) = (Parties::of(&entry), Note::of_control(headers, from_opener));
    let owner = parties.charged();
    let give_up = |port: u16, end: Which| {
        let former = if port == 0 { None } else { find(tables, headers, zone, (port, end, owner)) };
        if let Some(former) = former.filter(|former| Note::of(former) == note) {
            flow::end(tables, &former);
        }
    };
    let (mut lines, mut others) = (Lines::of(&entry, from_opener), Lines::of(&entry, !from_opener));
    let announced = lines.announced;
    if announced == 0 {
        return None;
    }
    if lines.awaited != announced {
        give_up(lines.awaited, Which::Source);
    }
    give_up(others.awaited, Which::Destination);
    (lines.awaited, others.awaited) = (announced, 0);
    lines.keep(&entry, from_opener);
    others.keep(&entry, !from_opener);
    let Some(awaited) = find(tables, headers, zone, (announced, Which::Source, owner)) else {
        return Some((parties, Port(announced)));
    };
    // Else it is of another container whose id has as many bits in common.
    if parties.are_of(&awaited) {
        note.keep(&awaited);
        flow::prolong(tables, &awaited, Timeout::EXPECTED);
    }
    None
}

/// As [`Tables::note_awaited`]: what the packet has announced is awaited now, and belongs to its control connection.
#[inline(always)]
pub fn note<T: Tables>(tables: &T, headers: &Headers, zone: Zone) {
    if let Some(Hit { entry, from_opener }) = control(tables, headers, zone) {
        let (parties, port) = (Parties::of(&entry), Lines::of(&entry, from_opener).awaited);
        let awaited = find(tables, headers, zone, (port, Which::Source, parties.charged()));
        if let Some(awaited) = awaited.filter(|awaited| parties.are_of(awaited)) {
            Note::of_control(headers, from_opener).keep(&awaited);
        }
    }
}

/// As [`Tables::claim_awaited`]: only the first one that comes does so, whatever rules say of it then.
#[inline(always)]
pub fn claim<T: Tables>(tables: &T, headers: &Headers, zone: Zone, (id, sends): (ContainerId, bool)) -> bool {
    if headers.protocol != Protocol::TCP || headers.detail & (tcp::SYN | tcp::ACK) != tcp::SYN {
        return false;
    }
    let is_inside = sends && zone == Zone::LOCAL;
    let other = if is_inside { attribute::far_end(tables, headers) } else { ContainerId::HOST };
    if !wants(tables, id) && !wants(tables, other) {
        return false;
    }
    let ends = if sends { (id, other) } else { (other, id) };
    claim_of(tables, headers, zone, (ends, id))
        || (other.is_container() && claim_of(tables, headers, zone, (ends, other)))
}

/// The same of what counts in the quota of `owner`.
#[inline(always)]
fn claim_of<T: Tables>(
    tables: &T,
    headers: &Headers,
    zone: Zone,
    ((from, to), owner): ((ContainerId, ContainerId), ContainerId),
) -> bool {
    let asked = (headers.destination_port.0, Which::Destination, owner);
    let Some(awaited) = find(tables, headers, zone, asked) else { return false };
    let (note, parties) = (Note::of(&awaited), Parties::of(&awaited));
    let (announcer, connector) = if note.by_opener() {
        (parties.opener, parties.responder)
    } else {
        (parties.responder, parties.opener)
    };
    if !(note.is_known() && is_same(announcer, to) && is_same(connector, from)) {
        return false;
    }
    let Some(Hit { entry, .. }) = control(tables, &note.control(headers), zone) else { return false };
    let mut lines = Lines::of(&entry, note.by_opener());
    if !parties.are_of(&entry) || lines.awaited != headers.destination_port.0 || !flow::end(tables, &awaited)
    {
        return false;
    }
    lines.awaited = 0;
    lines.keep(&entry, note.by_opener());
    true
}

/// Whether these two are the same container, or both none.
#[inline(always)]
fn is_same(one: ContainerId, other: ContainerId) -> bool {
    one == other || !(one.is_container() || other.is_container())
}

/// The connection that is awaited at this port of one `end` of a packet, as a flow of `owner`'s.
#[inline(always)]
fn find<T: Tables>(
    tables: &T,
    headers: &Headers,
    zone: Zone,
    (port, end, owner): (u16, Which, ContainerId),
) -> Option<T::Flow> {
    flow::find(tables, headers, Place::awaited(zone, Port(port), end, owner)).map(|hit| hit.entry)
}

/// The control connection that a packet is of.
#[inline(always)]
fn control<T: Tables>(tables: &T, headers: &Headers, zone: Zone) -> Option<Hit<T::Flow>> {
    flow::find(tables, headers, Place::in_zone(zone)).filter(|hit| hit.entry.state().has(State::HEARD))
}

/// What an entry that is awaited says of its control connection: the client's port, whether the client has announced it, and that
/// it says so. It is kept in the place of a verdict.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Note(u32);

impl Note {
    const BY_OPENER: u32 = 1 << 16;
    const KNOWN: u32 = 1 << 17;

    /// Of what a packet of that connection announces.
    #[inline(always)]
    const fn of_control(headers: &Headers, from_opener: bool) -> Self {
        let client = if from_opener { headers.source_port } else { headers.destination_port };
        Self(client.0 as u32 | (from_opener as u32).wrapping_mul(Self::BY_OPENER) | Self::KNOWN)
    }

    #[inline(always)]
    fn of<F: FlowEntry>(entry: &F) -> Self {
        Self(entry.verdict(0, 0) as u32)
    }

    #[inline(always)]
    fn keep<F: FlowEntry>(self, entry: &F) {
        entry.set_verdict(0, 0, self.0 as u64);
    }

    #[inline(always)]
    const fn is_known(self) -> bool {
        self.0 & Self::KNOWN != 0
    }

    #[inline(always)]
    const fn by_opener(self) -> bool {
        self.0 & Self::BY_OPENER != 0
    }

    /// The headers of a packet of the client's there. The announced end is where `headers` goes.
    #[inline(always)]
    const fn control(self, headers: &Headers) -> Headers {
        let (client, server) = if self.by_opener() {
            (headers.destination, headers.source)
        } else {
            (headers.source, headers.destination)
        };
        Headers {
            source: client,
            destination: server,
            source_port: Port(self.0 as u16),
            destination_port: CONTROL,
            ..*headers
        }
    }
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

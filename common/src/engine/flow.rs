//! Stage 3: the flow a packet belongs to.

use super::{
    attribute,
    connection::Meeting,
    flow_table::open::{self, Opened},
    ftp,
    headers::{Headers, Kind, Place},
    lock, ports, quota, state,
    tables::{Beginning, FlowEntry, Found, Tables, Which},
    tcp::Connection,
    trace::Trace,
};
use crate::{
    abi::{
        counters::Traffic,
        flow::State,
        reason::Reason,
        timeout::Timeout,
        units::{ContainerId, Nanos, Protocol, Ticks},
    },
    wire::Packet,
};

/// A flow that has not expired, and where the packet stands in it.
#[derive(Clone, Copy)]
pub struct Hit<F> {
    /// The entry.
    pub entry: F,
    /// Whether the packet comes from the flow's opener.
    pub from_opener: bool,
}

impl<F: FlowEntry> Hit<F> {
    /// Who holds the end that the packet comes from.
    #[inline(always)]
    pub fn sender(&self) -> ContainerId {
        if self.from_opener { self.entry.opener() } else { self.entry.responder() }
    }

    /// Who holds the end that the packet goes to.
    #[inline(always)]
    pub fn receiver(&self) -> ContainerId {
        if self.from_opener { self.entry.responder() } else { self.entry.opener() }
    }
}

/// The live flow at `place`, if there is one. ICMP errors have none of their own: they are about another.
#[inline(always)]
pub fn find<T: Tables>(tables: &T, headers: &Headers, place: Place) -> Option<Hit<T::Flow>> {
    if headers.kind == Kind::IcmpError {
        return None;
    }
    let entry = tables.find(headers, place)?.flow;
    if entry.expires() <= tables.now() {
        return None;
    }
    let opener_low = entry.state().has(State::OPENER_LOW);
    Some(Hit { entry, from_opener: opener_low == headers.source_is_low() })
}

/// Who has reserved the local `end` since the flow was last held against the reservations, if it is not `holder` and
/// `holder` has no socket there either: the kernel lets others bind beside connections, which are not to suffer for it.
#[inline(always)]
pub fn voided_by<T: Tables>(
    tables: &T,
    hit: &Hit<T::Flow>,
    headers: &Headers,
    (holder, end): (ContainerId, Which),
) -> Option<ContainerId> {
    let epoch = ports::epoch(tables);
    if hit.entry.port_epoch() == epoch {
        return None;
    }
    match tables.port_holder(headers, end) {
        Some(other) if other != holder => {
            // Asked again each time, since the socket may be closed any time.
            let its_own = attribute::socket(tables, headers, end) == Found::Container(holder);
            if its_own { None } else { Some(other) }
        }
        _ => {
            // Where both ends are containers', the other end has not been looked at.
            if !(hit.entry.opener().is_container() && hit.entry.responder().is_container()) {
                hit.entry.set_port_epoch(epoch);
            }
            None
        }
    }
}

/// Moves a flow on by a packet that was found to be in it, unless an earlier hook has done so, and counts the packet in it if
/// `traffic` is given (by the one hook that counts it).
#[inline(always)]
pub fn touch<T: Tables, P: Packet>(
    tables: &T,
    hit: &Hit<T::Flow>,
    (packet, headers): (&P, &Headers),
    (seen, traffic): (Trace, Option<Traffic>),
) -> Meeting {
    let meeting = match seen {
        Trace::None => meet(tables, hit, packet, headers),
        Trace::Judged | Trace::Notice => Meeting::GoesOn,
    };
    if let Some(traffic) = traffic
        && meeting != Meeting::BeginsAnew
    {
        hit.entry.count(hit.from_opener, traffic);
    }
    meeting
}

/// A flow that has been opened meets the packet that has opened it.
#[inline(always)]
pub fn begin<T: Tables, P: Packet>(tables: &T, packet: &P, headers: &Headers, place: Place) {
    if !state::has_phases(headers.protocol) {
        return;
    }
    // If another processor was faster, that is what this packet is in.
    if let Some(hit) = find(tables, headers, place) {
        meet(tables, &hit, packet, headers);
    }
}

#[inline(always)]
fn meet<T: Tables, P: Packet>(tables: &T, hit: &Hit<T::Flow>, packet: &P, headers: &Headers) -> Meeting {
    if !state::has_phases(headers.protocol) {
        tables.refresh(hit.entry, headers.protocol, hit.from_opener);
        return Meeting::GoesOn;
    }
    tables.meet(packet, headers, hit.entry, hit.from_opener)
}

/// As [`Tables::refresh`].
#[inline(always)]
pub fn refresh<T: Tables>(tables: &T, entry: &T::Flow, protocol: Protocol, from_opener: bool) {
    let before = entry.state();
    let age = entry.created().age(tables.now());
    let (after, timeout) = state::next(before, from_opener, protocol, age);
    // Whoever comes between has come to the same, or the next packet will.
    if after != before {
        entry.change_state(before, after);
    }
    prolong(tables, entry, timeout);
}

/// Has a flow last so long from now on.
#[inline(always)]
pub fn prolong<T: Tables>(tables: &T, entry: &T::Flow, kind: Timeout) {
    extend(entry, tables.now().after(timeout(tables, entry, kind)));
}

/// How long flows of this one's container last.
#[inline(always)]
pub fn timeout<T: Tables>(tables: &T, entry: &T::Flow, kind: Timeout) -> Nanos {
    tables.timeout(charged_for(entry), kind)
}

/// How often the end of a flow is changed: somebody may hold it, and release it, at the same time.
const TRIES: u32 = 3;

/// Has a flow end then, unless it is being deleted or begun anew, and somebody else's.
#[inline(always)]
pub fn extend<F: FlowEntry>(entry: &F, expires: Nanos) {
    for _ in 0..TRIES {
        let old = entry.expires();
        // The clock is coarse: mostly nothing changes, and then the cache line stays clean.
        if old.0 == 0 || old.released() == expires || entry.change_expires(old, expires) {
            break;
        }
    }
}

/// A connlimit counts the flow from now on.
#[inline(always)]
pub fn set_counted<F: FlowEntry>(entry: &F) {
    lock::add(entry, State::COUNTED);
}

/// Whom a new flow belongs to.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Parties {
    /// The end that sends the first packet.
    pub opener: ContainerId,
    /// The other end.
    pub responder: ContainerId,
    /// Bits of [`Parties::TAKE_OVER`] and its neighbour.
    pub flags: u32,
}

impl Parties {
    /// They take the place of a live flow, too, whose port is theirs now.
    pub const TAKE_OVER: u32 = 1;
    /// Another flow of theirs has announced it.
    pub const EXPECTED: u32 = 2;

    /// Those of a flow where there is none.
    #[inline(always)]
    pub const fn new(opener: ContainerId, responder: ContainerId) -> Self {
        Self { opener, responder, flags: 0 }
    }

    /// Those of a flow that is there.
    #[inline(always)]
    pub fn of<F: FlowEntry>(entry: &F) -> Self {
        Self::new(entry.opener(), entry.responder())
    }

    /// Those who take over what may still be another's.
    #[inline(always)]
    pub const fn taking_over(self) -> Self {
        Self { flags: self.flags | Self::TAKE_OVER, ..self }
    }

    /// Those who have announced it, if so.
    #[inline(always)]
    pub const fn expected(self, is_expected: bool) -> Self {
        Self { flags: self.flags | (is_expected as u32).wrapping_mul(Self::EXPECTED), ..self }
    }

    /// Whether a flow is between the two.
    #[inline(always)]
    pub fn are_of<F: FlowEntry>(&self, entry: &F) -> bool {
        entry.opener() == self.opener && entry.responder() == self.responder
    }

    /// The one whose quota the flow counts in.
    #[inline(always)]
    pub const fn charged(&self) -> ContainerId {
        charged(self.opener, self.responder)
    }
}

#[inline(always)]
const fn charged(opener: ContainerId, responder: ContainerId) -> ContainerId {
    // Without a branch: a compiler would keep both on the stack, and choose where to read.
    let is_opener = 0_u32.wrapping_sub(opener.is_container() as u32);
    ContainerId(opener.0 & is_opener | responder.0 & !is_opener)
}

/// As [`Tables::open_flow`]: makes the flow at `place` for the packet `headers`, in the place of the one that is there
/// if that has expired or is taken over.
#[inline(always)]
pub fn open<T: Tables>(
    tables: &T,
    headers: &Headers,
    place: Place,
    parties: &Parties,
    traffic: (Traffic, bool),
) -> Reason {
    let charged = parties.charged();
    // What is announced is not begun: its connection will be.
    let limit = if place.is_awaited() {
        tables.container(charged).map(|container| container.flow_limit)
    } else {
        tables.admit(charged)
    };
    let Some(limit) = limit else { return Reason::FlowRate };
    let quota = (charged, limit);
    let expires = || tables.now().after(tables.timeout(charged, first_timeout(headers, place)));
    let opened = match tables.find(headers, place) {
        Some(slot) => open::renew(
            tables,
            &slot.flow,
            quota,
            (parties.flags & Parties::TAKE_OVER != 0, expires),
            || matches!(tables.find(headers, place), Some(again) if again.number == slot.number),
            || tables.fill(slot.number, (headers, place), parties, traffic),
        ),
        None => open::open(tables, quota, expires, |number| {
            tables.fill(number, (headers, place), parties, traffic);
        }),
    };
    match opened {
        // This packet passes as the owner's, the next one is tracked.
        Opened::Yes | Opened::Exists => Reason::None,
        Opened::Quota => Reason::FlowQuota,
        Opened::Full => Reason::FlowTableFull,
    }
}

/// Ends a flow before its time, and tells whether it was this that ended it. The entry stays, expired, as others do.
#[inline(always)]
pub fn end<T: Tables>(tables: &T, entry: &T::Flow) -> bool {
    let (old, now) = (entry.expires(), tables.now());
    // Losing the race leaves it to the packet that won, or to the next one.
    old.released() > now && entry.change_expires(old, now)
}

/// The one whose quota an entry counts in.
#[inline(always)]
pub fn charged_for<F: FlowEntry>(entry: &F) -> ContainerId {
    charged(entry.opener(), entry.responder())
}

/// As [`Tables::fill`]: writes into a slot, which the caller has claimed, what a flow begins with. When it ends is left as it
/// is.
#[inline(always)]
pub fn fill<T: Tables>(
    tables: &T,
    number: u32,
    (headers, place): (&Headers, Place),
    parties: &Parties,
    traffic: (Traffic, bool),
) {
    if let Some(flow) = tables.slot(number) {
        flow.set_key(&place.any_key(headers));
        flow.begin(&beginning(tables, (headers, place), parties, traffic));
    }
}

/// As [`Tables::admit`]: how many flows a container may have, if it may begin one more in this second.
#[inline(always)]
pub fn admit<T: Tables>(tables: &T, id: ContainerId) -> Option<u32> {
    let Some(container) = tables.container(id) else { return Some(0) };
    if quota::new_flow_allowed(tables, id, container.flow_rate) { Some(container.flow_limit) } else { None }
}

/// How long a flow lasts that has but begun.
#[inline(always)]
const fn first_timeout(headers: &Headers, place: Place) -> Timeout {
    match headers.protocol {
        _ if place.is_awaited() => Timeout::EXPECTED,
        // Until it meets the packet.
        protocol if state::has_phases(protocol) => Timeout::NO_PHASE,
        protocol => state::unreplied(protocol),
    }
}

#[inline(always)]
fn beginning<T: Tables>(
    tables: &T,
    (headers, place): (&Headers, Place),
    parties: &Parties,
    (traffic, is_counted): (Traffic, bool),
) -> Beginning {
    let (low, counted) = (headers.source_is_low() as u32, is_counted as u32);
    let flags = low.wrapping_mul(State::OPENER_LOW) | counted.wrapping_mul(State::COUNTED);
    let state = match headers.protocol {
        Protocol::TCP if !place.is_awaited() => {
            let expected = (parties.flags & Parties::EXPECTED != 0) as u32;
            let heard = ftp::is_control(tables, headers, parties) as u32;
            State(flags | expected.wrapping_mul(State::EXPECTED) | heard.wrapping_mul(State::HEARD))
                .with_connection(Connection::NEW.ends())
        }
        // The announced end is where it goes.
        _ if place.is_awaited() => {
            let low = (headers.source > headers.destination) as u32;
            State(low.wrapping_mul(State::OPENER_LOW) | State::EXPECTED)
        }
        _ => State(flags),
    };
    Beginning {
        created: Ticks::of(tables.now()),
        out: traffic,
        opener: parties.opener,
        responder: parties.responder,
        // Not yet held against the reservations: the opener may be here by its socket, on a port that another has
        // reserved, and that socket may be closed any time.
        port_epoch: ports::epoch(tables).wrapping_sub(1),
        state,
    }
}

//! Stage 3: the flow a packet belongs to.

use super::{
    headers::{Headers, Place},
    ports, quota, state,
    tables::{FlowEntry, InsertError, Tables},
};
use crate::abi::{
    counters::Traffic,
    flow::Flow,
    reason::Reason,
    units::{ContainerId, Nanos},
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

/// The live flow at `place`, if there is one.
#[inline(always)]
pub fn find<T: Tables>(tables: &T, headers: &Headers, place: Place) -> Option<Hit<T::Flow>> {
    let entry = tables.flow_at(headers, place)?;
    if entry.expires() <= tables.now() {
        return None;
    }
    let opener_low = entry.flags() & Flow::OPENER_LOW != 0;
    Some(Hit { entry, from_opener: opener_low == headers.source_is_low() })
}

/// The packet moves its flow on, and is counted in it if `traffic` is given (by the one hook that counts it).
#[inline(always)]
pub fn touch<T: Tables>(tables: &T, hit: &Hit<T::Flow>, headers: &Headers, traffic: Option<Traffic>) {
    let (state, flags) = state::next(hit.entry.state(), hit.entry.flags(), hit.from_opener, headers.detail);
    let expires = tables.now().after(state::timeout(state, headers.protocol));
    hit.entry.advance(state, flags, expires);
    if let Some(traffic) = traffic {
        hit.entry.count(hit.from_opener, traffic);
    }
}

/// Whom a new flow belongs to.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Parties {
    /// The end that sends the first packet.
    pub opener: ContainerId,
    /// The other end.
    pub responder: ContainerId,
}

impl Parties {
    /// The one whose quota the flow counts in.
    #[inline(always)]
    pub const fn charged(&self) -> ContainerId {
        if self.opener.is_container() { self.opener } else { self.responder }
    }
}

/// As [`Tables::open_flow`]: makes the flow at `place` for the packet `headers`, in the place of an expired one if there is one.
#[inline(always)]
pub fn open<T: Tables>(
    tables: &T,
    headers: &Headers,
    place: Place,
    parties: &Parties,
    traffic: Traffic,
) -> Reason {
    let charged = parties.charged();
    let limit = tables.container(charged).map_or(0, |container| container.flow_limit);
    if !quota::take_flow(tables, charged, limit) {
        return Reason::FlowQuota;
    }
    let flow = new_flow(tables, headers, parties, traffic);
    let Some(entry) = tables.flow_at(headers, place) else {
        return match tables.insert_flow(&place.key(headers), &flow) {
            Ok(()) => Reason::None,
            Err(InsertError::Exists) => {
                // Another processor has just opened it; the next packet finds that one.
                quota::give_flow(tables, charged);
                Reason::None
            }
            Err(InsertError::Full) => {
                quota::give_flow(tables, charged);
                Reason::FlowTableFull
            }
        };
    };
    let old = entry.expires();
    if old.0 == 0 || old > tables.now() || !entry.claim(old, flow.expires) {
        // It is being deleted, or was revived a moment ago: this packet passes as the owner's, the next one is tracked.
        quota::give_flow(tables, charged);
        return Reason::None;
    }
    replace(tables, &entry, &flow);
    Reason::None
}

/// Hands a live flow over to `parties`, who have taken its port since.
#[inline(always)]
pub fn take_over<T: Tables>(tables: &T, headers: &Headers, entry: T::Flow, parties: &Parties) -> Reason {
    let charged = parties.charged();
    let limit = tables.container(charged).map_or(0, |container| container.flow_limit);
    if !quota::take_flow(tables, charged, limit) {
        return Reason::FlowQuota;
    }
    let flow = new_flow(tables, headers, parties, Traffic::default());
    let old = entry.expires();
    if old.0 == 0 || !entry.claim(old, flow.expires) {
        quota::give_flow(tables, charged);
        return Reason::None;
    }
    replace(tables, &entry, &flow);
    Reason::None
}

/// Marks an expired (or, for a flush, any) entry as being deleted; the caller alone may delete it then. Its owner's
/// quota is given back.
#[inline(always)]
pub fn retire<T: Tables>(tables: &T, entry: &T::Flow, even_if_live: bool) -> bool {
    let old = entry.expires();
    if old.0 == 0 || (!even_if_live && old > tables.now()) || !entry.claim(old, Nanos(0)) {
        return false;
    }
    quota::give_flow(tables, charged_for(entry));
    true
}

/// The one whose quota an entry counts in.
#[inline(always)]
pub fn charged_for<F: FlowEntry>(entry: &F) -> ContainerId {
    Parties { opener: entry.opener(), responder: entry.responder() }.charged()
}

#[inline(always)]
fn replace<T: Tables>(tables: &T, entry: &T::Flow, flow: &Flow) {
    quota::give_flow(tables, charged_for(entry));
    entry.reopen(flow);
}

#[inline(always)]
fn new_flow<T: Tables>(tables: &T, headers: &Headers, parties: &Parties, traffic: Traffic) -> Flow {
    let now = tables.now();
    let state = state::first(headers.protocol, headers.detail);
    Flow {
        expires: now.after(state::timeout(state, headers.protocol)),
        created: now,
        out: traffic,
        back: Traffic::default(),
        opener: parties.opener,
        responder: parties.responder,
        port_epoch: ports::epoch(tables),
        state: state as u8,
        flags: if headers.source_is_low() { Flow::OPENER_LOW } else { 0 },
        padding: 0,
    }
}

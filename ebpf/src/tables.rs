//! The engine's tables, which are maps.

use aya_ebpf::{
    bindings::{__sk_buff, BPF_NOEXIST},
    helpers::generated::bpf_ktime_get_coarse_ns,
};
use berth_common::{
    abi::{
        address::{Address, OwnAddress},
        config::Config,
        container::{Container, Usage},
        counters::Traffic,
        flow::{Flow, FlowKey},
        fragment::Fragment,
        port::{Claim, PortEntry, PortKey},
        reason::Reason,
        timeout::Timeout,
        units::{ContainerId, Nanos, Port, Protocol, Zone},
    },
    engine::{
        Headers, Tables,
        connection::Meeting,
        flow::Parties,
        flow_table::Slot,
        headers::Place,
        rules::{Case, Ruling},
        spoof::Course,
        tables::{Found, InsertError, UsageWord, Which},
    },
    wire::{Packet, ether::EtherType},
};

use crate::{
    atomic::MapWord,
    flow::MapFlow,
    flow_table,
    fragments::{self, MapFragment},
    ftp,
    maps::{ADDRESSES, CONFIG, CONTAINERS, FRAGMENTS, OWN_ADDRESSES, PORT_SUMMARY, PORTS, RUNTIME, USAGE},
    seams,
};

const EEXIST: i32 = -17;

/// What each kind of context does in its own way.
pub trait Context: Copy {
    /// Whether there is stack to look slots of the flow table up without a call.
    const HAS_ROOM: bool;

    /// The packet, or nothing.
    #[inline(always)]
    fn skb(&self) -> *mut __sk_buff {
        core::ptr::null_mut()
    }
    /// As [`Tables::rule`].
    fn rule(&self, headers: &Headers, case: &Case, flow: *mut Flow) -> Ruling;
    /// As [`Tables::meet`].
    fn meet(&self, headers: &Headers, flow: *mut Flow, now: Nanos, from_opener: bool) -> Meeting;
    /// As [`Tables::hear`].
    fn hear(&self, headers: &Headers, flow: *mut Flow, from_opener: bool) -> bool;
    /// As [`Tables::claim_awaited`].
    fn claim(&self, headers: &Headers, zone: Zone, whose: (ContainerId, bool), now: Nanos) -> bool;
    /// As [`Tables::socket`].
    fn find(&self, headers: &Headers, end: Which) -> Found;
    /// As [`Tables::course`].
    fn course(&self, headers: &Headers, whose: (ContainerId, bool)) -> Result<Course, Reason>;
    /// As [`Tables::refuses_frame`].
    fn refuses_frame(&self, frame: (EtherType, u32), whose: (ContainerId, bool)) -> Reason;
    /// As [`Tables::quoted_end`].
    fn quoted_end(&self, headers: &Headers, zone: Zone, end: Which) -> ContainerId;
}

/// The maps, at one moment, for a program with a context `C`.
#[derive(Clone, Copy)]
pub struct Maps<C> {
    context: C,
    now: Nanos,
}

/// The node's configuration.
#[inline(always)]
pub fn config() -> Option<&'static Config> {
    CONFIG.get(0)
}

impl<C: Context> Maps<C> {
    /// The maps now.
    #[inline(always)]
    pub fn new(context: C) -> Self {
        // SAFETY: The helper has no preconditions.
        Self { context, now: Nanos(unsafe { bpf_ktime_get_coarse_ns() }) }
    }

    /// The program's context.
    #[inline(always)]
    pub const fn context(&self) -> &C {
        &self.context
    }

    /// The maps at a given moment.
    #[inline(always)]
    pub const fn at(context: C, now: Nanos) -> Self {
        Self { context, now }
    }

    /// That moment.
    #[inline(always)]
    pub const fn now(&self) -> Nanos {
        self.now
    }
}

/// A word of a container's usage.
#[inline(always)]
pub fn usage(id: ContainerId, word: UsageWord) -> Option<MapWord> {
    let usage: *mut Usage = USAGE.get_ptr_mut(id.0)?;
    // SAFETY: Each is an aligned word of the value just looked up.
    unsafe {
        Some(MapWord::new(match word {
            UsageWord::FlowsHeld => &raw mut (*usage).flows.held.0,
            UsageWord::FlowsMax => &raw mut (*usage).flows.maxheld,
            UsageWord::FlowsFailed => &raw mut (*usage).flows.failcnt,
            UsageWord::FlowsEvicted => &raw mut (*usage).evicted,
            UsageWord::PortsHeld => &raw mut (*usage).ports.held.0,
            UsageWord::PortsMax => &raw mut (*usage).ports.maxheld,
            UsageWord::PortsFailed => &raw mut (*usage).ports.failcnt,
            UsageWord::GuardsHeld => &raw mut (*usage).guards.held.0,
            UsageWord::GuardsMax => &raw mut (*usage).guards.maxheld,
            UsageWord::GuardsFailed => &raw mut (*usage).guards.failcnt,
            UsageWord::Control => &raw mut (*usage).control,
            UsageWord::Notices => &raw mut (*usage).notices,
            UsageWord::NewFlows => &raw mut (*usage).new_flows,
        }))
    }
}

/// The container `id`, if it exists and still is the one that `generation` was stamped by.
#[inline(always)]
pub fn is_current(id: ContainerId, generation: u32) -> bool {
    match CONTAINERS.get(id.0) {
        Some(container) => container.generation == generation && generation != 0,
        None => false,
    }
}

#[inline(always)]
pub fn insert_error(code: i32) -> InsertError {
    if code == EEXIST { InsertError::Exists } else { InsertError::Full }
}

impl<C: Context> Tables for Maps<C> {
    type FragmentPlace = MapFragment;

    #[inline(always)]
    fn container(&self, id: ContainerId) -> Option<Container> {
        CONTAINERS.get(id.0).copied().filter(|container| container.generation != 0)
    }

    #[inline(always)]
    fn timeout(&self, id: ContainerId, timeout: Timeout) -> Nanos {
        flow_table::timeout(id, timeout)
    }

    #[inline(always)]
    fn drops_unowned(&self) -> bool {
        config().is_some_and(|config| config.unowned == Config::UNOWNED_DROP)
    }

    #[inline(always)]
    fn tcp(&self) -> u32 {
        config().map_or(0, |config| config.tcp)
    }

    #[inline(always)]
    fn address(&self, address: &Address) -> Option<ContainerId> {
        // SAFETY: Only the loader writes these values, each of them whole words.
        let entry = unsafe { ADDRESSES.get(address) }?;
        if entry.owner == ContainerId::HOST || is_current(entry.owner, entry.generation) {
            Some(entry.owner)
        } else {
            None
        }
    }

    #[inline(always)]
    fn has_address(&self, id: ContainerId, address: &Address) -> bool {
        let key = OwnAddress { address: *address, container: id };
        // SAFETY: Only the loader writes these values, which are words.
        match unsafe { OWN_ADDRESSES.get(key) } {
            Some(generation) => is_current(id, *generation),
            None => false,
        }
    }

    #[inline(always)]
    fn has_container_addresses(&self) -> bool {
        config().is_some_and(|config| config.container_addresses != 0)
    }

    #[inline(always)]
    fn port(&self, key: &PortKey) -> Option<MapWord> {
        // SAFETY: The value is one aligned word.
        PORTS.get_ptr_mut(key).map(|entry| unsafe { MapWord::new(&raw mut (*entry).claim) })
    }

    #[inline(always)]
    fn insert_port(&self, key: &PortKey, claim: Claim) -> Result<(), InsertError> {
        PORTS.insert(key, PortEntry { claim: claim.0 }, BPF_NOEXIST.into()).map_err(insert_error)
    }

    #[inline(always)]
    fn port_summary(&self, index: u32) -> Option<MapWord> {
        // SAFETY: The value is one aligned word.
        PORT_SUMMARY.get_ptr_mut(index).map(|word| unsafe { MapWord::new(word) })
    }

    #[inline(always)]
    fn port_epoch(&self) -> Option<MapWord> {
        // SAFETY: The value is one aligned word.
        RUNTIME.get_ptr_mut(0).map(|runtime| unsafe { MapWord::new(&raw mut (*runtime).port_epoch) })
    }

    #[inline(always)]
    fn fragment_place(&self, number: u32) -> Option<MapFragment> {
        // SAFETY: A value of the map.
        FRAGMENTS.get_ptr_mut(number).map(|place| unsafe { MapFragment::new(place) })
    }

    #[inline(always)]
    fn first_fragment(&self, headers: &Headers, zone: Zone) -> Option<Fragment> {
        fragments::first(headers, zone, self.now)
    }

    #[inline(always)]
    fn remember_fragment(&self, headers: &Headers, zone: Zone, fragment: &Fragment) {
        fragments::remember(headers, zone, fragment, self.now);
    }

    #[inline(always)]
    fn port_holder(&self, headers: &Headers, end: Which) -> Option<ContainerId> {
        seams::port_holder(headers, end)
    }

    #[inline(always)]
    fn flow(&self, key: &FlowKey) -> Option<Slot<MapFlow>> {
        flow_table::with_key(key)
    }

    #[inline(always)]
    fn find(&self, headers: &Headers, place: Place) -> Option<Slot<MapFlow>> {
        flow_table::find(headers, place)
    }

    #[inline(always)]
    fn fill(&self, number: u32, at: (&Headers, Place), parties: &Parties, traffic: (Traffic, bool)) {
        seams::fill(number, at, parties, traffic, self.now);
    }

    #[inline(always)]
    fn open_flow(
        &self,
        headers: &Headers,
        place: Place,
        parties: &Parties,
        traffic: (Traffic, bool),
    ) -> Reason {
        seams::open_flow(headers, place, parties, traffic, self.now)
    }

    #[inline(always)]
    fn admit(&self, id: ContainerId) -> Option<u32> {
        flow_table::admit(id, self.now)
    }

    #[inline(always)]
    fn refresh(&self, flow: MapFlow, protocol: Protocol, from_opener: bool) {
        flow_table::refresh(flow, protocol, from_opener, self.now);
    }

    #[inline(always)]
    fn meet<P: Packet>(&self, _: &P, headers: &Headers, flow: MapFlow, from_opener: bool) -> Meeting {
        self.context.meet(headers, flow.pointer(), self.now, from_opener)
    }

    #[inline(always)]
    fn hear<P: Packet>(&self, _: &P, headers: &Headers, flow: MapFlow, from_opener: bool) -> bool {
        self.context.hear(headers, flow.pointer(), from_opener)
    }

    #[inline(always)]
    fn make_way(&self, headers: &Headers, zone: Zone) -> Option<(Parties, Port)> {
        ftp::make_way(headers, zone, self.now)
    }

    #[inline(always)]
    fn note_awaited(&self, headers: &Headers, zone: Zone) {
        ftp::note(headers, zone, self.now);
    }

    #[inline(always)]
    fn claim_awaited(&self, headers: &Headers, zone: Zone, whose: (ContainerId, bool)) -> bool {
        self.context.claim(headers, zone, whose, self.now)
    }

    #[inline(always)]
    fn quoted_end<P: Packet>(&self, _: &P, headers: &Headers, zone: Zone, end: Which) -> ContainerId {
        self.context.quoted_end(headers, zone, end)
    }

    #[inline(always)]
    fn course<P: Packet>(
        &self,
        _: &P,
        headers: &Headers,
        whose: (ContainerId, bool),
    ) -> Result<Course, Reason> {
        self.context.course(headers, whose)
    }

    #[inline(always)]
    fn refuses_frame<P: Packet>(&self, _: &P, frame: (EtherType, u32), whose: (ContainerId, bool)) -> Reason {
        self.context.refuses_frame(frame, whose)
    }

    #[inline(always)]
    fn rule<P: Packet>(&self, _: &P, headers: &Headers, case: &Case, flow: Option<MapFlow>) -> Ruling {
        self.context.rule(headers, case, flow.map_or(core::ptr::null_mut(), MapFlow::pointer))
    }

    #[inline(always)]
    fn socket(&self, headers: &Headers, end: Which) -> Found {
        self.context.find(headers, end)
    }
}

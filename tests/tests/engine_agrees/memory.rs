//! The engine in memory, and around it what the hooks do with its answers, told once more from the description of what
//! is counted where.

use berth_common::abi::{
    container::Container,
    control::Control,
    counters::{Both, Counters, Traffic},
    port::Claim,
    reason::Reason,
    units::{ContainerId, Nanos, Zone},
};
use berth_common::engine::verdict::Owner;
use berth_common::engine::{Headers, Tables, Trace, Verdict, Way, egress, ingress, parse};
use berth_common::memory::generate::Scene;
use berth_common::memory::{Bytes, Capacity, MemoryTables, Snapshot};
use berth_common::wire::ether::{self, EtherType};
use berth_tests::object::zero;

use crate::setting::{CONTAINERS, Setting, sockets};
use crate::step::{Hook, Step};
use crate::trial::{Answer, Tally};

/// What TC programs return for "next" and "drop", and cgroup programs for "pass" and "drop".
const NEXT: u32 = u32::MAX;
const SHOT: u32 = 2;
const PASS: u32 = 1;
const DROP: u32 = 0;

/// The tables and what has been counted.
pub struct Memory<'a> {
    tables: MemoryTables,
    setting: &'a Setting,
    scene: &'a Scene,
    capacity: Capacity,
    tally: Tally,
    /// Of the packets of sockets.
    zone: Zone,
}

/// A packet as a hook sees it.
struct Seen<'a> {
    bytes: Bytes<'a>,
    segments: u32,
    kind: EtherType,
    offset: u32,
}

impl<'a> Memory<'a> {
    /// The tables as the setting has them.
    pub fn new(setting: &'a Setting, scene: &'a Scene, capacity: Capacity) -> Self {
        let tables = tables(&setting.snapshot, setting, scene, capacity);
        let zone = if setting.on_uplink { Zone::UPLINK } else { Zone::LOCAL };
        Self { tables, setting, scene, capacity, tally: [zero(); CONTAINERS + 2], zone }
    }

    /// Makes the tables, and what has been counted, what they are on the other side.
    pub fn follow(&mut self, snapshot: &Snapshot, tally: &Tally) {
        self.tables = tables(snapshot, self.setting, self.scene, self.capacity);
        self.tally = *tally;
    }

    /// Sets the clock.
    pub fn set_now(&self, now: Nanos) {
        self.tables.set_now(now);
    }

    /// What comes of a step.
    pub fn step(&mut self, step: &Step) -> Answer {
        match step {
            Step::Request(request) => self.request(request),
            Step::Packet { hook, actor, segments, bytes } => {
                let bytes = Bytes(bytes);
                let (kind, offset) =
                    if hook.has_ethernet() { ether::payload(&bytes) } else { (parse::version(&bytes), 0) };
                let seen = Seen { bytes, segments: *segments, kind, offset };
                Answer { code: self.packet(*hook, *actor, &seen), result: 0 }
            }
        }
    }

    /// All counters.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// All tables.
    pub fn snapshot(&self) -> Snapshot {
        self.tables.export()
    }

    fn request(&self, request: &Control) -> Answer {
        let Control { operation, container, key, flags, cursor, .. } = request;
        let result = match *operation {
            Control::RESERVE => {
                let claim = Claim::permanent(*container, flags & Control::RAW != 0);
                return match self.tables.reserve(key, claim) {
                    Ok(()) => Answer { code: 0, result: 0 },
                    Err(refusal) => Answer { code: refusal.reason as u32, result: refusal.holder.0 },
                };
            }
            Control::RELEASE => {
                self.tables.release_and_delete(key, Claim::permanent(*container, false));
                0
            }
            Control::SWEEP_FLOWS => self.tables.sweep_ring(*container),
            Control::FLUSH_FLOWS => self.tables.flush_few_flows(*container, *cursor),
            Control::CARRY_FLOWS => self.tables.carry_few_flows(*cursor),
            Control::DRAIN_SLOTS => self.tables.drain_few_slots(),
            _ if *container == ContainerId::UNOWNED => self.tables.sweep_ports(),
            _ => self.tables.flush_ports(*container),
        };
        Answer { code: 0, result: result as u32 }
    }

    fn packet(&mut self, hook: Hook, actor: ContainerId, seen: &Seen<'_>) -> u32 {
        match hook {
            Hook::UplinkIn | Hook::UplinkInIp => self.uplink_in(seen),
            Hook::UplinkOut | Hook::UplinkOutIp => self.uplink_out(seen),
            // What comes in on the node's side is what the container sends.
            Hook::InterfaceIn | Hook::InterfaceInIp => self.interface(actor, seen, false),
            Hook::InterfaceOut | Hook::InterfaceOutIp => self.interface(actor, seen, true),
            Hook::Send | Hook::Receive if !self.exists(actor) => PASS,
            Hook::Send => self.send(actor, seen),
            Hook::Receive => self.receive(actor, seen),
        }
    }

    fn uplink_in(&mut self, seen: &Seen<'_>) -> u32 {
        if !seen.is_ip() {
            add(&mut self.non_ip().uplink, true, seen.traffic(None));
            return NEXT;
        }
        let Some(headers) = seen.headers() else {
            return self.on_uplink(Verdict::pass(Owner::NOBODY), true, seen.traffic(None));
        };
        let traffic = seen.traffic(Some(&headers));
        let verdict =
            ingress::arrive(&&self.tables, (&seen.bytes, &headers), Zone::UPLINK, Trace::None, traffic);
        self.on_uplink(verdict, true, traffic)
    }

    /// A packet without a container's socket. The socket that a test run puts with it has protocol 0, hence looks like
    /// the origin of a packet of that protocol, and of no other.
    fn uplink_out(&mut self, seen: &Seen<'_>) -> u32 {
        if !seen.is_ip() {
            add(&mut self.non_ip().uplink, false, seen.traffic(None));
            return NEXT;
        }
        let host = |way| Verdict::pass(Owner::new(ContainerId::HOST, way));
        let Some(headers) = seen.headers() else {
            return self.on_uplink(host(Way::None), false, seen.traffic(None));
        };
        let traffic = seen.traffic(Some(&headers));
        let verdict = if headers.protocol.0 == 0 {
            egress::by_host(&&self.tables, &headers, Zone::UPLINK);
            host(Way::Socket)
        } else {
            ingress::leave(&&self.tables, (&seen.bytes, &headers), Zone::UPLINK, Trace::None, traffic)
        };
        self.on_uplink(verdict, false, traffic)
    }

    fn interface(&mut self, container: ContainerId, seen: &Seen<'_>, inward: bool) -> u32 {
        if !self.exists(container) {
            return NEXT;
        }
        let headers = if seen.is_ip() { seen.headers() } else { None };
        let traffic = seen.traffic(headers.as_ref());
        let whose = (container, inward);
        let verdict = if let Some(headers) = &headers {
            let packet = (&seen.bytes, headers);
            ingress::on_interface(&&self.tables, packet, whose, Trace::None, traffic)
        } else {
            ingress::unread_on_interface(&&self.tables, &seen.bytes, (seen.kind, seen.offset), whose)
        };
        if let Some(counters) = self.of(verdict.owner.id) {
            add(&mut counters.interface, inward, traffic);
        }
        self.refusal(verdict.owner.id, verdict.reason);
        if verdict.passes() { NEXT } else { SHOT }
    }

    fn send(&mut self, sender: ContainerId, seen: &Seen<'_>) -> u32 {
        let Some(headers) = seen.headers() else {
            self.refusal(sender, Reason::Malformed);
            return DROP;
        };
        let traffic = seen.traffic(Some(&headers));
        let local = self.zone == Zone::LOCAL;
        let counted = local.then_some(traffic);
        let verdict =
            egress::send(&&self.tables, (&seen.bytes, &headers), (sender, self.zone), true, counted);
        if verdict.reason == Reason::IcmpIdInUse && !local {
            // The next hook gives it another.
            return PASS;
        }
        if local && let Some(counters) = self.of(sender) {
            add(&mut counters.local, false, traffic);
        }
        self.refusal(sender, verdict.reason);
        if verdict.passes() { PASS } else { DROP }
    }

    fn receive(&mut self, receiver: ContainerId, seen: &Seen<'_>) -> u32 {
        let Some(headers) = seen.headers() else {
            self.refusal(receiver, Reason::NotOwner);
            return DROP;
        };
        let (traffic, is_local) = (seen.traffic(Some(&headers)), self.zone == Zone::LOCAL);
        let verdict = ingress::receive(
            &&self.tables,
            (&seen.bytes, &headers),
            (receiver, self.zone),
            Trace::None,
            is_local.then_some(traffic),
        );
        if verdict.passes() && is_local {
            if let Some(counters) = self.of(receiver) {
                add(&mut counters.local, true, traffic);
            }
        }
        self.refusal(receiver, verdict.reason);
        if verdict.passes() { PASS } else { DROP }
    }

    /// Counts a packet at an uplink, and tells what becomes of it.
    fn on_uplink(&mut self, verdict: Verdict, inward: bool, traffic: Traffic) -> u32 {
        let Verdict { owner, reason, .. } = verdict;
        let own_network = (&self.tables)
            .container(owner.id)
            .is_some_and(|container| container.flags & Container::OWN_NETWORK != 0);
        if let Some(counters) = self.of(owner.id) {
            let forwarded = owner.way == Way::Address && own_network;
            add(if forwarded { &mut counters.forwarded } else { &mut counters.uplink }, inward, traffic);
            if reason != Reason::None {
                add(&mut counters.dropped, inward, traffic);
            }
        }
        self.refusal(owner.id, reason);
        if reason == Reason::None { NEXT } else { SHOT }
    }

    fn refusal(&mut self, owner: ContainerId, reason: Reason) {
        let place = self.of(owner).and_then(|counters| counters.drops.get_mut(reason as usize));
        if let Some(count) = place.filter(|_| reason != Reason::None) {
            *count += 1;
        }
    }

    fn exists(&self, id: ContainerId) -> bool {
        (&self.tables).container(id).is_some()
    }

    fn of(&mut self, owner: ContainerId) -> Option<&mut Counters> {
        let [owners @ .., unowned, _] = &mut self.tally;
        if owner == ContainerId::UNOWNED { Some(unowned) } else { owners.get_mut(owner.0 as usize) }
    }

    fn non_ip(&mut self) -> &mut Counters {
        let [.., non_ip] = &mut self.tally;
        non_ip
    }
}

impl Seen<'_> {
    fn is_ip(&self) -> bool {
        self.kind == EtherType::IPV4 || self.kind == EtherType::IPV6
    }

    fn headers(&self) -> Option<Headers> {
        self.bytes.at(self.kind, self.offset)
    }

    /// Segments, and their bytes on the wire.
    fn traffic(&self, headers: Option<&Headers>) -> Traffic {
        let packets = u64::from(self.segments.max(1));
        let repeated = headers.map_or(0, |headers| u64::from(headers.payload));
        Traffic { packets, bytes: self.bytes.0.len() as u64 + repeated * (packets - 1) }
    }
}

fn tables(snapshot: &Snapshot, setting: &Setting, scene: &Scene, capacity: Capacity) -> MemoryTables {
    let tables = MemoryTables::import(snapshot, capacity, Nanos(0));
    for (socket, owner) in sockets(scene).zip(&setting.owners) {
        tables.add_socket(socket, setting.found(owner));
    }
    tables
}

fn add(both: &mut Both, inward: bool, traffic: Traffic) {
    let place = if inward { &mut both.inward } else { &mut both.outward };
    place.packets += traffic.packets;
    place.bytes += traffic.bytes;
}

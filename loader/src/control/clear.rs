//! Deleting what has ended, or belongs to somebody who goes.
//!
//! The control program does it, on equal terms with the hooks. It goes through a table by itself where programs are
//! compiled. With the JIT off the kernel refuses to call it back for each entry; then it is told the entries one by one,
//! as they were found from here, and decides about each as it is by then.

use std::collections::HashSet;

use berth_common::abi::{
    control::{Control, NamedFlow},
    flow::Flow,
    guard::{Bucket, BucketKey, CountKey, Counted, CountedKey, ObjectKey},
    port::{Claim, PortEntry, PortKey},
    units::ContainerId,
};

use super::{
    ControlError, Kernel, maps,
    plain::{Layout, bytes, zero},
    requests::PACKET,
};

/// How many entries one sweep names at most: each costs a system call, and the next sweep comes soon.
const MOST_NAMED: usize = 65_536;

impl Kernel {
    /// Deletes flows that have ended, reservations that nobody holds, and what rules keep no longer. Returns how many there
    /// were.
    pub fn sweep(&mut self) -> Result<u32, ControlError> {
        if self.shares.is_none() {
            self.share_flows(None)?;
        }
        let (flows, ports) = (self.sweep_flows()?, self.clear_free_ports()?);
        Ok(flows.saturating_add(ports).saturating_add(self.clear_guards()?))
    }

    fn clear_free_ports(&mut self) -> Result<u32, ControlError> {
        if self.calls_back {
            return self.clear_all(Control::FLUSH_PORTS, ContainerId::UNOWNED);
        }
        let mut ports = self.port_keys(Claim::is_free)?;
        ports.truncate(MOST_NAMED);
        self.clear(Control::FLUSH_PORTS, ContainerId::UNOWNED, &ports)
    }

    /// Deletes what rules keep no longer: what has expired, and what was kept for rules that are gone.
    pub(super) fn clear_guards(&mut self) -> Result<u32, ControlError> {
        if self.calls_back {
            return self.clear_all(Control::SWEEP_GUARDS, ContainerId::HOST);
        }
        let (now, objects) = (Self::now(), self.maps.objects.entries()?);
        let objects: HashSet<_> = objects.into_iter().map(|(key, _)| key).collect();
        let buckets: Vec<(BucketKey, Bucket)> = maps::dump(&self.pins, "BUCKETS")?;
        let goes =
            |(key, bucket): &(BucketKey, Bucket)| bucket.expires <= now || !objects.contains(&key.object);
        let keys: Vec<_> = buckets.into_iter().filter(goes).map(|(key, _)| key).take(MOST_NAMED).collect();
        let lists = self.maps.recents.entries()?.into_iter().map(|(key, _)| key);
        let lists: Vec<_> = lists.filter(|key| !objects.contains(key)).collect();
        let lists = self.clear(Control::SWEEP_LISTS, ContainerId::UNOWNED, &lists)?;
        let buckets = self.clear(Control::SWEEP_GUARDS, ContainerId::UNOWNED, &keys)?;
        Ok(buckets.saturating_add(lists).saturating_add(self.clear_counted(&objects)?))
    }

    /// Counts no more the flows that connlimits need not count; `objects` are those that there are rules for.
    fn clear_counted(&mut self, objects: &HashSet<ObjectKey>) -> Result<u32, ControlError> {
        let now = Self::now();
        let open = |flow: &Flow| flow.expires > now && !flow.state.is_closed();
        let open: HashSet<_> = self.slots(open)?.into_iter().map(|(_, flow)| flow.key).collect();
        let counted: Vec<(CountedKey, Counted)> = maps::dump(&self.pins, "COUNTED")?;
        let keys = counted.into_iter().map(|(key, _)| key);
        let keys = keys.filter(|key| !(open.contains(&key.flow) && objects.contains(&key.object)));
        let keys: Vec<_> = keys.take(MOST_NAMED).collect();
        let flows = self.clear(Control::SWEEP_COUNTED, ContainerId::UNOWNED, &keys)?;
        let counts: Vec<(CountKey, u64)> = maps::dump(&self.pins, "COUNTS")?;
        let counts = counts.into_iter().filter(|(key, count)| *count == 0 || !objects.contains(&key.object));
        let keys = counts.map(|(key, _)| key);
        let keys: Vec<_> = keys.take(MOST_NAMED).collect();
        Ok(self.clear(Control::SWEEP_COUNTS, ContainerId::UNOWNED, &keys)?.saturating_add(flows))
    }

    /// Ends the flows of which `owner` has an end. Their slots are freed by the next sweep.
    pub(super) fn end_flows_of(&mut self, owner: ContainerId) -> Result<u32, ControlError> {
        self.run_over_slots(Control::FLUSH_FLOWS, owner)
    }

    /// Ends the flows that are wanted, and frees their slots. Returns how many there were.
    pub fn end_flows(&mut self, wanted: &dyn Fn(&Flow) -> bool) -> Result<u32, ControlError> {
        let now = Self::now();
        let slots = self.slots(|flow| flow.expires > now && wanted(flow))?;
        let held = self.flows_held()?;
        let count = self.clear(Control::END_FLOW, ContainerId::UNOWNED, &named(&slots))?;
        self.sweep_rings(&held)?;
        Ok(count)
    }

    /// Gives up the reservations of `owner`.
    pub(super) fn clear_ports(&mut self, owner: ContainerId) -> Result<u32, ControlError> {
        if self.calls_back {
            return self.clear_all(Control::FLUSH_PORTS, owner);
        }
        let keys = self.port_keys(|claim| !claim.is_dead() && claim.owner() == owner)?;
        self.clear(Control::FLUSH_PORTS, owner, &keys)
    }

    fn port_keys(&self, wanted: impl Fn(Claim) -> bool) -> Result<Vec<PortKey>, ControlError> {
        let ports: Vec<(PortKey, PortEntry)> = self.maps.ports.entries()?;
        Ok(ports.into_iter().filter(|(_, entry)| wanted(Claim(entry.claim))).map(|(key, _)| key).collect())
    }

    /// Has the control program go through the tables.
    fn clear_all(&mut self, operation: u32, container: ContainerId) -> Result<u32, ControlError> {
        let answer = self.carry_out(Control { operation, container, ..zero() })?;
        Ok(answer.result)
    }

    /// Has the control program look at each of these entries.
    fn clear<K: Layout>(
        &mut self,
        operation: u32,
        owner: ContainerId,
        keys: &[K],
    ) -> Result<u32, ControlError> {
        self.maps.control.set(Control { operation, container: owner, ..zero() })?;
        for key in keys {
            self.run_control(&packet(key))?;
        }
        Ok(self.maps.control.get()?.result)
    }
}

/// Flows as the control program is told them.
fn named(slots: &[(u32, Flow)]) -> Vec<NamedFlow> {
    slots.iter().map(|(slot, flow)| NamedFlow { slot: *slot, key: flow.key }).collect()
}

/// A packet that begins with the key.
fn packet<K: Layout>(key: &K) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    for (place, byte) in packet.iter_mut().zip(bytes(key)) {
        *place = *byte;
    }
    packet
}

#[cfg(test)]
mod tests {
    use berth_common::abi::{
        address::Address,
        units::{Port, Protocol},
    };

    use super::*;

    #[test]
    fn every_key_fits_into_the_packet() {
        assert!(size_of::<NamedFlow>() <= PACKET && size_of::<PortKey>() <= PACKET);
        assert!(size_of::<BucketKey>() <= PACKET && size_of::<CountedKey>() <= PACKET);
    }

    #[test]
    fn the_packet_begins_with_the_key() {
        let key = PortKey::new(Protocol::TCP, Address::ANY4, Port(8080));
        let packet = packet(&key);
        assert_eq!(crate::control::plain::read::<PortKey>(&packet), Some(key));
        assert!(packet[size_of::<PortKey>()..].iter().all(|byte| *byte == 0));
    }
}

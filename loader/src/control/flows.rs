//! The flow table.

use std::collections::HashSet;

use berth_common::abi::{control::Control, flow::Flow, flow_table::Ring, units::ContainerId};

use super::{ControlError, Kernel, plain::zero};

impl Kernel {
    /// Shows all flows that have not ended, with the numbers of their slots.
    pub fn each_flow(&self, see: &mut dyn FnMut(u32, &Flow)) -> Result<(), ControlError> {
        let now = Self::now();
        self.each_slot(|number, flow| {
            if flow.expires > now {
                see(number, flow);
            }
        })
    }

    /// The slots that are wanted, with their numbers. Those that nobody has expire at zero.
    pub(super) fn slots(&self, wanted: impl Fn(&Flow) -> bool) -> Result<Vec<(u32, Flow)>, ControlError> {
        let mut slots = Vec::new();
        self.each_slot(|number, flow| {
            if wanted(flow) {
                slots.push((number, *flow));
            }
        })?;
        Ok(slots)
    }

    /// Shows all slots that were ever used, with their numbers.
    fn each_slot(&self, see: impl FnMut(u32, &Flow)) -> Result<(), ControlError> {
        let shape = self.maps.config.get()?.flows;
        self.maps.flow_table.each_slot(&shape, self.used_slots()?, see)
    }

    /// Ends the flows of which `owner` has an end; all flows without an owner. Returns how many there were.
    pub fn flush_flows(&mut self, owner: Option<ContainerId>) -> Result<u32, ControlError> {
        let owners = match owner {
            Some(owner) => HashSet::from([owner]),
            None => self
                .slots(|flow| flow.expires.0 != 0)?
                .iter()
                .flat_map(|(_, flow)| [flow.opener, flow.responder])
                .filter(|end| *end != ContainerId::UNOWNED)
                .collect(),
        };
        let held = self.flows_held()?;
        let mut count = 0_u32;
        for owner in owners {
            count = count.saturating_add(self.end_flows_of(owner)?);
        }
        self.sweep_rings(&held)?;
        Ok(count)
    }

    /// Frees the slots of flows that have ended. Returns how many flows had expired.
    pub(super) fn sweep_flows(&mut self) -> Result<u32, ControlError> {
        let held = self.flows_held()?;
        self.sweep_rings(&held)
    }

    /// How many flows each container holds, by its id.
    pub(super) fn flows_held(&self) -> Result<Vec<u64>, ControlError> {
        Ok(self.maps.usage.values()?.into_iter().map(|usage| usage.flows.held.count()).collect())
    }

    /// Has the hand of each container go over as many slots as it held, and a few more, which were ended for somebody lately.
    /// Returns how many flows had expired.
    pub(super) fn sweep_rings(&mut self, held: &[u64]) -> Result<u32, ControlError> {
        let rings = self.maps.flow_rings.values()?;
        let mut count = 0_u32;
        for (id, (_, held)) in (0..).zip(rings.iter().zip(held)).filter(|(_, (ring, _))| !is_empty(ring)) {
            let turns = held / u64::from(Control::LOOKS) + 1;
            count = count.saturating_add(self.sweep_ring(ContainerId(id), turns)?);
        }
        Ok(count)
    }

    /// Has the hand of a container go so many times over a few of its slots.
    fn sweep_ring(&mut self, container: ContainerId, turns: u64) -> Result<u32, ControlError> {
        self.repeat(Control { operation: Control::SWEEP_FLOWS, container, ..zero() }, turns)
    }
}

const fn is_empty(ring: &Ring) -> bool {
    ring.head == 0 && ring.next == 0
}

//! The flow table.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use aya::{TestRun as _, programs::TestRunOptions};
use berth_common::abi::{
    container::Usage,
    control::Control,
    flow::{Flow, FlowKey},
    flow_table::Ring,
    units::ContainerId,
};

use super::{ControlError, Kernel, error::Context as _, plain::zero, requests::PACKET};

/// Slots that are read at once.
const CHUNK: u32 = 8_192;

/// What a new table hashes keys with, which nobody else knows.
pub(super) fn seed() -> [u32; FlowKey::WORDS] {
    // The standard library seeds its hash maps with the system's random numbers.
    let random = RandomState::new();
    std::array::from_fn(|place| {
        let mut hasher = random.build_hasher();
        hasher.write_usize(place);
        // Half of it serves.
        u32::try_from(hasher.finish() >> 32).unwrap_or(0)
    })
}

impl Kernel {
    /// All flows that have not ended.
    pub fn flows(&self) -> Result<Vec<Flow>, ControlError> {
        let now = Self::now();
        Ok(self.slots(|flow| flow.expires > now)?.into_iter().map(|(_, flow)| flow).collect())
    }

    /// The slots that are wanted, with their numbers. Those that nobody has expire at zero.
    pub(super) fn slots(&self, wanted: impl Fn(&Flow) -> bool) -> Result<Vec<(u32, Flow)>, ControlError> {
        let used = self.maps.flow_pool.get()?.fresh.min(self.maps.flows.len().into());
        let used = u32::try_from(used).unwrap_or(u32::MAX);
        let mut slots = Vec::new();
        for first in (0..used).step_by(CHUNK as usize) {
            let flows = self.maps.flows.some(first, CHUNK.min(used - first))?;
            slots.extend((first..).zip(flows).filter(|(_, flow)| wanted(flow)));
        }
        Ok(slots)
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
        // Below zero is none.
        let held = |usage: Usage| u64::try_from(usage.flows.held.cast_signed()).unwrap_or(0);
        Ok(self.maps.usage.values()?.into_iter().map(held).collect())
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
        self.maps.control.set(Control { operation: Control::SWEEP_FLOWS, container, ..zero() })?;
        let mut options = TestRunOptions::new();
        options.data_in = Some(&[0; PACKET]);
        // The kernel lets others run in between.
        options.repeat = u32::try_from(turns).unwrap_or(u32::MAX);
        self.control
            .test_run(options)
            .map_err(std::io::Error::other)
            .context(|| "run the control program".to_owned())?;
        Ok(self.maps.control.get()?.result)
    }
}

const fn is_empty(ring: &Ring) -> bool {
    ring.head == 0 && ring.next == 0
}

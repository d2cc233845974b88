//! Flows.

use std::collections::HashSet;

use berth_common::abi::{
    flow::{Flow, FlowKey},
    units::ContainerId,
};

use super::{ControlError, Kernel, maps};

impl Kernel {
    /// All flows that have not ended.
    pub fn flows(&self) -> Result<Vec<(FlowKey, Flow)>, ControlError> {
        let now = Self::now();
        let mut flows = maps::dump(&self.pins, "FLOWS")?;
        // Zero: about to be deleted.
        flows.retain(|(_, flow): &(FlowKey, Flow)| flow.expires > now);
        Ok(flows)
    }

    /// Deletes the flows of which `owner` has an end; all flows without an owner. Returns how many there were.
    pub fn flush_flows(&mut self, owner: Option<ContainerId>) -> Result<u32, ControlError> {
        let owners = match owner {
            Some(owner) => HashSet::from([owner]),
            None => maps::dump(&self.pins, "FLOWS")?
                .iter()
                .flat_map(|(_, flow): &(FlowKey, Flow)| [flow.opener, flow.responder])
                .filter(|end| *end != ContainerId::UNOWNED)
                .collect(),
        };
        let mut count = 0_u32;
        for owner in owners {
            count = count.saturating_add(self.clear_flows(owner)?);
        }
        Ok(count)
    }
}

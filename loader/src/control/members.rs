//! Which containers have which cgroups, interfaces and addresses there.

use std::collections::HashMap;

use berth_common::abi::{
    address::{Address, OwnAddress},
    units::ContainerId,
};

use super::{ControlError, maps::Maps, pins::Pins};

/// What of a container is in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Level and id of its cgroups.
    pub cgroups: Vec<(u32, u64)>,
    /// Indices of its interfaces.
    pub interfaces: Vec<u32>,
    /// What it is known by on them.
    pub addresses: Vec<Address>,
}

/// Reads it from the kernel.
pub fn read(pins: &Pins, maps: &Maps) -> Result<HashMap<ContainerId, Members>, ControlError> {
    let levels: HashMap<u64, u32> =
        pins.attached_cgroups()?.into_iter().map(|(level, id)| (id, level)).collect();
    let mut members: HashMap<ContainerId, Members> = HashMap::new();
    for (id, entry) in maps.cgroups.entries()? {
        // Without a directory there are no links either: the level is of no consequence.
        let level = levels.get(&id).copied().unwrap_or(0);
        members.entry(entry.container).or_default().cgroups.push((level, id));
    }
    for (ifindex, entry) in maps.interfaces.entries()? {
        members.entry(entry.container).or_default().interfaces.push(ifindex);
    }
    for (OwnAddress { address, container }, _) in maps.own_addresses.entries()? {
        members.entry(container).or_default().addresses.push(address);
    }
    Ok(members)
}

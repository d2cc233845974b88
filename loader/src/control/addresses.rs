//! Whose the local addresses are.

use std::collections::HashMap;
use std::net::IpAddr;

use berth_common::abi::{
    address::{Address, AddressEntry},
    units::ContainerId,
};

use super::{ControlError, Kernel};

impl Kernel {
    /// Makes these the node's addresses, and `owned` (address, owner, the owner's generation) those of one container
    /// alone. An address that stays is there all the time.
    pub fn set_addresses(
        &mut self,
        node: &[IpAddr],
        owned: &[(IpAddr, ContainerId, u32)],
    ) -> Result<(), ControlError> {
        let wanted = wanted(node, owned);
        self.maps.addresses.put(wanted.iter().map(|(address, entry)| (*address, *entry)))?;
        let alone = wanted.values().filter(|entry| entry.owner.is_container()).count();
        let alone = u32::try_from(alone).unwrap_or(u32::MAX);
        self.change_config(|config| config.container_addresses = alone)?;
        self.maps.addresses.retain(wanted.into_keys())
    }
}

fn wanted(node: &[IpAddr], owned: &[(IpAddr, ContainerId, u32)]) -> HashMap<Address, AddressEntry> {
    let host = AddressEntry { owner: ContainerId::HOST, generation: 0 };
    let node = node.iter().map(|address| (Address::from(*address), host));
    let owned = owned.iter().map(|(address, owner, generation)| {
        let entry = AddressEntry { owner: *owner, generation: *generation };
        (Address::from(*address), entry)
    });
    // Later ones win: an address of the node may be one container's alone.
    node.chain(owned).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_container_s_address_is_not_the_node_s() {
        let (shared, alone): (IpAddr, IpAddr) =
            (Ipv4Addr::new(192, 0, 2, 1).into(), Ipv4Addr::new(192, 0, 2, 2).into());
        let wanted = wanted(&[shared, alone], &[(alone, ContainerId(4), 9)]);
        assert_eq!(wanted.len(), 2);
        assert_eq!(wanted[&Address::from(shared)].owner, ContainerId::HOST);
        assert_eq!(wanted[&Address::from(alone)].owner, ContainerId(4));
        assert_eq!(wanted[&Address::from(alone)].generation, 9);
    }
}

//! Whose the node's addresses are.

use std::{collections::BTreeMap, net::IpAddr};

use berth_common::abi::units::ContainerId;

use super::{Addresses, Enforcer, Node, NodeError, Observer};

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Tells the kernel the addresses of the node and of its containers, if they have changed.
    pub(super) fn push_addresses(&mut self) -> Result<(), NodeError> {
        let addresses = Addresses { node: self.observer.addresses()?, owned: self.owned() };
        if addresses != self.addresses {
            self.kernel.set_addresses(&addresses.node, &addresses.owned)?;
            self.addresses = addresses;
        }
        Ok(())
    }

    /// Those that are one container's alone. What several have on interfaces of their own is nobody's as seen from the uplinks, unless
    /// one of them turns out to share the node's network.
    fn owned(&self) -> Vec<(IpAddr, ContainerId, u32)> {
        let mut owned = Vec::new();
        for record in &self.state.containers {
            let settings = record.definition.as_ref().map(|definition| &definition.settings);
            let addresses = settings.and_then(|settings| settings.addresses.as_ref());
            // What is not in the kernel has no generation there yet.
            if self.attachments.contains_key(&record.id) {
                let own = addresses.into_iter().flatten();
                owned.extend(own.map(|&address| (address, ContainerId(record.id), record.generation)));
            }
        }
        let mut holders: BTreeMap<IpAddr, Vec<ContainerId>> = BTreeMap::new();
        for (address, id, _) in &owned {
            holders.entry(*address).or_default().push(*id);
        }
        owned.retain(|(address, id, _)| match holders.get(address).map(Vec::as_slice) {
            Some([_]) | None => true,
            Some(several) => {
                self.shares(*id) && several.iter().filter(|other| self.shares(**other)).count() == 1
            }
        });
        owned
    }

    /// Whether a container shares the node's network.
    fn shares(&self, id: ContainerId) -> bool {
        self.attachments.get(&id.0).is_some_and(|attachment| !attachment.cgroups.is_empty())
    }
}

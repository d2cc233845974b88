//! Whose the node's addresses are.

use std::net::IpAddr;

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
        owned
    }
}

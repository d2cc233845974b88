//! What containers must not have in common.

use std::{net::IpAddr, path::Path};

use berth_common::abi::address::Address;

use super::{Attachment, Node, NodeError};
use crate::{
    api::name::Name,
    node::{Enforcer, Observer},
    state::{Definition, Record},
};

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Holds what container `id` is to be against itself, the node, and every other container.
    pub(super) fn check_conflicts(
        &self,
        id: u32,
        definition: &Definition,
        attachment: &Attachment,
    ) -> Result<(), NodeError> {
        check_itself(&cgroup_paths(definition, attachment))?;
        for interface in interface_names(definition, attachment) {
            if interface == "lo" || self.state.uplinks.iter().any(|uplink| uplink == interface) {
                return Err(NodeError::InterfaceOfNode(interface.to_owned()));
            }
        }
        for &address in definition.settings.addresses.iter().flatten() {
            check_address(address)?;
        }
        self.check_places(id, definition, attachment)?;
        let none = Attachment::default();
        for (record, other) in self.others(id) {
            let there = self.attachments.get(&record.id).unwrap_or(&none);
            check_pair((definition, attachment), (other, there), &record.name)?;
        }
        Ok(())
    }

    /// Whether cgroups and interfaces of what container `id` is to be are none of another's.
    pub(super) fn check_places(
        &self,
        id: u32,
        definition: &Definition,
        attachment: &Attachment,
    ) -> Result<(), NodeError> {
        let none = Attachment::default();
        for (record, other) in self.others(id) {
            let there = self.attachments.get(&record.id).unwrap_or(&none);
            check_places((definition, attachment), (other, there), &record.name)?;
        }
        Ok(())
    }

    fn others(&self, id: u32) -> impl Iterator<Item = (&Record, &Definition)> {
        self.state
            .containers
            .iter()
            .filter(move |record| record.id != id)
            .filter_map(|record| Some((record, record.definition.as_ref()?)))
    }
}

fn check_places(
    (definition, attachment): (&Definition, &Attachment),
    (other, there): (&Definition, &Attachment),
    owner: &Name,
) -> Result<(), NodeError> {
    let theirs = cgroup_paths(other, there);
    for path in cgroup_paths(definition, attachment) {
        if let Some(taken) = theirs.iter().find(|taken| overlap(path, taken)) {
            return Err(NodeError::CgroupTaken {
                path: path.to_owned(),
                other: (*taken).to_owned(),
                owner: owner.clone(),
            });
        }
    }
    let theirs = interface_names(other, there);
    for interface in interface_names(definition, attachment) {
        if theirs.contains(&interface) {
            let interface = interface.to_owned();
            return Err(NodeError::InterfaceTaken { interface, owner: owner.clone() });
        }
    }
    Ok(())
}

fn check_pair(
    (definition, attachment): (&Definition, &Attachment),
    (other, there): (&Definition, &Attachment),
    owner: &Name,
) -> Result<(), NodeError> {
    for (&runtime, name) in &definition.runtimes {
        if other.runtimes.get(&runtime) == Some(name) {
            return Err(NodeError::RuntimeNameTaken { runtime, name: name.clone(), owner: owner.clone() });
        }
    }
    // On interfaces of their own, both may have it.
    if cgroup_paths(definition, attachment).is_empty() && cgroup_paths(other, there).is_empty() {
        return Ok(());
    }
    for &address in definition.settings.addresses.iter().flatten() {
        if other.settings.addresses.iter().flatten().any(|&taken| taken == address) {
            return Err(NodeError::AddressTaken { address, owner: owner.clone() });
        }
    }
    Ok(())
}

fn check_itself(paths: &[&Path]) -> Result<(), NodeError> {
    for (index, inner) in paths.iter().enumerate() {
        for (other, outer) in paths.iter().enumerate() {
            if other != index && inner.starts_with(outer) {
                let (inner, outer) = ((*inner).to_owned(), (*outer).to_owned());
                return Err(NodeError::CgroupTwice { inner, outer });
            }
        }
    }
    Ok(())
}

fn check_address(address: IpAddr) -> Result<(), NodeError> {
    let word = Address::from(address);
    if word.is_wildcard() || word.is_group() || word.is_loopback() {
        return Err(NodeError::AddressUnfit(address));
    }
    Ok(())
}

fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// The cgroups that are a container's by name or through a runtime, whether they exist at present or not.
fn cgroup_paths<'a>(definition: &'a Definition, attachment: &'a Attachment) -> Vec<&'a Path> {
    let found = attachment
        .cgroups
        .iter()
        .map(|cgroup| cgroup.path.as_path())
        .filter(|path| !definition.cgroups.iter().any(|named| named == path));
    definition.cgroups.iter().map(AsRef::as_ref).chain(found).collect()
}

/// The same for interfaces.
fn interface_names<'a>(definition: &'a Definition, attachment: &'a Attachment) -> Vec<&'a str> {
    let found = attachment
        .interfaces
        .iter()
        .map(|link| link.name.as_str())
        .filter(|name| !definition.interfaces.iter().any(|named| named == name));
    definition.interfaces.iter().map(AsRef::as_ref).chain(found).collect()
}

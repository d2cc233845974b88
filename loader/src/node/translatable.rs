//! What a container must be for its addresses to be translated.

use std::net::IpAddr;

use berth_common::abi::address::Address;
use log::warn;

use super::{Attachment, Enforcer, Node, NodeError, Observer, spec::settings};
use crate::{
    api::{masquerade::Masquerade, mode::Mode, name::Name, settings::Settings},
    state::Definition,
};

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Holds what container `id` is to be against what is translated of it.
    pub(super) fn check_translation(
        &self,
        (id, name): (u32, &Name),
        definition: &Definition,
        attachment: &Attachment,
    ) -> Result<(), NodeError> {
        let (settings, name) = (&definition.settings, name.clone());
        let published = || self.state.reservations_of(id).filter_map(|one| Some((one.service, one.to?.ip())));
        if self.rules.get(&id).is_some_and(|loaded| loaded.pair.translates()) {
            check_own_addresses(&name, definition, attachment)?;
        }
        let is_masqueraded = is_masqueraded(settings);
        if !is_masqueraded && published().next().is_none() {
            return Ok(());
        }
        let mode = self.mode(settings);
        if mode != Mode::Full {
            return Err(match published().next() {
                Some((service, _)) if !is_masqueraded => NodeError::ModePublished { name, mode, service },
                _ => NodeError::MasqueradeMode { name, mode },
            });
        }
        let addresses = reachable(settings);
        if let Some((service, address)) = published().find(|(_, address)| !addresses.contains(address)) {
            return Err(NodeError::AddressPublished { name, service, address });
        }
        check_network(&name, definition, attachment)
    }

    /// Holds a change of masquerading against what the node is at present. Returns what the operator should know.
    pub(super) fn check_masquerade(
        &self,
        before: &Settings,
        after: &Settings,
    ) -> Result<Vec<String>, NodeError> {
        let masquerade = after.masquerade.unwrap_or_default();
        if masquerade == Masquerade::No || masquerade == before.masquerade.unwrap_or_default() {
            return Ok(Vec::new());
        }
        let mut addresses = reachable(after);
        if let Masquerade::To(address) = masquerade {
            self.check_own(address)?;
            addresses.retain(|other| other.is_ipv6() == address.is_ipv6());
        }
        if !is_masqueraded(before) {
            self.check_masquerade_ports()?;
        }
        Ok(self.forwarding.notes(addresses))
    }

    /// Says that ports are in two minds, if there is anybody masqueraded.
    pub(super) fn warn_of_masquerade_ports(&self) {
        if self.state.containers.iter().any(|record| is_masqueraded(&settings(record)))
            && let Err(problem) = self.check_masquerade_ports()
        {
            warn!("{problem}");
        }
    }

    fn check_masquerade_ports(&self) -> Result<(), NodeError> {
        let (ports, range) = (self.config.nat.ports.0, self.local_ports.range()?);
        if ports.meets(range) { Err(NodeError::MasqueradePorts { ports, range }) } else { Ok(()) }
    }

    /// Fails unless it is an address of the node's that no container has to itself.
    pub(super) fn check_own(&self, address: IpAddr) -> Result<(), NodeError> {
        let containers = self.state.containers.iter().filter_map(|record| record.definition.as_ref());
        let mut taken = containers.flat_map(|definition| definition.settings.addresses.iter().flatten());
        let is_fit = self.observer.addresses()?.contains(&address) && !Address::from(address).is_loopback();
        if is_fit && !taken.any(|other| *other == address) {
            Ok(())
        } else {
            Err(NodeError::NotTheNodes(address))
        }
    }
}

/// Fails unless the container has, or may turn out to have, an interface of its own, and an address there.
pub(super) fn check_network(
    name: &Name,
    definition: &Definition,
    attachment: &Attachment,
) -> Result<(), NodeError> {
    if is_sharing(definition, attachment) {
        return Err(NodeError::NoOwnInterface(name.clone()));
    }
    if reachable(&definition.settings).is_empty() {
        return Err(NodeError::NothingToTranslate(name.clone()));
    }
    Ok(())
}

/// Fails if rules in table nat would translate addresses that are not the container's alone.
pub(super) fn check_own_addresses(
    name: &Name,
    definition: &Definition,
    attachment: &Attachment,
) -> Result<(), NodeError> {
    if is_sharing(definition, attachment) {
        return Err(NodeError::NatOfNode(name.clone()));
    }
    Ok(())
}

/// Whether the container uses the node's addresses.
fn is_sharing(definition: &Definition, attachment: &Attachment) -> bool {
    let has_interface = !definition.interfaces.is_empty() || !attachment.interfaces.is_empty();
    // What a runtime starts later shows what it has then.
    !has_interface && (definition.runtimes.is_empty() || !attachment.cgroups.is_empty())
}

/// The container's addresses that other hosts could reach.
pub(super) fn reachable(settings: &Settings) -> Vec<IpAddr> {
    let addresses = settings.addresses.iter().flatten().copied();
    addresses.filter(|address| !Address::from(*address).is_link_local()).collect()
}

fn is_masqueraded(settings: &Settings) -> bool {
    settings.masquerade.unwrap_or_default() != Masquerade::No
}

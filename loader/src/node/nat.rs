//! What is translated: published ports, and what goes out under the node's addresses.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, SocketAddr},
    path::Path,
};

use berth_common::abi::{
    address::Address,
    flow::End,
    nat::{NatAddresses, NatOwner, NatSource, Published},
    units::{ContainerId, Port},
};
use log::warn;

use super::{Enforcer, Node, NodeError, Observer};
use crate::{
    api::{masquerade::Masquerade, mode::Mode, port_span::PortSpan, settings::Settings},
    containers::{Link, LinkAddress, Master},
    control::Nat,
    state::Record,
};

/// A container that has interfaces of its own, and is there.
struct Inside<'a> {
    record: &'a Record,
    settings: &'a Settings,
    interfaces: &'a [Link],
}

/// Two containers whose packets cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clash {
    source: NatSource,
    /// Who is left out.
    loser: ContainerId,
}

impl<E: Enforcer, O: Observer> Node<E, O> {
    /// Tells the kernel whose the addresses are, and what is translated.
    pub(super) fn push_network(&mut self) -> Result<(), NodeError> {
        self.push_addresses()?;
        self.push_translation()
    }

    /// Tells the kernel what is translated, if that has changed.
    pub(super) fn push_translation(&mut self) -> Result<(), NodeError> {
        let (nat, clashes) = self.translation()?;
        for Clash { source, loser } in clashes.iter().filter(|clash| !self.clashes.contains(clash)) {
            warn!(
                "{} of container {} is another's on the same bridge, too: what it sends is not translated",
                source.address,
                self.title(loser.0)
            );
        }
        self.clashes = clashes;
        if self.nat.as_ref() != Some(&nat) {
            // What is there if this fails, nobody knows.
            self.nat = None;
            self.kernel.set_translation(&nat)?;
            self.nat = Some(nat);
        }
        Ok(())
    }

    /// Has the node's own sockets reach published ports, if they are to. All else is in force without that.
    pub(super) fn serve_node(&mut self) {
        let root = self.config.nat.from_node.then(|| self.observer.cgroup_directory(Path::new("/")));
        if let Err(failure) = self.kernel.serve_node(root.as_deref()) {
            self.report(format!("the node itself does not reach published ports: {failure}"));
        }
    }

    fn translation(&self) -> Result<(Nat, Vec<Clash>), NodeError> {
        let all = self.with_interfaces();
        let inside: Vec<_> = all.iter().filter(|one| self.is_translatable(one)).collect();
        let (mut sources, mut clashes) = (BTreeMap::new(), Vec::new());
        let (mut uplinks, mut insides) = (Vec::new(), Vec::new());
        if !all.is_empty() {
            let masters = self.observer.masters()?;
            for (source, owner) in inside
                .iter()
                .flat_map(|one| one.sources(|port| masters.get(&port).map(|master| master.ifindex)))
            {
                let first = *sources.entry(source).or_insert(owner);
                if first.container != owner.container {
                    clashes.push(Clash { source, loser: owner.container });
                }
            }
            let addresses = self.observer.source_addresses()?;
            insides = all.iter().flat_map(|one| one.insides(&addresses, &masters)).collect();
            if !inside.is_empty() {
                let master = |port| masters.get(&port).map(|master| master.ifindex);
                uplinks = self.uplink_addresses(&addresses, master)?;
            }
        }
        let by_id: BTreeMap<u32, &Inside<'_>> = inside.iter().map(|one| (one.record.id, *one)).collect();
        let reservations = self.state.reservations.iter();
        let published = reservations
            .filter_map(|one| Some((one.key(), by_id.get(&one.id)?.published(one.to?))))
            .collect();
        let PortSpan { first, last } = self.config.nat.ports.0;
        let sources = sources.into_iter().collect();
        Ok((Nat { ports: first..=last, uplinks, insides, sources, published }, clashes))
    }

    /// The containers that have interfaces of their own, and are there.
    fn with_interfaces(&self) -> Vec<Inside<'_>> {
        let containers = self.state.containers.iter().filter_map(|record| {
            let settings = &record.definition.as_ref()?.settings;
            // What is not in the kernel has no generation there yet.
            let interfaces = &self.attachments.get(&record.id)?.interfaces;
            Some(Inside { record, settings, interfaces })
        });
        containers.filter(|one| !one.interfaces.is_empty()).collect()
    }

    /// Whether a container's addresses may be translated.
    fn is_translatable(&self, one: &Inside<'_>) -> bool {
        !one.addresses().is_empty() && self.mode(one.settings) == Mode::Full
    }

    /// The addresses of each uplink; where it is a port of another interface and has none, those of that one.
    fn uplink_addresses(
        &self,
        all: &[LinkAddress],
        master: impl Fn(u32) -> Option<u32>,
    ) -> Result<Vec<(u32, NatAddresses)>, NodeError> {
        let links = match &self.links {
            Some(links) => links.clone(),
            // Another berth has attached to them.
            None => self.observer.links()?,
        };
        let uplinks =
            links.iter().filter(|link| self.links.is_some() || self.state.uplinks.contains(&link.name));
        let first = |ifindex: u32, is_v6: bool| {
            let mut own = all.iter().filter(|one| one.ifindex == ifindex);
            own.find(|one| one.address.is_ipv6() == is_v6).map(|one| Address::from(one.address))
        };
        let address = |ifindex: u32, is_v6: bool| {
            first(ifindex, is_v6).or_else(|| master(ifindex).and_then(|master| first(master, is_v6)))
        };
        Ok(uplinks
            .map(|link| {
                let v4 = address(link.ifindex, false).unwrap_or(Address::ANY4);
                let v6 = address(link.ifindex, true).unwrap_or(Address::ANY6);
                (link.ifindex, NatAddresses { v4, v6, router: [0; 8] })
            })
            .collect())
    }
}

impl Inside<'_> {
    fn addresses(&self) -> &[IpAddr] {
        self.settings.addresses.as_deref().unwrap_or_default()
    }

    /// Where its packets come from, by each interface and by the one that it is a port of.
    fn sources(&self, master: impl Fn(u32) -> Option<u32>) -> Vec<(NatSource, NatOwner)> {
        let own = self.interfaces.iter().map(|link| link.ifindex);
        let indices: Vec<u32> = own.flat_map(|index| [Some(index), master(index)]).flatten().collect();
        let all =
            self.addresses().iter().flat_map(|address| indices.iter().map(move |index| (address, index)));
        all.map(|(&address, &ifindex)| (NatSource { address: address.into(), ifindex }, self.owner(address)))
            .collect()
    }

    /// The addresses that it has on each of its interfaces, as far as can be told: the first one in a network that the node is in there, or else
    /// the first.
    fn insides(&self, all: &[LinkAddress], masters: &HashMap<u32, Master>) -> Vec<(u32, NatAddresses)> {
        let address = |ifindex: u32, is_v6: bool| {
            let master = masters.get(&ifindex).map(|master| master.ifindex);
            let is_there = |one: &&LinkAddress| one.ifindex == ifindex || master == Some(one.ifindex);
            let is_beside = |own: &IpAddr| all.iter().filter(is_there).any(|one| one.is_beside(*own));
            let own = || self.addresses().iter().filter(move |own| own.is_ipv6() == is_v6);
            own().find(|own| is_beside(own)).or_else(|| own().next()).map(|own| Address::from(*own))
        };
        let interfaces = self.interfaces.iter().map(|link| link.ifindex);
        interfaces
            .map(|ifindex| {
                let v4 = address(ifindex, false).unwrap_or(Address::ANY4);
                let v6 = address(ifindex, true).unwrap_or(Address::ANY6);
                let router = masters.get(&ifindex).and_then(|master| master.address).unwrap_or_default();
                (ifindex, NatAddresses { v4, v6, router: padded(router) })
            })
            .collect()
    }

    fn owner(&self, address: IpAddr) -> NatOwner {
        let (masquerade, to) = match self.settings.masquerade.unwrap_or_default() {
            Masquerade::Yes => (NatOwner::UPLINK, Address::ANY6),
            Masquerade::To(to) if to.is_ipv6() == address.is_ipv6() => (NatOwner::TO, to.into()),
            Masquerade::To(_) | Masquerade::No => (NatOwner::UNTRANSLATED, Address::ANY6),
        };
        let Record { id, generation, .. } = *self.record;
        NatOwner { container: ContainerId(id), generation, masquerade, to }
    }

    fn published(&self, to: SocketAddr) -> Published {
        let end = End { address: to.ip().into(), port: Port(to.port()) };
        Published {
            end: end.into(),
            container: ContainerId(self.record.id),
            generation: self.record.generation,
        }
    }
}

fn padded(address: [u8; 6]) -> [u8; 8] {
    let mut padded = [0; 8];
    padded[..6].copy_from_slice(&address);
    padded
}

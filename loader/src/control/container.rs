//! Putting containers in force, and out of it.

use std::collections::BTreeSet;

use berth_common::abi::{
    address::{Address, OwnAddress},
    config::{Config, Interface, MAX_CGROUP_LEVELS},
    container::{Container, MAX_PORT_RANGES, Mode, PortRange},
    control::Control,
    names,
    socket::CgroupEntry,
    units::{ContainerId, Port},
};

use super::{
    ControlError, Kernel, Spec, cgroups,
    members::Members,
    place::{Direction, Place},
    plain::zero,
    tc,
};
use crate::containers::{Cgroup, Hierarchy, Link};

impl Kernel {
    /// Puts a container in force. Existing sockets are left for [`Self::adopt_sockets`].
    pub fn add_container(&mut self, id: ContainerId, spec: &Spec) -> Result<(), ControlError> {
        self.maps.containers.check(id)?;
        let entry = container(id, spec)?;
        if self.maps.containers.get(id.0)?.generation != 0 {
            return Err(ControlError::ContainerExists(id));
        }
        let cpus = self.maps.counters.get(id.0)?.len();
        self.maps.counters.set(id.0, vec![zero(); cpus])?;
        self.attach(id, spec)?;
        // Last of all: until now everything that carries this generation was void.
        let put = self.settle(id, spec).and_then(|()| self.maps.containers.set(id.0, entry));
        if put.is_err() {
            self.detach_except(id, &Members::default())?;
        }
        put
    }

    /// Makes a container that is in force what `spec` says, where it differs. The generation must be the same.
    pub fn update_container(&mut self, id: ContainerId, spec: &Spec) -> Result<(), ControlError> {
        self.maps.containers.check(id)?;
        let entry = container(id, spec)?;
        match self.maps.containers.get(id.0)?.generation {
            0 => return Err(ControlError::NoContainer(id)),
            generation if generation != spec.generation => {
                return Err(ControlError::WrongGeneration { id, generation: spec.generation });
            }
            _ => {}
        }
        let before = self.members.get(&id).cloned().unwrap_or_default();
        self.attach(id, spec)?;
        let put = self.settle(id, spec).and_then(|()| self.maps.containers.set(id.0, entry));
        if put.is_err() {
            self.detach_except(id, &before)?;
            return put;
        }
        self.detach_except(id, &members(spec))
    }

    /// What a container's flows are held to, beside its entry.
    fn settle(&mut self, id: ContainerId, spec: &Spec) -> Result<(), ControlError> {
        self.maps.timeouts.set(id.0, spec.timeouts)?;
        self.share_flows(Some((id, spec.flow_limit)))
    }

    /// Takes a container out of force, its flows and reservations with it (the operator's too). Addresses that were
    /// its alone are void from then on, until the next [`Self::set_addresses`].
    pub fn remove_container(&mut self, id: ContainerId) -> Result<(), ControlError> {
        self.maps.containers.check(id)?;
        // First of all: what carries its generation is void from now on. That its flows end is still told, if it wants to hear of it.
        let Container { flow_events, .. } = self.maps.containers.get(id.0)?;
        self.maps.containers.set(id.0, Container { flow_events, ..zero() })?;
        self.detach_except(id, &Members::default())?;
        self.remove_ruleset(id)?;
        self.flush_flows(Some(id))?;
        self.clear_ports(id)?;
        self.clear_guards()?;
        self.share_flows(Some((id, 0)))?;
        self.carry_out(Control { operation: Control::FORGET_USAGE, container: id, ..zero() })?;
        self.maps.containers.set(id.0, zero())
    }

    /// The containers in force, with their generations.
    pub fn containers(&self) -> Result<Vec<(ContainerId, u32)>, ControlError> {
        let generations = (0..).zip(self.maps.containers.values()?).map(|(id, entry)| (id, entry.generation));
        // Index 0 is the host.
        let in_force = generations.skip(1).filter(|(_, generation)| *generation != 0);
        Ok(in_force.map(|(id, generation)| (ContainerId(id), generation)).collect())
    }

    /// Attaches what of `spec` is not attached; nothing if that fails.
    fn attach(&mut self, id: ContainerId, spec: &Spec) -> Result<(), ControlError> {
        let before = self.members.get(&id).cloned().unwrap_or_default();
        let attached = self
            .attach_cgroups(id, spec)
            .and_then(|()| self.add_addresses(id, spec))
            .and_then(|()| self.attach_interfaces(id, spec));
        if attached.is_err() {
            // The first error is the one to report.
            if let Err(second) = self.detach_except(id, &before) {
                log::warn!("container {} is not wholly detached: {second}", id.0);
            }
        }
        attached
    }

    fn attach_cgroups(&mut self, id: ContainerId, spec: &Spec) -> Result<(), ControlError> {
        if spec.cgroups.is_empty() {
            return Ok(());
        }
        let hierarchy = Hierarchy::find()?;
        for cgroup in &spec.cgroups {
            self.check_cgroup(id, cgroup)?;
            let member = (cgroup.level, cgroup.id);
            let members = self.members.entry(id).or_default();
            if !members.cgroups.contains(&member) {
                members.cgroups.push(member);
            }
            // Before anything carries the container's name: the programs look at these depths only.
            if !self.set_levels()? {
                return Err(ControlError::TooManyLevels { path: cgroup.path.clone(), level: cgroup.level });
            }
            let entry = CgroupEntry { container: id, generation: spec.generation };
            self.maps.cgroups.insert(cgroup.id, entry)?;
            let directory = hierarchy.directory(cgroup);
            cgroups::attach(&self.pins, self.programs.for_cgroups(), &directory, member)?;
        }
        Ok(())
    }

    fn attach_interfaces(&mut self, id: ContainerId, spec: &Spec) -> Result<(), ControlError> {
        for link in &spec.interfaces {
            self.check_interface(id, link)?;
            let members = self.members.entry(id).or_default();
            if !members.interfaces.contains(&link.ifindex) {
                members.interfaces.push(link.ifindex);
            }
            let flags = self.interface_flags(id, spec, link)?;
            let entry = Interface { container: id, generation: spec.generation, flags };
            if entry.has(Interface::TRANSLATES) {
                // Before there are names that others have to look for.
                self.change_config(|config| config.nat |= Config::NAT_OWN)?;
            }
            self.maps.interfaces.insert(link.ifindex, entry)?;
            for place in interface_places(link) {
                tc::attach(&self.pins, &self.programs, self.method, &place)?;
            }
        }
        Ok(())
    }

    /// Flows that a container's rules have translated stay so when it has no such rules any more, as long as its mode lets it have some.
    fn interface_flags(&self, id: ContainerId, spec: &Spec, link: &Link) -> Result<u32, ControlError> {
        let before = self.maps.interfaces.get(link.ifindex)?;
        let has_translated = before.is_some_and(|entry| {
            entry.container == id && entry.generation == spec.generation && entry.has(Interface::TRANSLATES)
        });
        let translates = spec.mode == Mode::Full && (spec.translates || has_translated);
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        Ok(flag(!link.ethernet, Interface::BARE) | flag(translates, Interface::TRANSLATES))
    }

    /// Lets the container have its addresses on its interfaces, before it is held to them.
    fn add_addresses(&mut self, id: ContainerId, spec: &Spec) -> Result<(), ControlError> {
        for address in own_addresses(spec) {
            let members = self.members.entry(id).or_default();
            if !members.addresses.contains(&address) {
                members.addresses.push(address);
            }
            self.maps.own_addresses.insert(OwnAddress { address, container: id }, spec.generation)?;
        }
        Ok(())
    }

    /// Detaches what of the container is not in `keep`.
    fn detach_except(&mut self, id: ContainerId, keep: &Members) -> Result<(), ControlError> {
        let Some(present) = self.members.get(&id).cloned() else {
            return Ok(());
        };
        for member in present.cgroups.iter().filter(|one| !keep.cgroups.contains(one)) {
            self.maps.cgroups.remove(member.1)?;
            cgroups::detach(&self.pins, *member)?;
            self.forget(id, |members| members.cgroups.retain(|other| other != member));
        }
        for ifindex in present.interfaces.iter().filter(|one| !keep.interfaces.contains(one)) {
            self.maps.interfaces.remove(*ifindex)?;
            for place in tc::places(&self.pins)? {
                if place.ifindex == *ifindex {
                    tc::detach(&self.pins, &place)?;
                }
            }
            self.forget(id, |members| members.interfaces.retain(|other| other != ifindex));
        }
        for address in present.addresses.iter().filter(|one| !keep.addresses.contains(one)) {
            self.maps.own_addresses.remove(OwnAddress { address: *address, container: id })?;
            self.forget(id, |members| members.addresses.retain(|other| other != address));
        }
        self.set_levels().map(drop)
    }

    /// Tells the programs at which depths cgroups are. Returns whether there is room for all.
    fn set_levels(&mut self) -> Result<bool, ControlError> {
        let cgroups = self.members.values().flat_map(|members| &members.cgroups);
        let Some(levels) = levels(cgroups.map(|(level, _)| *level)) else {
            return Ok(false);
        };
        self.change_config(|config| config.cgroup_levels = levels)?;
        Ok(true)
    }

    fn forget(&mut self, id: ContainerId, change: impl FnOnce(&mut Members)) {
        if let Some(members) = self.members.get_mut(&id) {
            change(members);
            if *members == Members::default() {
                self.members.remove(&id);
            }
        }
    }

    fn check_cgroup(&self, id: ContainerId, cgroup: &Cgroup) -> Result<(), ControlError> {
        match self.maps.cgroups.get(cgroup.id)? {
            Some(entry) if entry.container != id => {
                Err(ControlError::CgroupTaken { path: cgroup.path.clone(), holder: entry.container })
            }
            _ => Ok(()),
        }
    }

    fn check_interface(&self, id: ContainerId, link: &Link) -> Result<(), ControlError> {
        let holder = match self.maps.interfaces.get(link.ifindex)? {
            Some(entry) if entry.container != id => entry.container,
            _ if self.maps.config.get()?.uplinks.contains(&link.ifindex) => ContainerId::HOST,
            _ => return Ok(()),
        };
        Err(ControlError::InterfaceTaken { name: link.name.clone(), holder })
    }
}

fn container(id: ContainerId, spec: &Spec) -> Result<Container, ControlError> {
    if !id.is_container() {
        return Err(ControlError::NoContainerId(id));
    }
    if spec.generation == 0 {
        return Err(ControlError::WrongGeneration { id, generation: 0 });
    }
    let count = spec.ranges.len();
    if count > MAX_PORT_RANGES {
        return Err(ControlError::TooManyRanges { count });
    }
    let mut ranges = [PortRange { first: Port(0), last: Port(0) }; MAX_PORT_RANGES];
    for (place, range) in ranges.iter_mut().zip(&spec.ranges) {
        *place = *range;
    }
    let mut flags = 0;
    if !spec.interfaces.is_empty() {
        flags |= Container::OWN_NETWORK;
    }
    if !spec.addresses.is_empty() && !spec.may_spoof {
        flags |= Container::KNOWN_ADDRESSES;
    }
    if !spec.macs.is_empty() && !spec.may_spoof {
        flags |= Container::KNOWN_MACS;
    }
    if spec.routes {
        flags |= Container::ROUTES;
    }
    if spec.deny_packet_sockets {
        flags |= Container::NO_PACKET_SOCKETS;
    }
    if spec.has_rules {
        flags |= Container::HAS_RULES;
    }
    if spec.asks_address_types {
        flags |= Container::ASKS_ADDRESS_TYPES;
    }
    if spec.helper_ftp {
        flags |= Container::HELPER_FTP;
    }
    Ok(Container {
        generation: spec.generation,
        mode: spec.mode as u8,
        flags,
        range_count: u8::try_from(count).unwrap_or(0),
        flow_events: spec.flow_events,
        flow_limit: spec.flow_limit,
        port_limit: spec.port_limit,
        ranges,
        guard_limit: spec.guard_limit,
        flow_rate: spec.flow_rate,
    })
}

/// The different levels, zeros after them.
fn levels(all: impl Iterator<Item = u32>) -> Option<[u8; MAX_CGROUP_LEVELS]> {
    let different: BTreeSet<u32> = all.filter(|level| *level != 0).collect();
    if different.len() > MAX_CGROUP_LEVELS {
        return None;
    }
    let mut levels = [0; MAX_CGROUP_LEVELS];
    for (place, level) in levels.iter_mut().zip(different) {
        *place = u8::try_from(level).ok()?;
    }
    Some(levels)
}

fn members(spec: &Spec) -> Members {
    Members {
        cgroups: spec.cgroups.iter().map(|cgroup| (cgroup.level, cgroup.id)).collect(),
        interfaces: spec.interfaces.iter().map(|link| link.ifindex).collect(),
        addresses: own_addresses(spec),
    }
}

/// What the container is known by on its interfaces.
fn own_addresses(spec: &Spec) -> Vec<Address> {
    if spec.interfaces.is_empty() {
        return Vec::new();
    }
    let macs = spec.macs.iter().map(|mac| mac.link_local());
    spec.addresses.iter().map(|address| Address::from(*address)).chain(macs).collect()
}

/// What the node's side of the interface receives is what the container sends. Translation is nearer to the other end, as on
/// uplinks.
fn interface_places(link: &Link) -> [Place; 4] {
    let programs = [
        (Direction::In, names::INTERFACE_INGRESS),
        (Direction::Out, names::INTERFACE_EGRESS),
        (Direction::In, names::HAIRPIN_INGRESS),
        (Direction::Out, names::HAIRPIN_EGRESS),
    ];
    programs.map(|(direction, program)| Place {
        ifindex: link.ifindex,
        direction,
        program: program.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use berth_common::{abi::timeout::Timeouts, wire::ether::Mac};

    use super::*;

    fn spec(ranges: usize) -> Spec {
        Spec {
            generation: 3,
            mode: Mode::Stateful,
            flow_limit: 10,
            flow_rate: 0,
            flow_events: 0,
            timeouts: Timeouts::default(),
            port_limit: 20,
            guard_limit: 30,
            ranges: vec![PortRange { first: Port(80), last: Port(90) }; ranges],
            has_rules: false,
            translates: false,
            asks_address_types: false,
            helper_ftp: false,
            deny_packet_sockets: true,
            cgroups: Vec::new(),
            routes: false,
            may_spoof: false,
            interfaces: Vec::new(),
            addresses: Vec::new(),
            macs: Vec::new(),
        }
    }

    #[test]
    fn a_spec_becomes_an_entry() {
        let entry = container(ContainerId(1), &spec(2)).unwrap();
        assert_eq!((entry.generation, entry.range_count), (3, 2));
        assert_eq!(entry.mode(), Mode::Stateful);
        assert_eq!(entry.flags, Container::NO_PACKET_SOCKETS);
        assert_eq!(entry.ranges[1].last, Port(90));
        assert_eq!(entry.ranges[2].last, Port(0));
    }

    #[test]
    fn what_is_known_of_an_interface_is_told() {
        let mac = Mac::from_octets([2, 0, 0, 0, 0, 1]);
        let shared = Spec { addresses: vec![[10, 0, 0, 2].into()], macs: vec![mac], ..spec(0) };
        assert_eq!(own_addresses(&shared), []);
        let link = Link { name: "veth0".to_owned(), ifindex: 7, ethernet: true };
        let own = Spec { interfaces: vec![link], routes: true, deny_packet_sockets: false, ..shared };
        let expected =
            ["10.0.0.2", "fe80::ff:fe00:1"].map(|text| Address::from(text.parse::<IpAddr>().unwrap()));
        assert_eq!(own_addresses(&own), expected);
        let flags = container(ContainerId(1), &own).unwrap().flags;
        let known = Container::KNOWN_ADDRESSES | Container::KNOWN_MACS;
        assert_eq!(flags, Container::OWN_NETWORK | Container::ROUTES | known);
        let free = Spec { may_spoof: true, ..own };
        assert_eq!(own_addresses(&free), expected);
        assert_eq!(container(ContainerId(1), &free).unwrap().flags & known, 0);
    }

    #[test]
    fn levels_are_told_once_each() {
        let told = levels([3, 1, 3, 0, 1].into_iter());
        assert_eq!(told, Some([1, 3, 0, 0, 0, 0, 0, 0]));
        assert_eq!(levels(1..=8), Some([1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(levels(1..=9), None);
        assert_eq!(levels([256].into_iter()), None);
    }

    #[test]
    fn what_has_no_place_is_refused() {
        assert!(matches!(
            container(ContainerId(1), &spec(MAX_PORT_RANGES + 1)),
            Err(ControlError::TooManyRanges { count: 9 })
        ));
        let void = Spec { generation: 0, ..spec(0) };
        assert!(matches!(container(ContainerId(1), &void), Err(ControlError::WrongGeneration { .. })));
    }
}

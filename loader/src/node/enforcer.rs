//! What the node needs of the kernel.

use std::{net::IpAddr, path::Path};

use berth_common::abi::{
    container::Usage,
    counters::{Counters, Traffic},
    flow::Flow,
    port::{Claim, PortKey},
    rules::Line,
    units::{ContainerId, Nanos},
};

use crate::{
    containers::{Cgroup, Link},
    control::{ControlError, Kept, Kernel, Nat, Policy, PortRefusal, Sizes, Spec, Translations},
};

/// What the node needs of the kernel: [`Kernel`], or something that stands for it in tests.
#[expect(missing_docs, reason = "each is documented where `Kernel` has it")]
pub trait Enforcer {
    fn configure(&mut self, policy: &Policy) -> Result<(), ControlError>;
    fn set_uplinks(&mut self, uplinks: &[Link]) -> Result<(), ControlError>;
    fn set_addresses(
        &mut self,
        node: &[IpAddr],
        owned: &[(IpAddr, ContainerId, u32)],
    ) -> Result<(), ControlError>;
    fn set_translation(&mut self, nat: &Nat) -> Result<(), ControlError>;
    fn serve_node(&mut self, root: Option<&Path>) -> Result<(), ControlError>;
    fn add_container(&mut self, id: ContainerId, spec: &Spec) -> Result<(), ControlError>;
    fn update_container(&mut self, id: ContainerId, spec: &Spec) -> Result<(), ControlError>;
    fn remove_container(&mut self, id: ContainerId) -> Result<(), ControlError>;
    fn containers(&self) -> Result<Vec<(ContainerId, u32)>, ControlError>;
    fn set_ruleset(
        &mut self,
        id: ContainerId,
        lines: &[Line],
        carried: &[(u32, u32)],
        objects: &[Kept],
    ) -> Result<(), ControlError>;
    fn refresh_objects(
        &mut self,
        id: ContainerId,
        lines: &[Line],
        objects: &[Kept],
    ) -> Result<(), ControlError>;
    fn remove_ruleset(&mut self, id: ContainerId) -> Result<(), ControlError>;
    fn ruleset_generation(&self, id: ContainerId) -> Result<Option<u64>, ControlError>;
    fn rule_counters(&self, id: ContainerId) -> Result<Vec<Traffic>, ControlError>;
    fn set_set(&mut self, number: u32, lines: &[Line]) -> Result<(), ControlError>;
    fn change_set(&mut self, number: u32, lines: &[(u32, Line)]) -> Result<(), ControlError>;
    fn remove_set(&mut self, number: u32) -> Result<(), ControlError>;
    fn set_numbers(&mut self) -> Result<Vec<u32>, ControlError>;
    fn set_stamp(&self, number: u32) -> Result<Option<u64>, ControlError>;
    fn adopt_sockets(
        &mut self,
        id: ContainerId,
        generation: u32,
        cgroups: &[Cgroup],
    ) -> Result<usize, ControlError>;
    fn reserve_port(&mut self, id: ContainerId, key: PortKey, raw: bool) -> Result<(), PortRefusal>;
    fn release_port(&mut self, id: ContainerId, key: PortKey) -> Result<bool, ControlError>;
    fn flush_ports(&mut self, id: ContainerId) -> Result<u32, ControlError>;
    fn ports(&self) -> Result<Vec<(PortKey, Claim)>, ControlError>;
    fn each_flow(&self, see: &mut dyn FnMut(u32, &Flow)) -> Result<(), ControlError>;
    fn translations(&self) -> Result<Translations, ControlError>;
    fn flush_flows(&mut self, owner: Option<ContainerId>) -> Result<u32, ControlError>;
    fn end_flows(&mut self, wanted: &dyn Fn(&Flow) -> bool) -> Result<u32, ControlError>;
    fn grow_flows(&mut self, slots: u32) -> Result<u32, ControlError>;
    fn sweep(&mut self) -> Result<u32, ControlError>;
    fn counters(&self, id: ContainerId) -> Result<Counters, ControlError>;
    fn unowned(&self) -> Result<Counters, ControlError>;
    fn non_ip(&self) -> Result<Counters, ControlError>;
    fn usage(&self, id: ContainerId) -> Result<Usage, ControlError>;
    fn memory(&self) -> Result<Vec<(&'static str, u64)>, ControlError>;
    fn sizes(&self) -> Result<Sizes, ControlError>;
    fn now(&self) -> Nanos;
}

impl Enforcer for Kernel {
    fn configure(&mut self, policy: &Policy) -> Result<(), ControlError> {
        Self::configure(self, policy)
    }

    fn set_uplinks(&mut self, uplinks: &[Link]) -> Result<(), ControlError> {
        Self::set_uplinks(self, uplinks)
    }

    fn set_addresses(
        &mut self,
        node: &[IpAddr],
        owned: &[(IpAddr, ContainerId, u32)],
    ) -> Result<(), ControlError> {
        Self::set_addresses(self, node, owned)
    }

    fn set_translation(&mut self, nat: &Nat) -> Result<(), ControlError> {
        Self::set_translation(self, nat)
    }

    fn serve_node(&mut self, root: Option<&Path>) -> Result<(), ControlError> {
        Self::serve_node(self, root)
    }

    fn add_container(&mut self, id: ContainerId, spec: &Spec) -> Result<(), ControlError> {
        Self::add_container(self, id, spec)
    }

    fn update_container(&mut self, id: ContainerId, spec: &Spec) -> Result<(), ControlError> {
        Self::update_container(self, id, spec)
    }

    fn remove_container(&mut self, id: ContainerId) -> Result<(), ControlError> {
        Self::remove_container(self, id)
    }

    fn containers(&self) -> Result<Vec<(ContainerId, u32)>, ControlError> {
        Self::containers(self)
    }

    fn set_ruleset(
        &mut self,
        id: ContainerId,
        lines: &[Line],
        carried: &[(u32, u32)],
        objects: &[Kept],
    ) -> Result<(), ControlError> {
        Self::set_ruleset(self, id, lines, carried, objects)
    }

    fn remove_ruleset(&mut self, id: ContainerId) -> Result<(), ControlError> {
        Self::remove_ruleset(self, id)
    }

    fn refresh_objects(
        &mut self,
        id: ContainerId,
        lines: &[Line],
        objects: &[Kept],
    ) -> Result<(), ControlError> {
        Self::refresh_objects(self, id, lines, objects)
    }

    fn ruleset_generation(&self, id: ContainerId) -> Result<Option<u64>, ControlError> {
        Self::ruleset_generation(self, id)
    }

    fn rule_counters(&self, id: ContainerId) -> Result<Vec<Traffic>, ControlError> {
        Self::rule_counters(self, id)
    }

    fn set_set(&mut self, number: u32, lines: &[Line]) -> Result<(), ControlError> {
        Self::set_set(self, number, lines)
    }

    fn change_set(&mut self, number: u32, lines: &[(u32, Line)]) -> Result<(), ControlError> {
        Self::change_set(self, number, lines)
    }

    fn remove_set(&mut self, number: u32) -> Result<(), ControlError> {
        Self::remove_set(self, number)
    }

    fn set_numbers(&mut self) -> Result<Vec<u32>, ControlError> {
        Self::set_numbers(self)
    }

    fn set_stamp(&self, number: u32) -> Result<Option<u64>, ControlError> {
        Self::set_stamp(self, number)
    }

    fn adopt_sockets(
        &mut self,
        id: ContainerId,
        generation: u32,
        cgroups: &[Cgroup],
    ) -> Result<usize, ControlError> {
        Self::adopt_sockets(self, id, generation, cgroups)
    }

    fn reserve_port(&mut self, id: ContainerId, key: PortKey, raw: bool) -> Result<(), PortRefusal> {
        Self::reserve_port(self, id, key, raw)
    }

    fn release_port(&mut self, id: ContainerId, key: PortKey) -> Result<bool, ControlError> {
        Self::release_port(self, id, key)
    }

    fn flush_ports(&mut self, id: ContainerId) -> Result<u32, ControlError> {
        Self::flush_ports(self, id)
    }

    fn ports(&self) -> Result<Vec<(PortKey, Claim)>, ControlError> {
        Self::ports(self)
    }

    fn each_flow(&self, see: &mut dyn FnMut(u32, &Flow)) -> Result<(), ControlError> {
        Self::each_flow(self, see)
    }

    fn translations(&self) -> Result<Translations, ControlError> {
        Self::translations(self)
    }

    fn flush_flows(&mut self, owner: Option<ContainerId>) -> Result<u32, ControlError> {
        Self::flush_flows(self, owner)
    }

    fn end_flows(&mut self, wanted: &dyn Fn(&Flow) -> bool) -> Result<u32, ControlError> {
        Self::end_flows(self, wanted)
    }

    fn grow_flows(&mut self, slots: u32) -> Result<u32, ControlError> {
        Self::grow_flows(self, slots)
    }

    fn sweep(&mut self) -> Result<u32, ControlError> {
        Self::sweep(self)
    }

    fn counters(&self, id: ContainerId) -> Result<Counters, ControlError> {
        Self::counters(self, id)
    }

    fn unowned(&self) -> Result<Counters, ControlError> {
        Self::unowned(self)
    }

    fn non_ip(&self) -> Result<Counters, ControlError> {
        Self::non_ip(self)
    }

    fn usage(&self, id: ContainerId) -> Result<Usage, ControlError> {
        Self::usage(self, id)
    }

    fn memory(&self) -> Result<Vec<(&'static str, u64)>, ControlError> {
        Self::memory(self)
    }

    fn sizes(&self) -> Result<Sizes, ControlError> {
        Self::sizes(self)
    }

    fn now(&self) -> Nanos {
        Self::now()
    }
}

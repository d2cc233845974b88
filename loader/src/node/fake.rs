//! A kernel and a system that exist in memory only.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    path::{Path, PathBuf},
};

use berth_common::abi::{
    container::Usage,
    counters::{Both, Counters, Traffic},
    flow::Flow,
    port::{Claim, PortKey},
    reason::REASONS,
    rules::{Line, chain::SLOTS, counters, header::Header},
    units::{ContainerId, Nanos},
};

use super::{Enforcer, Observer};
use crate::{
    api::{runtime::Runtime, target::Target},
    config::Pattern,
    containers::{Cgroup, ContainersError, Link, LinkAddress, Master, Meant, Recognised},
    control::{ControlError, Kept, Nat, Policy, PortRefusal, Sizes, Spec, Translations},
};

/// A kernel that remembers what it was told, and fails where it is asked to.
#[derive(Default)]
pub struct FakeKernel {
    pub containers: BTreeMap<u32, Spec>,
    pub ports: Vec<(PortKey, Claim)>,
    pub flows: Vec<Flow>,
    /// Of the flow table.
    pub slots: u32,
    pub uplinks: Vec<Link>,
    pub node_addresses: Vec<IpAddr>,
    pub owned: Vec<(IpAddr, ContainerId, u32)>,
    /// What is translated, and how flows are.
    pub nat: Option<Nat>,
    pub translations: Translations,
    /// Where the programs for the node's own sockets are.
    pub serves_node: Option<PathBuf>,
    /// What rulesets keep something for.
    pub objects: BTreeMap<u32, Vec<u32>>,
    /// Generations of the rulesets in force.
    pub rulesets: BTreeMap<u32, u64>,
    /// The named sets in force.
    pub sets: BTreeMap<u32, Vec<Line>>,
    /// What their counters have counted.
    pub counted: BTreeMap<u32, Vec<Traffic>>,
    /// Ids and cgroups whose sockets were asked for.
    pub adopted: Vec<(u32, Vec<u64>)>,
    /// The call that fails.
    pub failing: Option<&'static str>,
    /// The port that cannot be reserved, and who holds it.
    pub taken: Option<(PortKey, ContainerId)>,
}

impl FakeKernel {
    fn may(&self, call: &str) -> Result<(), ControlError> {
        if self.failing == Some(call) { Err(ControlError::LoopbackUplink) } else { Ok(()) }
    }
}

impl Enforcer for FakeKernel {
    fn configure(&mut self, _: &Policy) -> Result<(), ControlError> {
        self.may("configure")
    }

    fn set_uplinks(&mut self, uplinks: &[Link]) -> Result<(), ControlError> {
        self.may("set_uplinks")?;
        self.uplinks = uplinks.to_vec();
        Ok(())
    }

    fn set_addresses(
        &mut self,
        node: &[IpAddr],
        owned: &[(IpAddr, ContainerId, u32)],
    ) -> Result<(), ControlError> {
        self.may("set_addresses")?;
        (self.node_addresses, self.owned) = (node.to_vec(), owned.to_vec());
        Ok(())
    }

    fn set_translation(&mut self, nat: &Nat) -> Result<(), ControlError> {
        self.may("set_translation")?;
        self.nat = Some(nat.clone());
        Ok(())
    }

    fn serve_node(&mut self, root: Option<&Path>) -> Result<(), ControlError> {
        self.may("serve_node")?;
        self.serves_node = root.map(Path::to_owned);
        Ok(())
    }

    fn add_container(&mut self, id: ContainerId, spec: &Spec) -> Result<(), ControlError> {
        self.may("add_container")?;
        let before = self.containers.insert(id.0, spec.clone());
        assert!(before.is_none(), "{id:?} was there already");
        Ok(())
    }

    fn update_container(&mut self, id: ContainerId, spec: &Spec) -> Result<(), ControlError> {
        self.may("update_container")?;
        let before = self.containers.insert(id.0, spec.clone()).expect("it is there");
        assert_eq!(before.generation, spec.generation);
        Ok(())
    }

    fn remove_container(&mut self, id: ContainerId) -> Result<(), ControlError> {
        self.may("remove_container")?;
        self.containers.remove(&id.0).expect("it is there");
        self.rulesets.remove(&id.0);
        self.counted.remove(&id.0);
        self.ports.retain(|(_, claim)| claim.owner() != id);
        self.flows.retain(|flow| flow.opener != id);
        Ok(())
    }

    fn containers(&self) -> Result<Vec<(ContainerId, u32)>, ControlError> {
        let all = self.containers.iter();
        Ok(all.map(|(&id, spec)| (ContainerId(id), spec.generation)).collect())
    }

    fn set_ruleset(
        &mut self,
        id: ContainerId,
        lines: &[Line],
        carried: &[(u32, u32)],
        objects: &[Kept],
    ) -> Result<(), ControlError> {
        self.may("set_ruleset")?;
        let ruleset = Header::from_line(&lines[0]).expect("a ruleset");
        let counted = self.counted.remove(&id.0).unwrap_or_default();
        let carry =
            |new: u32| carried.iter().find(|(to, _)| *to == new).map(|(_, from)| counted[*from as usize]);
        let count = counters::policy(ruleset.rules, SLOTS);
        self.counted.insert(id.0, (0..count).map(|new| carry(new).unwrap_or_default()).collect());
        self.rulesets.insert(id.0, ruleset.generation);
        self.objects.insert(id.0, objects.iter().map(|one| one.number).collect());
        Ok(())
    }

    fn refresh_objects(&mut self, id: ContainerId, _: &[Line], objects: &[Kept]) -> Result<(), ControlError> {
        self.objects.insert(id.0, objects.iter().map(|one| one.number).collect());
        Ok(())
    }

    fn remove_ruleset(&mut self, id: ContainerId) -> Result<(), ControlError> {
        self.may("remove_ruleset")?;
        self.rulesets.remove(&id.0);
        self.counted.remove(&id.0);
        Ok(())
    }

    fn ruleset_generation(&self, id: ContainerId) -> Result<Option<u64>, ControlError> {
        Ok(self.rulesets.get(&id.0).copied())
    }

    fn rule_counters(&self, id: ContainerId) -> Result<Vec<Traffic>, ControlError> {
        Ok(self.counted.get(&id.0).cloned().unwrap_or_default())
    }

    fn set_set(&mut self, number: u32, lines: &[Line]) -> Result<(), ControlError> {
        self.may("set_set")?;
        self.sets.insert(number, lines.to_vec());
        Ok(())
    }

    fn change_set(&mut self, number: u32, lines: &[(u32, Line)]) -> Result<(), ControlError> {
        self.may("change_set")?;
        let set = self.sets.get_mut(&number).expect("it is there");
        for (index, line) in lines {
            set[*index as usize] = *line;
        }
        Ok(())
    }

    fn remove_set(&mut self, number: u32) -> Result<(), ControlError> {
        self.may("remove_set")?;
        self.sets.remove(&number);
        Ok(())
    }

    fn set_numbers(&mut self) -> Result<Vec<u32>, ControlError> {
        Ok(self.sets.keys().copied().collect())
    }

    fn set_stamp(&self, number: u32) -> Result<Option<u64>, ControlError> {
        let first = self.sets.get(&number).and_then(|lines| lines.first());
        Ok(first.and_then(berth_common::abi::set::Header::from_line).map(|header| header.stamp))
    }

    fn adopt_sockets(
        &mut self,
        id: ContainerId,
        generation: u32,
        cgroups: &[Cgroup],
    ) -> Result<usize, ControlError> {
        self.may("adopt_sockets")?;
        assert_eq!(self.containers[&id.0].generation, generation);
        self.adopted.push((id.0, cgroups.iter().map(|cgroup| cgroup.id).collect()));
        Ok(cgroups.len())
    }

    fn reserve_port(&mut self, id: ContainerId, key: PortKey, raw: bool) -> Result<(), PortRefusal> {
        assert!(self.containers.contains_key(&id.0));
        match self.taken {
            Some((taken, holder)) if taken == key => Err(PortRefusal::Conflict { holder }),
            _ => {
                let entry = (key, Claim::permanent(id, raw));
                if !self.ports.contains(&entry) {
                    self.ports.push(entry);
                }
                Ok(())
            }
        }
    }

    fn release_port(&mut self, id: ContainerId, key: PortKey) -> Result<bool, ControlError> {
        self.may("release_port")?;
        let before = self.ports.len();
        self.ports.retain(|(other, claim)| *other != key || claim.owner() != id || !claim.is_permanent());
        Ok(self.ports.len() < before)
    }

    fn flush_ports(&mut self, id: ContainerId) -> Result<u32, ControlError> {
        self.ports.retain(|(_, claim)| claim.owner() != id);
        Ok(0)
    }

    fn ports(&self) -> Result<Vec<(PortKey, Claim)>, ControlError> {
        Ok(self.ports.clone())
    }

    fn each_flow(&self, see: &mut dyn FnMut(u32, &Flow)) -> Result<(), ControlError> {
        (0..).zip(&self.flows).for_each(|(slot, flow)| see(slot, flow));
        Ok(())
    }

    fn translations(&self) -> Result<Translations, ControlError> {
        Ok(self.translations.clone())
    }

    fn flush_flows(&mut self, owner: Option<ContainerId>) -> Result<u32, ControlError> {
        self.flows.retain(|flow| owner.is_some_and(|id| flow.opener != id));
        Ok(0)
    }

    fn end_flows(&mut self, wanted: &dyn Fn(&Flow) -> bool) -> Result<u32, ControlError> {
        let before = self.flows.len();
        self.flows.retain(|flow| !wanted(flow));
        Ok(u32::try_from(before - self.flows.len()).unwrap_or(u32::MAX))
    }

    fn grow_flows(&mut self, slots: u32) -> Result<u32, ControlError> {
        self.may("grow_flows")?;
        Ok(std::mem::replace(&mut self.slots, slots))
    }

    fn sweep(&mut self) -> Result<u32, ControlError> {
        Ok(0)
    }

    fn counters(&self, _id: ContainerId) -> Result<Counters, ControlError> {
        Ok(counters())
    }

    fn unowned(&self) -> Result<Counters, ControlError> {
        Ok(counters())
    }

    fn non_ip(&self) -> Result<Counters, ControlError> {
        Ok(counters())
    }

    fn usage(&self, _id: ContainerId) -> Result<Usage, ControlError> {
        Ok(Usage::default())
    }

    fn memory(&self) -> Result<Vec<(&'static str, u64)>, ControlError> {
        Ok(vec![("FLOWS", 4_096)])
    }

    fn sizes(&self) -> Result<Sizes, ControlError> {
        Ok(Sizes { flows: self.slots, ..Sizes::default() })
    }

    fn now(&self) -> Nanos {
        Nanos::seconds(100)
    }
}

/// Counters with a number of their own in each place.
fn counters() -> Counters {
    let traffic = |packets| Traffic { packets, bytes: packets * 100 };
    let both = |packets| Both { inward: traffic(packets), outward: traffic(packets + 1) };
    let mut drops = [0; REASONS];
    drops[1] = 7;
    Counters {
        uplink: both(1),
        local: both(10),
        interface: both(100),
        forwarded: both(1_000),
        dropped: both(10_000),
        drops,
    }
}

/// A system with what it is given.
#[derive(Default)]
pub struct FakeSystem {
    pub cgroups: BTreeMap<PathBuf, u64>,
    pub links: Vec<Link>,
    pub uplinks: Vec<Link>,
    pub addresses: Vec<IpAddr>,
    pub source_addresses: Vec<LinkAddress>,
    pub masters: HashMap<u32, u32>,
    /// Where sockets wait for others.
    pub bound: Vec<PortKey>,
    /// What runtimes run.
    pub runtimes: BTreeMap<(Runtime, String), Recognised>,
    /// What ids they have given.
    pub ids: BTreeMap<(Runtime, String), String>,
    pub processes: BTreeMap<u32, Recognised>,
}

/// An LXC container's key in what runtimes run.
pub fn lxc(name: &str) -> (Runtime, String) {
    (Runtime::Lxc, name.to_owned())
}

/// An interface.
pub fn link(name: &str, ifindex: u32) -> Link {
    Link { name: name.to_owned(), ifindex, ethernet: true }
}

impl Observer for FakeSystem {
    fn kernel(&self) -> &'static str {
        "6.1.0"
    }

    fn cgroup(&self, path: &Path) -> Result<Cgroup, ContainersError> {
        let path = self.cgroup_path(path)?;
        match self.cgroups.get(&path) {
            Some(&id) => Ok(Cgroup { level: 1, path, id }),
            None => Err(ContainersError::NoCgroup { path, mount: "/cg".into() }),
        }
    }

    fn cgroup_path(&self, path: &Path) -> Result<PathBuf, ContainersError> {
        Ok(Path::new("/").join(path.strip_prefix("/cg").unwrap_or(path)))
    }

    fn cgroup_directory(&self, path: &Path) -> PathBuf {
        Path::new("/cg").join(path.strip_prefix("/").unwrap_or(path))
    }

    fn link(&self, name: &str) -> Result<Link, ContainersError> {
        let found = self.links.iter().find(|link| link.name == name);
        found.cloned().ok_or_else(|| ContainersError::NoInterface(name.to_owned()))
    }

    fn links(&self) -> Result<Vec<Link>, ContainersError> {
        Ok(self.links.clone())
    }

    fn default_uplinks(&self) -> Result<Vec<Link>, ContainersError> {
        Ok(self.uplinks.clone())
    }

    fn addresses(&self) -> Result<Vec<IpAddr>, ContainersError> {
        Ok(self.addresses.clone())
    }

    fn source_addresses(&self) -> Result<Vec<LinkAddress>, ContainersError> {
        Ok(self.source_addresses.clone())
    }

    fn masters(&self) -> Result<HashMap<u32, Master>, ContainersError> {
        let master =
            |ifindex: u32| Master { ifindex, address: Some([2, 0, 0, 0, 0, ifindex.to_le_bytes()[0]]) };
        Ok(self.masters.iter().map(|(port, ifindex)| (*port, master(*ifindex))).collect())
    }

    fn bound(&self) -> Result<Vec<PortKey>, ContainersError> {
        Ok(self.bound.clone())
    }

    fn of_pid(&self, pid: u32) -> Result<Recognised, ContainersError> {
        self.processes.get(&pid).cloned().ok_or(ContainersError::NoProcess(pid))
    }

    fn of_runtime(&self, runtime: Runtime, name: &str) -> Result<Recognised, ContainersError> {
        let name = name.to_owned();
        let found = self.runtimes.get(&(runtime, name.clone()));
        found.cloned().ok_or(ContainersError::NotRunning { runtime, name })
    }

    fn is_named(&self, runtime: Runtime, name: &str, id: &str) -> Result<bool, ContainersError> {
        match self.ids.get(&(runtime, name.to_owned())) {
            Some(known) => Ok(known == id),
            None if runtime == Runtime::Lxc => Ok(false),
            None => Err(ContainersError::NoRuntime { runtime, place: "/none".into() }),
        }
    }

    fn meant(&self, pattern: &Pattern) -> Result<Vec<Meant>, ContainersError> {
        let named = self.runtimes.keys().filter(|(runtime, name)| pattern.is_named(*runtime, name));
        let mut found: Vec<_> = named.map(|(runtime, name)| Meant::named(*runtime, name.clone())).collect();
        if let Pattern::Cgroup(glob) = pattern {
            let paths = self.cgroups.keys();
            for path in paths.filter(|path| glob.is_match(path.to_string_lossy().trim_start_matches('/'))) {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let target = Target { cgroups: vec![path.clone()], ..Target::default() };
                found.push(Meant { name, target });
            }
        }
        Ok(found)
    }

    fn meant_by_id(&self, pattern: &Pattern, id: &str) -> Result<Option<Meant>, ContainersError> {
        let mut known = self.ids.iter().filter(|(_, known)| *known == id).map(|(named, _)| named);
        let meant = known.find(|(runtime, name)| pattern.is_named(*runtime, name));
        Ok(meant.map(|(runtime, name)| Meant::named(*runtime, name.clone())))
    }

    fn of_created(&self, _: &str, pid: u32) -> Result<Recognised, ContainersError> {
        self.of_pid(pid)
    }
}

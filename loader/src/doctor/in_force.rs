//! What of berth is in force.

use std::collections::BTreeSet;

use berth_common::abi;
use nix::net::if_::if_indextoname;

use super::{foreign, nat};
use crate::{
    api::doctor::{InForce, Interface, Method},
    control::{self, Attached, Direction, Feature, Finding, Presence},
    node::{Forwarding, Paths, instance},
    state::{State, Store},
};

/// How to get what this kernel has and the programs in force do not use.
const ANEW: &str = "`berth down` and a new start would change that";

/// What is in force, and what is less than it could be on a kernel with these features.
pub fn section(found: &control::InForce, findings: &[Finding], paths: &Paths) -> InForce {
    let state = Store::new(&paths.state_dir).load().ok().flatten().unwrap_or_default();
    let elsewhere = serves_elsewhere(&state);
    let mut degraded = Vec::new();
    if elsewhere {
        degraded.push(
            "it serves another network namespace: what is said about interfaces holds there".to_owned(),
        );
    } else {
        degraded.extend(found.attached.iter().filter(|one| !one.alive).map(lost));
        degraded.extend(nat::unrouted(&state, &Forwarding::system()));
    }
    degraded.extend(unserved(&state, found));
    degraded.extend(unused(found, findings));
    InForce {
        pin_dir: paths.pin_dir.display().to_string(),
        abi: found.abi,
        own_programs: found.own_programs,
        compiled: found.compiled,
        bpf_lsm: found.lsm,
        cgroups: found.cgroups,
        interfaces: interfaces(&found.attached, elsewhere),
        degraded,
        // What is around us is not what is around it.
        foreign: (!elsewhere).then(|| foreign::section(&state, &indices(&found.attached), paths)),
    }
}

/// Whether the state says that what is pinned was made for another network namespace.
fn serves_elsewhere(state: &State) -> bool {
    match (&state.instance, instance()) {
        (Some(known), Ok(here)) => *known != here,
        _ => false,
    }
}

fn lost(one: &Attached) -> String {
    let direction = match one.direction {
        Direction::In => "incoming",
        Direction::Out => "outgoing",
    };
    let name = name(one.ifindex);
    format!(
        "{} no longer sees the {direction} packets of {name}: `berth up`, or the daemon, puts it back if the interface is there",
        one.program
    )
}

/// Whether the node's own sockets are to reach published ports, and do not.
fn unserved(state: &State, found: &control::InForce) -> Option<String> {
    let is_wanted = state.config.as_ref().is_some_and(|config| config.nat.from_node);
    (is_wanted && !found.missing_on_root.is_empty()).then(|| {
        "the node itself does not reach published ports, as from_node wants it: the daemon's log says why"
            .to_owned()
    })
}

/// What the kernel would have for it.
fn unused(found: &control::InForce, findings: &[Finding]) -> Vec<String> {
    let has = |feature| {
        findings
            .iter()
            .any(|finding| finding.feature == feature && matches!(finding.presence, Presence::Present(_)))
    };
    let mut lines = Vec::new();
    if found.abi != abi::VERSION {
        lines.push(format!(
            "it was made by a berth with ABI {}, this one has {}: `berth down` and a new start would replace it",
            found.abi,
            abi::VERSION
        ));
        return lines;
    }
    if !found.own_programs {
        lines.push(
            "its programs are another build's: `berth up`, or the daemon's start, replaces them".to_owned(),
        );
    }
    if !found.lsm && has(Feature::BpfLsm) {
        lines.push(format!("this kernel has BPF LSM, and its programs are not in force: {ANEW}"));
    }
    if !found.compiled && has(Feature::Jit) {
        lines.push(format!("its programs were loaded while the JIT was off, and are interpreted: {ANEW}"));
    }
    if found.attached.iter().any(|one| one.method == control::Method::Clsact) && has(Feature::Tcx) {
        lines.push(format!("this kernel has TCX, and interfaces have filters instead: {ANEW}"));
    }
    for (program, count) in &found.missing_on_cgroups {
        lines.push(format!(
            "{program} is missing on {count} of {} cgroups: `berth container set` puts it there",
            found.cgroups
        ));
    }
    lines
}

fn interfaces(attached: &[Attached], elsewhere: bool) -> Vec<Interface> {
    let mut interfaces: Vec<(u32, Interface)> = Vec::new();
    for one in attached {
        let method = match one.method {
            control::Method::Tcx => Method::Tcx,
            control::Method::Clsact => Method::Clsact,
        };
        let known =
            interfaces.iter_mut().find(|(index, other)| *index == one.ifindex && other.method == method);
        if let Some((_, interface)) = known {
            interface.programs.push(one.program.clone());
            continue;
        }
        let name = if elsewhere { index(one.ifindex) } else { name(one.ifindex) };
        let programs = vec![one.program.clone()];
        interfaces.push((one.ifindex, Interface { name, method, programs }));
    }
    interfaces.into_iter().map(|(_, interface)| interface).collect()
}

/// The interfaces, each once.
fn indices(attached: &[Attached]) -> Vec<u32> {
    attached.iter().map(|one| one.ifindex).collect::<BTreeSet<_>>().into_iter().collect()
}

fn name(ifindex: u32) -> String {
    if_indextoname(ifindex).ok().and_then(|name| name.into_string().ok()).unwrap_or_else(|| index(ifindex))
}

fn index(ifindex: u32) -> String {
    format!("interface {ifindex}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn whole() -> control::InForce {
        let attached = [Direction::In, Direction::Out].map(|direction| Attached {
            ifindex: 1,
            direction,
            program: format!("berth_{direction:?}"),
            method: control::Method::Tcx,
            alive: true,
        });
        control::InForce {
            abi: abi::VERSION,
            own_programs: true,
            lsm: true,
            compiled: true,
            attached: attached.into(),
            cgroups: 3,
            missing_on_cgroups: BTreeMap::new(),
            missing_on_root: Vec::new(),
        }
    }

    fn everything() -> Vec<Finding> {
        let finding = |feature| Finding { feature, presence: Presence::Present(None) };
        Feature::ALL.map(finding).into()
    }

    #[test]
    fn what_is_whole_is_not_degraded() {
        assert_eq!(unused(&whole(), &everything()), Vec::<String>::new());
    }

    #[test]
    fn what_the_kernel_has_and_is_not_used_is_said() {
        let mut found = whole();
        (found.lsm, found.compiled, found.own_programs) = (false, false, false);
        found.attached[0].method = control::Method::Clsact;
        found.missing_on_cgroups.insert("berth_lsm_opt".to_owned(), 2);
        let lines = unused(&found, &everything());
        for (line, words) in lines.iter().zip(["another build", "BPF LSM", "JIT", "TCX", "2 of 3 cgroups"]) {
            assert!(line.contains(words), "{line}");
        }
        assert_eq!(lines.len(), 5);
        // Of a kernel that has nothing of it, only what is odd by itself.
        assert_eq!(unused(&found, &[]).len(), 2);
    }

    #[test]
    fn that_the_node_is_not_served_is_said_where_it_should_be() {
        let mut state = State::new();
        let missing = control::InForce { missing_on_root: vec!["berth_connect4"], ..whole() };
        assert_eq!(unserved(&state, &missing), None);
        let mut config = crate::config::Config::default();
        config.nat.from_node = true;
        state.config = Some(config);
        assert_eq!(unserved(&state, &whole()), None);
        assert!(unserved(&state, &missing).unwrap().contains("from_node"));
    }

    #[test]
    fn of_another_version_nothing_else_is_said() {
        let found = control::InForce { abi: abi::VERSION + 1, lsm: false, ..whole() };
        let lines = unused(&found, &everything());
        assert!(lines.len() == 1 && lines[0].contains("ABI"), "{lines:?}");
    }

    #[test]
    fn programs_are_listed_by_interface() {
        let listed = interfaces(&whole().attached, true);
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].name.as_str(), listed[0].programs.len()), ("interface 1", 2));
        assert_eq!(interfaces(&whole().attached, false)[0].name, "lo");
    }
}

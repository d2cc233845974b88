use std::path::Path;

use berth_common::abi::{port::Claim, units::ContainerId};

use super::*;

#[test]
fn the_next_berth_takes_over() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    let generation = bench.node.kernel.containers[&1].generation;
    bench.node.kernel.adopted.clear();
    let bench = bench.again();
    assert_eq!(bench.node.kernel.containers[&1].generation, generation);
    // Nothing has changed, so no sockets are looked for.
    assert!(bench.node.kernel.adopted.is_empty());
}

#[test]
fn what_happened_in_between_is_made_up_for() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    bench.add("b", cgroup("/b")).unwrap();
    bench.node.observer.cgroups.insert("/a".into(), 99);
    bench.node.observer.cgroups.remove(Path::new("/b")).unwrap();
    let bench = bench.again();
    assert_eq!(bench.node.kernel.adopted.last().unwrap(), &(1, vec![99]));
    assert!(bench.node.attachments[&2].is_empty());
    assert_eq!(bench.saved(), bench.node.state);
}

#[test]
fn after_a_reboot_everything_is_put_in_force_again() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    bench.add("v", interface("veth0")).unwrap();
    let bench = bench.rebooted();
    assert_eq!(bench.node.kernel.containers.len(), 2);
    assert_eq!(bench.node.kernel.adopted, [(1, vec![10])]);
}

#[test]
fn an_addition_cut_short_is_completed_and_a_removal_too() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    bench.add("b", cgroup("/b")).unwrap();
    // As if berth had died between file and kernel: `a` is not in the kernel, and `b` not on file.
    bench.node.kernel.containers.remove(&1);
    bench.node.state.forget(2);
    bench.node.store.save(&bench.node.state).unwrap();
    let bench = bench.again();
    assert_eq!(bench.node.kernel.containers.keys().copied().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_release_cut_short_is_completed() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    let service: crate::api::reservation::Service = "tcp/80".parse().unwrap();
    let (id, stray) = (ContainerId(1), service.keys(None)[0]);
    bench.node.kernel.ports.push((stray, Claim::permanent(id, false)));
    bench.node.kernel.ports.push((stray, Claim::bound(id)));
    let bench = bench.again();
    assert!(bench.node.kernel.ports.iter().all(|(_, claim)| !claim.is_permanent()));
}

#[test]
fn an_id_that_had_another_container_is_made_anew() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    bench.node.kernel.containers.get_mut(&1).unwrap().generation ^= 1;
    let expected = bench.node.state.containers[0].generation;
    let bench = bench.again();
    assert_eq!(bench.node.kernel.containers[&1].generation, expected);
}

#[test]
fn pins_without_state_are_left_alone() {
    let mut bench = Bench::new();
    bench.node.check_pins(Path::new("/pins")).unwrap();
    bench.add("a", cgroup("/a")).unwrap();
    let message = bench.node.check_pins(Path::new("/pins")).unwrap_err().to_string();
    assert!(message.contains("/pins holds 1 containers"), "{message}");
}

//! A daemon that is killed while it starts, and one that is killed while it is asked.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use berth_tests::leaks::Objects;
use berth_tests::topology::UPLINK;
use berth_tests::{Berth, Process, SharedNode, Tenant, Topology, privileged};

#[test]
fn a_start_cut_off_at_any_moment_is_made_good_by_the_next() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let mut berth = Berth::builder(&topology).prepare()?;
    for delay in [1, 5, 10, 20, 40, 60, 80, 100, 150, 200, 300, 500] {
        let mut daemon = Process::spawn(&mut berth.command(["daemon", "--uplink", UPLINK])?)?;
        thread::sleep(Duration::from_millis(delay));
        daemon.kill()?;
    }
    berth.restart()?;
    let objects = Objects::pinned_under(berth.pin_dir())?;
    assert!(!objects.is_empty());
    berth.ok(["down"])?;
    objects.wait_until_gone()
}

#[test]
fn a_request_cut_off_at_any_moment_is_done_or_not() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let c = Tenant::new(&node.topology.node, "c")?;
    let path = c.cgroup().path().to_string_lossy().into_owned();
    for delay in [0, 1, 2, 4, 6, 8, 10, 15, 20, 30] {
        let add = ["container", "add", "c", "--cgroup", path.as_str()];
        let request = Process::spawn(&mut node.berth.command(add)?)?;
        thread::sleep(Duration::from_millis(delay));
        node.berth.kill9()?;
        drop(request);
        node.berth.restart()?;
        let names: Vec<_> = node.berth.status()?.containers.into_iter().map(|one| one.name).collect();
        let attached = berth_tests::bpf::query::on_cgroup(c.cgroup())?;
        if names.contains(&"c".to_owned()) {
            assert_eq!(node.berth.container("c")?.state, "active");
            assert!(!attached.is_empty());
            node.berth.ok(["container", "rm", "c"])?;
        } else {
            assert_eq!((names, attached), (vec!["a".to_owned(), "b".to_owned()], vec![]));
        }
    }
    Ok(())
}

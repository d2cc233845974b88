//! A new daemon takes over what is pinned, and replaces nothing.

use std::collections::BTreeMap;

use anyhow::Result;
use berth_tests::bpf::query;
use berth_tests::leaks::Objects;
use berth_tests::topology::{NODE_V4, UPLINK, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Direction, SharedNode, Sockets, privileged};

#[test]
fn a_new_daemon_takes_over_without_a_gap() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let pinned = |node: &SharedNode| Objects::pinned_under(node.berth.pin_dir());
    let (objects, programs) = (pinned(&node)?, attached(&node)?);
    assert!(programs.values().all(|ids| !ids.is_empty()), "{programs:?}");

    node.berth.kill9()?;
    // Nothing of it was the daemon's.
    assert_eq!((pinned(&node)?, attached(&node)?), (objects.clone(), programs.clone()));
    node.berth.restart()?;
    assert_eq!((pinned(&node)?, attached(&node)?), (objects.clone(), programs.clone()));
    node.berth.stop()?;
    assert_eq!((pinned(&node)?, attached(&node)?), (objects.clone(), programs.clone()));
    // Nor does a command that works without a daemon change anything.
    node.berth.status()?;
    node.berth.restart()?;
    assert_eq!((pinned(&node)?, attached(&node)?), (objects, programs));
    Ok(())
}

#[test]
fn what_happened_meanwhile_is_made_good() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let _theirs = node.b.tcp_listen(at(NODE_V4, 8081))?;
    let ours = node.a.tcp_listen(at(NODE_V4, 8080))?;
    node.berth.kill9()?;
    node.a.vanish()?;
    node.berth.restart()?;
    let state = |node: &SharedNode| node.berth.container("a").map(|container| container.state);
    assert_eq!(state(&node)?, "gone");
    assert_eq!((node.holders(8080)?, node.ports_held("a")?), (vec![], 0));
    assert_eq!(node.holders(8081)?.len(), 1);
    drop(ours);

    node.berth.kill9()?;
    node.a.reappear()?;
    // It was there before the daemon, and so was its socket.
    let _again = node.a.tcp_listen(at(NODE_V4, 8080))?;
    node.berth.restart()?;
    wait::until_true("the container to be there", LIMIT, || Ok(state(&node)? == "active"))?;
    assert_eq!((node.holders(8080)?.len(), node.ports_held("a")?), (1, 1));
    assert!(!query::on_cgroup(node.a.cgroup())?.is_empty());
    Ok(())
}

/// The ids of all programs attached on the node, by where they are.
fn attached(node: &SharedNode) -> Result<BTreeMap<String, Vec<u32>>> {
    let mut found = BTreeMap::new();
    for direction in [Direction::Ingress, Direction::Egress] {
        let name = format!("{UPLINK} {direction:?}");
        found.insert(name, query::on_interface(node.netns(), UPLINK, direction)?);
    }
    found.insert("lo".to_owned(), query::on_interface(node.netns(), "lo", Direction::Egress)?);
    found.insert("a".to_owned(), query::on_cgroup(node.a.cgroup())?);
    found.insert("b".to_owned(), query::on_cgroup(node.b.cgroup())?);
    Ok(found)
}

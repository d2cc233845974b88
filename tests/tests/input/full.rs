//! More than the node's tables hold.

use anyhow::Result;
use berth_tests::{Cgroup, SharedNode, Tenant, privileged};

use crate::node::{FAILED, refuses};

#[test]
fn more_containers_than_there_is_room_for() -> Result<()> {
    privileged!();
    let node = SharedNode::configured("[sizes]\ncontainers = 2\n")?;
    let c = Tenant::new(&node.topology.node, "c")?;
    let add = format!("container add c --cgroup {}", c.cgroup().path().display());
    let words = "as many containers as its tables hold (2)";
    refuses(&node, &[(&add, FAILED, words), ("ports reserve c tcp/80", FAILED, words)])?;
    node.berth.ok(["container", "rm", "a"])?;
    node.berth.ok(add.split_whitespace())?;
    Ok(())
}

#[test]
fn cgroups_at_more_depths_than_berth_looks_at() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    // One container at each depth, beside each other; the first two are at the same.
    let mut made: Vec<Cgroup> = Vec::new();
    let mut adds = Vec::new();
    let top = Cgroup::new("deep")?;
    for depth in 1..=8 {
        let mut path = top.path().to_owned();
        (0..depth).for_each(|level| path.push(format!("{depth}-{level}")));
        std::fs::create_dir_all(&path)?;
        adds.push(format!("container add d{depth} --cgroup {}", path.display()));
    }
    made.push(top);
    let (last, others) = adds.split_last().unwrap_or((&adds[0], &[]));
    for add in others {
        node.berth.ok(add.split_whitespace())?;
    }
    // Found out by the kernel's side, after the state was written.
    refuses(&node, &[(last, FAILED, "are at 8 other depths already")])?;
    node.berth.ok(["container", "rm", "d1"])?;
    node.berth.ok(last.split_whitespace())?;
    Ok(())
}

//! What containers are guaranteed of the table follows their limits, and who else there is.

use anyhow::Result;
use berth_tests::{SharedNode, privileged};

#[test]
fn guarantees_follow_limits_and_neighbours() -> Result<()> {
    privileged!();
    let mut node = SharedNode::configured("[defaults]\nmode = 'stateful'\n[sizes]\nflows = 4096\n")?;
    let guaranteed =
        |node: &SharedNode, name: &str| -> Result<u32> { Ok(node.berth.container(name)?.flows_guaranteed) };
    // Half of 4,096, of which each may have 8,192.
    assert_eq!((guaranteed(&node, "a")?, guaranteed(&node, "b")?), (1_024, 1_024));
    node.berth.ok(["container", "set", "b", "--max-flows", "100"])?;
    assert_eq!((guaranteed(&node, "a")?, guaranteed(&node, "b")?), (1_024, 100));
    node.berth.ok(["container", "set", "a", "--max-flows", "1500"])?;
    assert_eq!((guaranteed(&node, "a")?, guaranteed(&node, "b")?), (1_500, 100));
    // Neither who is killed nor who is started anew changes any of it.
    node.berth.kill9()?;
    node.berth.restart()?;
    assert_eq!((guaranteed(&node, "a")?, guaranteed(&node, "b")?), (1_500, 100));
    node.berth.ok(["container", "set", "a", "--max-flows", "8192"])?;
    node.berth.ok(["container", "rm", "b"])?;
    assert_eq!(guaranteed(&node, "a")?, 2_048);
    let path = node.b.cgroup().path().to_owned();
    node.berth.add_container("b", &path)?;
    assert_eq!((guaranteed(&node, "a")?, guaranteed(&node, "b")?), (1_024, 1_024));
    Ok(())
}

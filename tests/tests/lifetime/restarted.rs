//! State survives the daemon.

use anyhow::Result;
use berth_tests::topology::NODE_V4;
use berth_tests::{SharedNode, Tenant, privileged};
use serde_json::Value;

#[test]
fn whatever_was_set_holds_after_a_restart() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let c = Tenant::new(&node.topology.node, "c")?;
    let path = c.cgroup().path().to_string_lossy().into_owned();
    let add = ["container", "add", "c", "--cgroup", &path, "--mode", "stateful", "--max-flows", "100"];
    node.berth.ok(add.into_iter().chain(["--max-ports", "7", "--ports", "80,8000-8100"]))?;
    let address = NODE_V4.to_string();
    node.berth.ok(["ports", "reserve", "c", "tcp/8080", "--address", &address])?;
    node.berth.ok(["ports", "reserve", "later", "udp/9"])?;
    node.berth.ok(["container", "set", "a", "--packet-sockets", "deny", "--address", "198.18.0.77"])?;
    node.berth.ok(["container", "rm", "b"])?;

    let before = (settings(&node)?, node.berth.ports()?);
    assert_eq!(before.0.as_array().map(Vec::len), Some(2));
    assert_eq!(before.1.len(), 3);
    for restart in [Berths::Killed, Berths::Stopped, Berths::Down] {
        match restart {
            Berths::Killed => node.berth.kill9()?,
            Berths::Stopped => node.berth.stop()?,
            Berths::Down => node.berth.down()?,
        }
        node.berth.restart()?;
        assert_eq!((settings(&node)?, node.berth.ports()?), before, "{restart:?}");
    }
    Ok(())
}

/// How a daemon ends.
#[derive(Clone, Copy, Debug)]
enum Berths {
    Killed,
    Stopped,
    Down,
}

/// All that `container list` tells, but for what changes by itself.
fn settings(node: &SharedNode) -> Result<Value> {
    let mut list = node.berth.json(["container", "list"])?;
    for container in list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        for counter in ["in", "out", "local", "dropped", "forwarded", "drops"] {
            container.remove(counter);
        }
        for quota in ["flows", "ports"] {
            let limit = container[quota]["limit"].clone();
            container.insert(quota.to_owned(), limit);
        }
    }
    Ok(list)
}

//! Sockets of a container in another network namespace are none of the node's business.

use std::sync::Arc;

use anyhow::Result;
use berth_tests::topology::{NODE_V4, at};
use berth_tests::{Host, Netns, SharedNode, Sockets, Tenant, link, name, privileged};

use crate::binding::{Binding, bound, errno};

#[test]
fn binds_in_another_network_namespace_change_nothing() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let elsewhere = Netns::create(&format!("{}-elsewhere", name::unique()))?;
    link::up(&elsewhere, "lo")?;
    let inner = node.a.cgroup().child("inner")?;
    let elsewhere = Tenant::in_cgroup(&Host::new(Arc::clone(&elsewhere)), inner)?;
    let every = [Binding::tcp(([0, 0, 0, 0], 8080)), Binding::udp(([0, 0, 0, 0], 8080))];

    for kind in every {
        let there = kind.by(&elsewhere)?;
        assert_eq!((node.holders(8080)?, node.ports_held("a")?), (vec![], 0));
        let here = kind.by(&node.b)?;
        drop(there);
        let protocol = if here.r#type()? == socket2::Type::STREAM { "tcp" } else { "udp" };
        assert_eq!(node.holders(8080)?, [bound("b", protocol, ([0, 0, 0, 0], 8080))]);
        // B's port on the node keeps nobody from it elsewhere.
        drop(kind.by(&elsewhere)?);
        assert_eq!(node.ports_held("b")?, 1);
        assert_eq!(errno(kind.by(&node.a)), Some(libc::EADDRINUSE));
    }
    // Nor does A's allowance go along.
    node.berth.ok(["container", "set", "a", "--ports", "80"])?;
    Binding::tcp(([0, 0, 0, 0], 8080)).by(&elsewhere)?;
    assert_eq!(errno(Binding::tcp(at(NODE_V4, 8080)).by(&node.a)), Some(libc::EACCES));
    Ok(())
}

#[test]
fn traffic_in_another_network_namespace_is_not_the_nodes() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let elsewhere = Netns::create(&format!("{}-elsewhere", name::unique()))?;
    link::up(&elsewhere, "lo")?;
    let inner = node.a.cgroup().child("inner")?;
    let elsewhere = Tenant::in_cgroup(&Host::new(Arc::clone(&elsewhere)), inner)?;
    let before = node.berth.container("a")?;
    let listener = elsewhere.tcp_listen(([127, 0, 0, 1], 8080).into())?;
    let client = elsewhere.tcp_connect(([127, 0, 0, 1], 8080).into())?;
    let server = listener.accept()?;
    drop((client, server));
    let after = node.berth.container("a")?;
    assert_eq!(after.plane, before.plane);
    assert_eq!(after.flows.maxheld, 0);
    Ok(())
}

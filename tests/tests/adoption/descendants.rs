//! Sockets in cgroups below the container's, and those that are none of its.

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::topology::{NODE_V4, REMOTE_V4, at};
use berth_tests::view::Plane;
use berth_tests::{Host, Ledger, Netns, SharedNode, Sockets, Tenant, exchange, link, name, privileged};

#[test]
fn sockets_of_all_descendants_are_its_own() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _echo = Echo::start(&node.topology.remote, &[REMOTE_V4], 7)?;
    let c = Tenant::new(&node.topology.node, "c")?;
    let inner = c.cgroup().child("inner")?;
    let innermost = inner.child("innermost")?;
    let inner = Tenant::in_cgroup(&node.topology.node, inner)?;
    let innermost = Tenant::in_cgroup(&node.topology.node, innermost)?;
    let tenants = [&c, &inner, &innermost];
    let streams = tenants.map(|tenant| tenant.tcp_connect(at(REMOTE_V4, 7)));
    let [one, two, three] = streams;
    let streams = [one?, two?, three?];
    let listener = innermost.tcp_listen(at(NODE_V4, 8080))?;
    // A ping socket is on no list of the kernel's: it is known once it sends.
    let ping = inner.ping_socket(REMOTE_V4, 0)?;

    node.berth.add_container("c", c.cgroup().path())?;
    assert_eq!(node.holders(8080)?.len(), 1);
    let growth = Ledger::open(&node)?.growth(|| {
        streams.iter().try_for_each(|stream| exchange::stream(stream, 100))?;
        exchange::pings(&ping, (NODE_V4, REMOTE_V4), 0, 3)?;
        let client = node.topology.remote.tcp_connect(at(NODE_V4, 8080))?;
        drop((client, listener.accept()?));
        Ok(())
    })?;
    assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["c"]);
    Ok(())
}

#[test]
fn sockets_in_another_network_namespace_are_left_alone() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let elsewhere = Netns::create(&format!("{}-elsewhere", name::unique()))?;
    link::up(&elsewhere, "lo")?;
    let c = Tenant::new(&node.topology.node, "c")?;
    let there = Tenant::in_cgroup(&Host::new(elsewhere), c.cgroup().child("inner")?)?;
    let listener = there.tcp_listen(([127, 0, 0, 1], 8080).into())?;
    let bound = there.udp_bind(([0, 0, 0, 0], 8081).into())?;
    node.berth.add_container("c", c.cgroup().path())?;
    assert_eq!(node.ports_held("c")?, 0);
    let _theirs = node.b.udp_bind(([0, 0, 0, 0], 8081).into())?;
    let client = there.tcp_connect(([127, 0, 0, 1], 8080).into())?;
    drop((client, listener.accept()?, bound));
    let plane = node.berth.container("c")?.plane;
    assert_eq!(plane, Plane::default());
    Ok(())
}

//! A container that is recognised by one of its processes.

use anyhow::Result;
use berth_tests::topology::{NODE_V4, at};
use berth_tests::{Endpoint, Process, SharedNode, Sockets, Tenant, privileged};

use crate::guest::{self, ADDRESS, INTERFACE};

#[test]
fn a_process_with_a_network_of_its_own_leads_to_its_interface() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let guest = guest::start(&node.topology.node)?;
    // There are other wires on the node.
    let process = Process::spawn(guest.command("sleep")?.arg("600"))?;
    node.berth.ok(["container", "add", "guest", "--pid", &process.id().to_string()])?;
    let found = node.berth.container("guest")?;
    assert_eq!(found.recognised_by, serde_json::json!([format!("interface:{INTERFACE}")]));
    assert!(node.topology.node.tcp_connect(at(ADDRESS, 80)).is_err());
    let traffic = node.berth.container("guest")?.plane.traffic;
    assert_eq!((traffic.incoming.packets, traffic.outgoing.packets), (1, 1));
    // What was found is not the process's.
    drop(process);
    assert_eq!(node.berth.container("guest")?.state, "active");
    Ok(())
}

#[test]
fn a_process_on_the_nodes_network_leads_to_its_cgroup() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let c = Tenant::new(&node.topology.node, "c")?;
    let pid = c.cgroup().processes()?[0];
    node.berth.ok(["container", "add", "c", "--pid", &pid.to_string()])?;
    let path = c.cgroup().hierarchy_path()?;
    let expected = serde_json::json!([format!("cgroup:{}", path.display())]);
    assert_eq!(node.berth.container("c")?.recognised_by, expected);
    let _listener = c.tcp_listen(at(NODE_V4, 8080))?;
    assert_eq!(node.holders(8080)?[0].owner, "c");
    Ok(())
}

//! A container's cgroup vanishes.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Result, ensure};
use berth_tests::bpf::query;
use berth_tests::echo::Echo;
use berth_tests::leaks::Objects;
use berth_tests::topology::{NODE_V4, REMOTE_V4, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Ledger, SharedNode, Sockets, privileged};

#[test]
fn its_flows_and_ports_are_released_and_nothing_else_is_touched() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _echo = Echo::start(&node.topology.remote, &[REMOTE_V4], 7)?;
    node.berth.ok(["ports", "reserve", "a", "udp/53", "--address", &NODE_V4.to_string()])?;
    // Held open by somebody else, so that only berth can release what they stand for.
    let _listener = node.a.tcp_listen(at(NODE_V4, 8080))?;
    let _ours = node.a.tcp_connect(at(REMOTE_V4, 7))?;
    let _theirs = node.b.tcp_listen(at(NODE_V4, 8081))?;
    let mut connection = node.b.tcp_connect(at(REMOTE_V4, 7))?;
    echo(&mut connection)?;
    assert_eq!(flows_of(&node, "a")?, 1);
    assert_eq!(node.ports_held("a")?, 2);
    let (pinned, programs) = (links(&node)?, query::on_cgroup(node.a.cgroup())?.len());
    let others = query::on_cgroup(node.b.cgroup())?;
    let before = node.berth.container("b")?;

    node.a.vanish()?;
    wait_for(&node, "gone")?;
    assert_eq!((node.holders(8080)?, flows_of(&node, "a")?), (vec![], 0));
    let a = node.berth.container("a")?;
    assert_eq!((a.ports.held, a.flows.held), (1, 0));
    // What the operator gave it is its own still.
    assert_eq!(node.holders(53)?.len(), 1);
    assert_eq!(links(&node)?, pinned - programs);

    let b = node.berth.container("b")?;
    assert_eq!((b.state.as_str(), b.id, &b.plane), ("active", before.id, &before.plane));
    assert_eq!((flows_of(&node, "b")?, node.holders(8081)?.len()), (1, 1));
    assert_eq!(query::on_cgroup(node.b.cgroup())?, others);
    let growth = Ledger::open(&node)?.growth(|| echo(&mut connection))?;
    assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["b"]);
    Ok(())
}

#[test]
fn its_port_is_free_for_others() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let kept = node.a.kept_socket(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    kept.bind(&at(NODE_V4, 8080).into())?;
    drop(kept);
    assert_eq!(node.ports_held("a")?, 1);
    node.a.vanish()?;
    let listener = wait::until("the port", LIMIT, || Ok(Some(node.b.tcp_listen(at(NODE_V4, 8080))?)))?;
    assert_eq!(node.holders(8080)?[0].owner, "b");
    wait_for(&node, "gone")?;
    // It does not come back for it.
    node.a.reappear()?;
    wait_for(&node, "active")?;
    assert!(node.a.tcp_listen(at(NODE_V4, 8080)).is_err());
    drop(listener);
    node.a.tcp_listen(at(NODE_V4, 8080))?;
    Ok(())
}

#[test]
fn a_container_of_two_cgroups_is_there_while_one_is() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let [first, second] =
        ["socket", "service"].map(|name| berth_tests::Tenant::new(&node.topology.node, name));
    let (first, second) = (first?, second?);
    let [one, other] = [&first, &second].map(|tenant| tenant.cgroup().path().to_string_lossy());
    node.berth.ok(["container", "add", "c", "--cgroup", &one, "--cgroup", &other])?;
    let _listeners = [first.tcp_listen(at(NODE_V4, 8080))?, second.tcp_listen(at(NODE_V4, 8081))?];
    assert_eq!(node.ports_held("c")?, 2);
    let before = links(&node)?;
    first.vanish()?;
    wait::until_true("its links to be gone", LIMIT, || Ok(links(&node)? < before))?;
    let c = node.berth.container("c")?;
    assert_eq!((c.state.as_str(), node.holders(8081)?.len()), ("active", 1));
    second.vanish()?;
    wait::until_true("the container to be gone", LIMIT, || Ok(node.berth.container("c")?.state == "gone"))?;
    assert_eq!((node.ports_held("c")?, node.holders(8081)?), (0, vec![]));
    Ok(())
}

fn wait_for(node: &SharedNode, state: &str) -> Result<()> {
    wait::until_true(&format!("the container to be {state}"), LIMIT, || {
        let found = node.berth.container("a")?.state;
        ensure!(found == state, "it is {found}");
        Ok(true)
    })
}

fn flows_of(node: &SharedNode, owner: &str) -> Result<usize> {
    Ok(node.berth.flows()?.iter().filter(|flow| flow.owner == owner).count())
}

fn links(node: &SharedNode) -> Result<usize> {
    let pinned = Objects::pinned_under(node.berth.pin_dir())?;
    Ok(pinned.iter().filter(|object| object.kind == "link").count())
}

fn echo(connection: &mut TcpStream) -> Result<()> {
    connection.write_all(b"echo")?;
    Ok(connection.read_exact(&mut [0; 4])?)
}

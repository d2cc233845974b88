//! A container's cgroup is there again, as after a restart of the container.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use berth_tests::bpf::query;
use berth_tests::echo::Echo;
use berth_tests::exchange;
use berth_tests::topology::{NODE_V4, REMOTE_V4, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Ledger, SharedNode, Sockets, privileged};

#[test]
fn it_is_attached_again() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let _echo = Echo::start(&node.topology.remote, &[REMOTE_V4], 7)?;
    let before = node.berth.container("a")?;
    node.a.vanish()?;
    wait_for(&node, "gone")?;
    node.a.reappear()?;
    // Sockets made before anybody has noticed are its own as well.
    let listener = node.a.tcp_listen(at(NODE_V4, 8080))?;
    let early = node.a.tcp_connect(at(REMOTE_V4, 7))?;
    wait_for(&node, "active")?;
    assert_eq!(node.berth.container("a")?.id, before.id);
    assert!(!query::on_cgroup(node.a.cgroup())?.is_empty());
    assert_eq!((node.holders(8080)?.len(), node.ports_held("a")?), (1, 1));

    let late = node.a.tcp_connect(at(REMOTE_V4, 7))?;
    let growth = Ledger::open(&node)?.growth(|| {
        exchange::stream(&early, 10_000)?;
        exchange::stream(&late, 10_000)?;
        let client = node.topology.remote.tcp_connect(at(NODE_V4, 8080))?;
        drop((client, listener.accept()?));
        Ok(())
    })?;
    assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["a"]);
    drop(listener);
    // Whoever has just been connected to it may hold it a moment longer.
    wait::until_true("the port to be given up", LIMIT, || Ok(node.ports_held("a")? == 0))?;
    Ok(())
}

#[test]
fn one_that_is_away_for_an_instant_only_is_attached_again() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    for delay in [0, 1, 10, 40, 80] {
        node.a.vanish()?;
        thread::sleep(Duration::from_millis(delay));
        node.a.reappear()?;
        wait::until_true("programs on the new cgroup", LIMIT, || {
            Ok(!query::on_cgroup(node.a.cgroup())?.is_empty())
        })?;
        wait_for(&node, "active")?;
        let listener = node.a.tcp_listen(at(NODE_V4, 8080))?;
        assert_eq!((node.holders(8080)?.len(), node.ports_held("a")?), (1, 1), "after {delay} ms");
        drop(listener);
        assert_eq!(node.ports_held("a")?, 0, "after {delay} ms");
    }
    Ok(())
}

#[test]
fn a_socket_of_its_former_life_gives_up_nothing_of_the_new_ones() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let bind = |node: &SharedNode| {
        let socket = node.a.tcp(NODE_V4)?;
        socket.set_reuse_port(true)?;
        socket.bind(&at(NODE_V4, 8080).into())?;
        std::io::Result::Ok(socket)
    };
    let old = bind(&node)?;
    node.a.vanish()?;
    wait_for(&node, "gone")?;
    node.a.reappear()?;
    wait_for(&node, "active")?;
    let new = bind(&node)?;
    assert_eq!((node.holders(8080)?.len(), node.ports_held("a")?), (1, 1));
    drop(old);
    assert_eq!((node.holders(8080)?.len(), node.ports_held("a")?), (1, 1));
    drop(new);
    assert_eq!((node.holders(8080)?.len(), node.ports_held("a")?), (0, 0));
    Ok(())
}

fn wait_for(node: &SharedNode, state: &str) -> Result<()> {
    wait::until_true(&format!("the container to be {state}"), LIMIT, || {
        Ok(node.berth.container("a")?.state == state)
    })
}

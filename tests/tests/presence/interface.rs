//! A container that is recognised by its interface.

use anyhow::Result;
use berth_tests::bpf::query;
use berth_tests::echo::Echo;
use berth_tests::topology::at;
use berth_tests::view::{Both, Traffic};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Direction, Pair, Place, SharedNode, Sockets, exchange, link, privileged};

use crate::guest::{self, ADDRESS, INTERFACE, NODE_ADDRESS};

#[test]
fn its_traffic_is_what_its_interface_carries() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let guest = guest::start(&node.topology.node)?;
    node.berth.ok(["container", "add", "guest", "--interface", INTERFACE])?;
    let _echo = Echo::start(&node.topology.node, &[NODE_ADDRESS], 7)?;
    let wire = Pair::attach(node.netns(), INTERFACE, Place::First)?;
    let (quiet, before) = (wire.settle()?, node.berth.status()?);

    exchange::datagrams(&guest.udp_connect(at(NODE_ADDRESS, 7))?, 10, 100)?;
    exchange::stream(&guest.tcp_connect(at(NODE_ADDRESS, 7))?, 300_000)?;

    let (seen, after) = (wire.settle()? - quiet, node.berth.status()?);
    // From the container is into the node.
    let frames = [seen.egress.frames, seen.ingress.frames];
    let [incoming, outgoing] = frames.map(|tally| Traffic { packets: tally.packets, bytes: tally.bytes });
    assert!(outgoing.packets > 10 && outgoing.bytes > 300_000, "{seen:?}");
    let traffic = |status: &berth_tests::view::Status| status.container("guest").map(|one| one.plane.traffic);
    assert_eq!(traffic(&before), Some(Both::default()));
    assert_eq!(traffic(&after), Some(Both { incoming, outgoing }));
    assert_eq!(after.container("guest").map(|guest| guest.plane.drops.len()), Some(0));
    Ok(())
}

#[test]
fn it_is_gone_with_its_interface_and_back_with_it() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let guest = guest::start(&node.topology.node)?;
    let add = ["container", "add", "guest", "--interface", INTERFACE, "--mode", "stateful"];
    node.berth.ok(add)?;
    node.berth.ok(["ports", "reserve", "guest", "tcp/80"])?;
    let _echo = Echo::start(&node.topology.node, &[NODE_ADDRESS], 7)?;
    let _theirs = node.a.tcp_listen(at(NODE_ADDRESS, 8080))?;
    exchange::datagrams(&guest.udp_connect(at(NODE_ADDRESS, 7))?, 1, 10)?;
    let first = node.berth.container("guest")?;
    assert_eq!((first.state.as_str(), first.flows.held), ("active", 1));

    link::delete(node.netns(), INTERFACE)?;
    wait_for(&node, "gone")?;
    let gone = node.berth.container("guest")?;
    assert_eq!((gone.flows.held, gone.ports.held, gone.plane), (0, 2, first.plane));
    assert!(node.berth.flows()?.iter().all(|flow| flow.owner != "guest"));
    let a = node.berth.container("a")?;
    assert_eq!((a.state.as_str(), a.ports.held), ("active", 1));

    guest::wire(&node.topology.node, &guest)?;
    wait_for(&node, "active")?;
    for direction in [Direction::Ingress, Direction::Egress] {
        assert_eq!(query::on_interface(node.netns(), INTERFACE, direction)?.len(), 2);
    }
    // The echo server's address was gone, too: its sockets are not.
    exchange::datagrams(&guest.udp_connect(at(NODE_ADDRESS, 7))?, 1, 10)?;
    let again = node.berth.container("guest")?;
    assert_eq!((again.id, again.flows.held), (first.id, 1));
    Ok(())
}

#[test]
fn it_is_gone_with_its_network_namespace() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let guest = guest::start(&node.topology.node)?;
    node.berth.ok(["container", "add", "guest", "--interface", INTERFACE])?;
    assert!(node.topology.node.tcp_connect(at(ADDRESS, 80)).is_err());
    assert!(node.berth.container("guest")?.plane.traffic.incoming.packets > 0);
    drop(guest);
    wait_for(&node, "gone")
}

fn wait_for(node: &SharedNode, state: &str) -> Result<()> {
    wait::until_true(&format!("the container to be {state}"), LIMIT, || {
        Ok(node.berth.container("guest")?.state == state)
    })
}

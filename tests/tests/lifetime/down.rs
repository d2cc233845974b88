//! `berth down` leaves nothing behind but what is on file.

use std::fs;
use std::sync::Arc;

use anyhow::Result;
use berth_tests::bpf::query;
use berth_tests::leaks::{Objects, qdiscs};
use berth_tests::link::{self, End};
use berth_tests::topology::{NODE_V4, REMOTE_V4, UPLINK, at};
use berth_tests::{Direction, Host, Netns, SharedNode, Sockets, name, privileged, sysctl};

#[test]
fn nothing_is_left_of_it() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let guest = Host::new(Netns::create(&format!("{}-guest", name::unique()))?);
    wire_guest(&node, &guest)?;
    node.berth.ok(["container", "add", "guest", "--interface", "guest0"])?;
    node.berth.ok(["ports", "reserve", "a", "tcp/40000"])?;
    assert_eq!(sysctl::get(node.netns(), "ipv4/ip_local_reserved_ports")?, "40000");
    let _listener = node.a.tcp_listen(at(NODE_V4, 8080))?;
    let pins = node.berth.pin_dir().to_owned();
    let objects = Objects::pinned_under(&pins)?;
    for kind in ["prog", "map", "link"] {
        assert!(objects.iter().any(|object| object.kind == kind), "no {kind} in {objects:?}");
    }

    node.berth.ok(["down"])?;
    objects.wait_until_gone()?;
    assert!(!pins.exists());
    let left: Vec<_> = fs::read_dir(pins.parent().unwrap_or(&pins))?.flatten().collect();
    let name = pins.file_name().unwrap_or_default().to_string_lossy().into_owned();
    assert!(!left.iter().any(|entry| entry.file_name().to_string_lossy().starts_with(&name)), "{left:?}");
    for interface in [UPLINK, "lo", "guest0"] {
        for direction in [Direction::Ingress, Direction::Egress] {
            assert!(query::on_interface(node.netns(), interface, direction)?.is_empty(), "{interface}");
        }
    }
    for tenant in [&node.a, &node.b] {
        assert!(query::on_cgroup(tenant.cgroup())?.is_empty());
    }
    assert_eq!(qdiscs(node.netns())?, []);
    assert_eq!(sysctl::get(node.netns(), "ipv4/ip_local_reserved_ports")?, "");
    assert!(!node.berth.run_dir().join("berth.sock").exists());
    assert_eq!(node.berth.run(["status"])?.code(), Some(3));
    // The daemon has ended by itself, and there is nothing more to take down.
    node.berth.kill9()?;
    node.berth.ok(["down"])?;
    node.topology.remote.tcp_connect(at(NODE_V4, 8080))?;
    Ok(())
}

#[test]
fn what_was_set_up_comes_back() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let remote = node.topology.remote.tcp_listen(at(REMOTE_V4, 80))?;
    node.berth.ok(["ports", "reserve", "b", "udp/53"])?;
    node.berth.ok(["container", "set", "a", "--mode", "full", "--max-flows", "77"])?;
    let ids = |node: &SharedNode| -> Result<Vec<_>> {
        let containers = node.berth.status()?.containers;
        Ok(containers.into_iter().map(|one| (one.id, one.name, one.mode, one.flows.limit)).collect())
    };
    let before = ids(&node)?;
    let listener = node.a.tcp_listen(at(NODE_V4, 8080))?;
    node.berth.down()?;
    // Not watched by anybody.
    let _connection = node.a.tcp_connect(remote.local_addr()?)?;
    let late = node.b.tcp_listen(at(NODE_V4, 8081))?;

    node.berth.restart()?;
    assert_eq!(ids(&node)?, before);
    assert_eq!(node.holders(53)?.len(), 2);
    for (port, owner) in [(8080, "a"), (8081, "b")] {
        let holders = node.holders(port)?;
        assert_eq!(holders.len(), 1, "{holders:?}");
        assert_eq!((holders[0].owner.as_str(), holders[0].by.as_str()), (owner, "bind"));
    }
    drop((listener, late));
    assert_eq!((node.ports_held("a")?, node.ports_held("b")?), (0, 2));
    Ok(())
}

fn wire_guest(node: &SharedNode, guest: &Host) -> Result<()> {
    let theirs = Arc::clone(berth_tests::Endpoint::netns(guest));
    let end = |netns, name, last| End { netns, name, mac: [0x02, 0x62, 0x65, 0x72, 0x75, last] };
    link::wire(end(node.netns(), "guest0", 1), end(&theirs, "eth0", 2), 1500)
}

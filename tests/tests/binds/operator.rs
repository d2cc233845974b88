//! Reservations by the operator.

use anyhow::Result;
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, at};
use berth_tests::view::Port;
use berth_tests::{SharedNode, Sockets, Tenant, privileged, sysctl};

use crate::binding::{Binding, bound, errno};

#[test]
fn a_reserved_port_is_kept_free_for_its_owner() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    node.berth.ok(["ports", "reserve", "a", "tcp/8080"])?;
    assert_eq!(node.holders(8080)?, [reserved("a", "tcp", "0.0.0.0"), reserved("a", "tcp", "::")]);
    for address in [NODE_V4, NODE_V6] {
        assert_eq!(errno(Binding::tcp((address, 8080)).by(&node.b)), Some(libc::EADDRINUSE));
        drop(Binding::tcp((address, 8080)).by(&node.a)?);
        drop(Binding::udp((address, 8080)).by(&node.b)?);
    }
    // It outlives the sockets that use it.
    assert_eq!(node.holders(8080)?.len(), 2);

    node.berth.ok(["ports", "release", "a", "tcp/8080"])?;
    assert_eq!((node.holders(8080)?, node.ports_held("a")?), (vec![], 0));
    Binding::tcp(at(NODE_V4, 8080)).by(&node.b)?;
    Ok(())
}

#[test]
fn a_release_leaves_what_is_bound() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let address = NODE_V4.to_string();
    node.berth.ok(["ports", "reserve", "a", "tcp/8080", "--address", &address])?;
    let socket = Binding::tcp(at(NODE_V4, 8080)).reuse_port().by(&node.a)?;
    assert_eq!(node.ports_held("a")?, 1);
    node.berth.ok(["ports", "release", "a", "tcp/8080"])?;
    assert_eq!(node.holders(8080)?, [bound("a", "tcp", at(NODE_V4, 8080))]);
    assert_eq!(errno(Binding::tcp(at(NODE_V4, 8080)).reuse_port().by(&node.b)), Some(libc::EADDRINUSE));
    drop(socket);
    assert_eq!((node.holders(8080)?, node.ports_held("a")?), (vec![], 0));
    Ok(())
}

#[test]
fn a_port_that_is_held_cannot_be_reserved_for_another() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _bound = Binding::tcp(at(NODE_V4, 8080)).by(&node.a)?;
    node.berth.ok(["ports", "reserve", "a", "udp/53"])?;
    for (service, holder) in [("tcp/8080", "a"), ("udp/53", "a")] {
        let output = node.berth.run(["ports", "reserve", "b", service])?;
        assert_eq!(output.code(), Some(1), "{output:?}");
        assert!(output.stderr.contains(&format!("is held by {holder};")), "{output:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    }
    // Not by halves either: the IPv6 side of it was free.
    assert_eq!(node.holders(8080)?, [bound("a", "tcp", at(NODE_V4, 8080))]);
    assert_eq!(node.ports_held("b")?, 0);
    node.berth.ok(["ports", "reserve", "b", "tcp/8080", "--address", &NODE_V6.to_string()])?;
    Ok(())
}

#[test]
fn a_port_is_reserved_at_one_address() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    node.berth.ok(["ports", "reserve", "a", "udp/53", "--address", &NODE_V4.to_string()])?;
    assert_eq!(node.holders(53)?, [reserved_at("a", "udp", &NODE_V4.to_string(), 53)]);
    assert_eq!(errno(Binding::udp(at(NODE_V4, 53)).by(&node.b)), Some(libc::EADDRINUSE));
    assert_eq!(errno(Binding::udp(([0, 0, 0, 0], 53)).by(&node.b)), Some(libc::EADDRINUSE));
    drop(Binding::udp(([0, 0, 0, 0], 53)).by(&node.a)?);
    let _theirs = Binding::udp(([127, 0, 0, 1], 53)).by(&node.b)?;
    Ok(())
}

#[test]
fn a_port_can_be_reserved_before_its_container_is_there() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    node.berth.ok(["ports", "reserve", "c", "tcp/8080"])?;
    assert_eq!(node.holders(8080)?.len(), 2);
    let refused = || errno(Binding::tcp(at(NODE_V4, 8080)).by(&node.b));
    assert_eq!(refused(), Some(libc::EADDRINUSE));
    let c = Tenant::new(&node.topology.node, "c")?;
    node.berth.add_container("c", c.cgroup().path())?;
    assert_eq!(refused(), Some(libc::EADDRINUSE));
    Binding::tcp(at(NODE_V4, 8080)).by(&c)?;
    assert_eq!(node.ports_held("c")?, 2);
    node.berth.ok(["container", "rm", "c"])?;
    assert_eq!(node.holders(8080)?, []);
    assert_eq!(refused(), None);
    Ok(())
}

#[test]
fn echo_ids_and_gre_keys_can_be_reserved() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for service in ["icmp/77", "icmpv6/77", "gre/77"] {
        node.berth.ok(["ports", "reserve", "a", service])?;
    }
    let protocols: Vec<_> = node.holders(77)?.into_iter().map(|port| (port.owner, port.protocol)).collect();
    let expected = ["gre", "gre", "icmp", "icmpv6"].map(|protocol| ("a".to_owned(), protocol.to_owned()));
    assert_eq!(protocols, expected);

    for (remote, request) in [(REMOTE_V4, 8), (berth_tests::topology::REMOTE_V6, 128)] {
        let echo = [request, 0, 0, 0, 0, 0, 0, 1];
        let theirs = node.b.ping_socket(remote, 77)?;
        let refused = || node.berth.container("b").map(|b| b.plane.drops_for("port-reserved"));
        let before = refused()?;
        // The kernel tells the sender of IPv4 only.
        let told = errno(theirs.send_to(&echo, &at(remote, 0).into()));
        assert_eq!(told, remote.is_ipv4().then_some(libc::EPERM));
        assert_eq!(refused()?, before + 1, "{remote}");
        // There can be one such socket only, whoever has it.
        drop(theirs);
        let own = node.a.ping_socket(remote, 77)?;
        own.send_to(&echo, &at(remote, 0).into())?;
        own.recv(&mut [std::mem::MaybeUninit::uninit(); 64])?;
    }
    for service in ["icmp/77", "icmpv6/77", "gre/77"] {
        node.berth.ok(["ports", "release", "a", service])?;
    }
    assert_eq!((node.holders(77)?, node.ports_held("a")?), (vec![], 0));
    Ok(())
}

#[test]
fn the_kernel_hands_a_reserved_port_to_nobody() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    sysctl::set(node.netns(), "ipv4/ip_local_port_range", "40000 40001")?;
    let address = NODE_V4.to_string();
    node.berth.ok(["ports", "reserve", "a", "tcp/40000", "--address", &address])?;
    assert_eq!(sysctl::get(node.netns(), "ipv4/ip_local_reserved_ports")?, "40000");
    let first = Binding::tcp(at(NODE_V4, 0)).by(&node.b)?;
    assert_eq!(first.local_addr()?.as_socket().map(|local| local.port()), Some(40001));
    assert_eq!(errno(Binding::tcp(at(NODE_V4, 0)).by(&node.b)), Some(libc::EADDRINUSE));
    node.berth.ok(["ports", "release", "a", "tcp/40000"])?;
    assert_eq!(sysctl::get(node.netns(), "ipv4/ip_local_reserved_ports")?, "");
    Binding::tcp(at(NODE_V4, 0)).by(&node.b)?;
    Ok(())
}

fn reserved(owner: &str, protocol: &str, address: &str) -> Port {
    reserved_at(owner, protocol, address, 8080)
}

fn reserved_at(owner: &str, protocol: &str, address: &str, port: u32) -> Port {
    Port {
        owner: owner.to_owned(),
        protocol: protocol.to_owned(),
        address: address.parse().unwrap_or_else(|_| unreachable!("{address}")),
        port,
        by: "operator".to_owned(),
        permanent: true,
    }
}

//! Ports that cannot be reserved.

use anyhow::Result;
use berth_tests::topology::{NODE_V4, at};
use berth_tests::{SharedNode, Sockets, privileged, sysctl};

use crate::node::{FAILED, USAGE, refuses};

#[test]
fn ports_that_are_none_or_somebodys() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _listener = node.a.tcp_listen(at(NODE_V4, 8080))?;
    node.berth.ok(["ports", "reserve", "a", "udp/53"])?;
    refuses(
        &node,
        &[
            ("ports reserve b tcp/8080", FAILED, "tcp/8080 at 0.0.0.0 is held by a"),
            ("ports reserve b udp/53", FAILED, "is held by a"),
            // Not even a container is made for it.
            ("ports reserve new tcp/8080", FAILED, "is held by a"),
            ("ports reserve b 8080", USAGE, "write PROTOCOL/NUMBER, as in tcp/8080"),
            ("ports reserve b tcp/0", USAGE, "ports are 1 to 65535"),
            ("ports reserve b tcp/65536", USAGE, "names no port"),
            ("ports reserve b igmp/1", USAGE, "igmp"),
            ("ports reserve b quic/1", USAGE, "quic"),
            ("ports reserve b/c tcp/80", USAGE, "is no container name"),
            ("ports reserve b icmp/7 --address fd62::1", FAILED, "icmp/7 cannot be reserved at fd62::1"),
            ("ports reserve b udp/7 --address 224.0.0.1", FAILED, "cannot be reserved at 224.0.0.1"),
            ("ports release b udp/53", FAILED, "b has no reservation of udp/53"),
            ("ports release a udp/54", FAILED, "a has no reservation of udp/54"),
            // What a socket holds is not the operator's to release.
            ("ports release a tcp/8080", FAILED, "a has no reservation of tcp/8080 by the operator"),
        ],
    )
}

#[test]
fn ports_the_kernel_hands_out() -> Result<()> {
    privileged!();
    let node = SharedNode::configured("local_port_range = 'refuse'\n")?;
    sysctl::set(node.netns(), "ipv4/ip_local_port_range", "40000 50000")?;
    refuses(
        &node,
        &[
            ("ports reserve a tcp/40000", FAILED, "is within net.ipv4.ip_local_port_range (40000-50000)"),
            ("ports reserve a udp/50000", FAILED, "choose another"),
        ],
    )?;
    assert_eq!(sysctl::get(node.netns(), "ipv4/ip_local_reserved_ports")?, "");
    node.berth.ok(["ports", "reserve", "a", "tcp/39999"])?;
    // Echo ids are not among those.
    node.berth.ok(["ports", "reserve", "a", "icmp/40000"]).map(drop)
}

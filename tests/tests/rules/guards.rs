//! Checks that keep something: what they spend, and how long it is kept.

use anyhow::Result;
use berth_tests::sockets::{accept, errno};
use berth_tests::topology::{NODE_V4, REMOTE_V4, at};
use berth_tests::{SharedNode, Sockets as _, privileged, wait};

use crate::helpers::{counted, filter};

/// A token in so long a time that none comes back, of which a bucket holds five.
const FIVE_TOKENS: [&str; 2] = [
    "-m limit --limit 1/hour --limit-burst 5",
    "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name five",
];

fn send(node: &SharedNode, port: u16, count: usize) -> Result<usize> {
    let socket = node.a.udp_bind(at(NODE_V4, 0))?;
    let sent = (0..count).filter(|_| errno(socket.send_to(b"x", at(REMOTE_V4, port))).is_none());
    Ok(sent.count())
}

#[test]
fn a_guarded_chain_spends_one_token_for_each_packet() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for guard in FIVE_TOKENS {
        let ten = "-A TEN\n".repeat(10);
        let rules = format!(":OUTPUT ACCEPT\n:TEN -\n-A OUTPUT -p udp {guard} -j TEN\n{ten}");
        // The policy would go on counting.
        node.berth.ok(["rules", "flush", "a"])?;
        filter(&node, "a", &[], &rules)?;
        assert_eq!(send(&node, 9, 8)?, 8);
        assert_eq!(counted(&node, "a", "OUTPUT")?, [5, 8], "{guard}");
        assert_eq!(counted(&node, "a", "TEN")?, [5; 10], "{guard}");
    }
    Ok(())
}

#[test]
fn buckets_outlive_the_rules_around_them() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let [_, guard] = FIVE_TOKENS;
    let limited = format!("-A OUTPUT -p udp {guard} -j ACCEPT\n");
    let closed = |before: &str| format!(":OUTPUT DROP\n{before}{limited}");
    filter(&node, "a", &[], &closed(""))?;
    assert_eq!(send(&node, 9, 3)?, 3);
    filter(&node, "a", &[], &closed("-A OUTPUT -p tcp -j ACCEPT\n"))?;
    assert_eq!(send(&node, 9, 3)?, 2);
    let held = |node: &SharedNode| Ok::<_, anyhow::Error>(node.berth.container("a")?.guards.held);
    assert_eq!(held(&node)?, 1);
    // What was kept for a name is forgotten with the last rule that has it.
    filter(&node, "a", &[], ":OUTPUT ACCEPT\n-A OUTPUT -p tcp\n")?;
    assert_eq!(held(&node)?, 0);
    filter(&node, "a", &[], &closed(""))?;
    assert_eq!(send(&node, 9, 6)?, 5);
    Ok(())
}

#[test]
fn what_cannot_be_remembered_is_dropped() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    node.berth.ok(["container", "set", "a", "--max-guards", "3"])?;
    filter(
        &node,
        "a",
        &[],
        ":OUTPUT ACCEPT\n-A OUTPUT -p udp -m hashlimit --hashlimit-above 1/hour --hashlimit-burst 5 \
         --hashlimit-mode dstport --hashlimit-name ports -j DROP\n",
    )?;
    for (port, sent) in [(1, 1), (2, 1), (3, 1), (4, 0), (3, 1), (5, 0)] {
        assert_eq!(send(&node, port, 1)?, sent, "port {port}");
    }
    let container = node.berth.container("a")?;
    let guards = container.guards;
    assert_eq!((guards.held, guards.maxheld, guards.limit, guards.failcnt), (3, 3, 3, 2));
    assert_eq!(container.plane.drops["guard-quota"], 2);
    node.berth.ok(["container", "rm", "a"])?;
    Ok(())
}

#[test]
fn lists_outlive_the_rules_around_them() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let listed = ":OUTPUT ACCEPT\n-A OUTPUT -p udp --dport 9 -m recent --name seen --set --rdest -j ACCEPT\n";
    let refuses = "-A OUTPUT -p udp --dport 7 -m recent --name seen --rcheck --hitcount 3 --rdest -j DROP\n";
    let all = format!("{listed}{refuses}");
    filter(&node, "a", &[], &all)?;
    assert_eq!((send(&node, 7, 1)?, send(&node, 9, 2)?, send(&node, 7, 1)?), (1, 2, 1));
    filter(&node, "a", &[], &format!("{listed}-A OUTPUT -p tcp\n{refuses}"))?;
    assert_eq!((send(&node, 9, 1)?, send(&node, 7, 1)?), (1, 0));
    assert_eq!(node.berth.container("a")?.guards.held, 1);
    // With the last rule that names it, the list goes.
    filter(&node, "a", &[], ":OUTPUT ACCEPT\n-A OUTPUT -p tcp\n")?;
    assert_eq!(node.berth.container("a")?.guards.held, 0);
    filter(&node, "a", &[], &all)?;
    assert_eq!(send(&node, 7, 1)?, 1);
    node.berth.ok(["rules", "flush", "a"])?;
    Ok(())
}

#[test]
fn connections_of_an_address_are_limited() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    node.berth.ok(["container", "set", "a", "--mode", "stateful"])?;
    let limit = "-A INPUT -p tcp --dport 80 --syn -m connlimit --connlimit-above 2 -j REJECT --reject-with tcp-reset\n";
    filter(&node, "a", &[], &format!(":INPUT ACCEPT\n{limit}"))?;
    let listener = node.a.tcp_listen(at(NODE_V4, 80))?;
    let remote = node.topology.remote.clone();
    let connect = || remote.tcp_connect(at(NODE_V4, 80));
    let (first, second) = (connect()?, connect()?);
    // What is refused leaves nothing behind, however often.
    for _ in 0..3 {
        assert_eq!(errno(connect()), Some(libc::ECONNREFUSED));
    }
    let held = |node: &SharedNode| Ok::<_, anyhow::Error>(node.berth.container("a")?.guards.held);
    // Two flows, and their address.
    assert_eq!(held(&node)?, 3);
    // Other rules come and go around it.
    filter(&node, "a", &[], &format!(":INPUT ACCEPT\n-A INPUT -p udp\n{limit}"))?;
    assert_eq!(errno(connect()), Some(libc::ECONNREFUSED));
    // Closed by both sides, a connection makes room, with nobody there who sweeps.
    node.berth.kill9()?;
    let (accepted, _) = accept(&listener)?;
    drop((first, accepted));
    wait::until_true("room for one more", wait::LIMIT, || Ok(connect().is_ok()))?;
    node.berth.restart()?;
    drop(second);
    filter(&node, "a", &[], ":INPUT ACCEPT\n-A INPUT -p tcp\n")?;
    assert_eq!(held(&node)?, 0);
    Ok(())
}

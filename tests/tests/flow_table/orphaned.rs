//! Without a daemon.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use berth_tests::sockets::unspecified;
use berth_tests::topology::{NODE_V4, REMOTE_V4, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{SharedNode, Sockets, privileged};

/// Flows that are begun, one by one: fewer in a second, which they last, than the quota allows.
const FLOWS: u16 = 1_000;
const PACE: Duration = Duration::from_millis(12);

#[test]
fn what_has_expired_makes_room_by_itself() -> Result<()> {
    privileged!();
    let mut node = SharedNode::configured("[defaults]\nmode = 'stateful'\n[timeouts]\nudp = 7\n")?;
    node.berth.ok(["container", "set", "a", "--max-flows", "100", "--timeouts", "udp=1"])?;
    node.berth.kill9()?;
    let socket = node.a.udp_bind(unspecified(NODE_V4, 0))?;
    for port in 1..=FLOWS {
        socket.send_to(b"", at(REMOTE_V4, port))?;
        thread::sleep(PACE);
    }
    let after = node.berth.container("a")?;
    assert_eq!((after.flows.failcnt, after.flows_evicted), (0, 0), "{after:?}");
    assert!(after.plane.drops.is_empty(), "{after:?}");
    assert!(after.flows.maxheld <= 100 && after.flows.held > 0, "{after:?}");
    assert_eq!(after.plane.traffic.outgoing.packets, u64::from(FLOWS));
    // Others' flows last as long as the node has them last.
    let socket = node.b.udp_bind(unspecified(NODE_V4, 0))?;
    socket.send_to(b"", at(REMOTE_V4, 1))?;
    let of_b = node.berth.flows()?.into_iter().find(|flow| flow.owner == "b");
    assert!(
        of_b.is_some_and(|flow| (5_000..=7_000).contains(&flow.expires_in_ms)),
        "{:?}",
        node.berth.flows()
    );

    node.berth.restart()?;
    wait::until_true("the daemon sweeps", LIMIT, || Ok(node.berth.container("a")?.flows.held == 0))
}

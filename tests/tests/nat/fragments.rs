//! Datagrams in fragments.

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::exchange::datagrams;
use berth_tests::topology::at;
use berth_tests::{Sockets as _, privileged};

use crate::{INSIDE, NODE, Net, OUTSIDE, REMOTE, THERE};

/// Three fragments.
const LARGE: usize = 4_000;

#[test]
fn all_go_where_the_first_goes() -> Result<()> {
    privileged!();
    let net = Net::published()?;
    net.berth.ok(["container", "set", "c", "--masquerade", "yes"])?;
    let _there = Echo::start(net.remote(), &REMOTE, THERE)?;
    let _here = Echo::start(&net.c.host, &net.c.addresses, INSIDE)?;
    for (node, remote) in NODE.into_iter().zip(REMOTE) {
        datagrams(&net.c.host.udp_connect(at(remote, THERE))?, 3, LARGE)?;
        datagrams(&net.remote().udp_connect(at(node, OUTSIDE))?, 3, LARGE)?;
    }
    Ok(())
}

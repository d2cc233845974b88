//! Containers' own translation along with the node's, and with daemons that come and go.

use std::net::TcpStream;

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, stream};
use berth_tests::sockets::accept;
use berth_tests::topology::at;
use berth_tests::{Guest, Host, Sockets as _, privileged};

use super::{Own, SECOND};
use crate::{INSIDE, NODE, OUTSIDE, REMOTE, THERE};

/// To which the container itself redirects what has come to the port that is published.
const DEEPER: u16 = 8_081;
const MUCH: usize = 4 << 20;

impl Own {
    /// The port [`INSIDE`] is published at [`OUTSIDE`], and redirected to [`DEEPER`] inside.
    fn published() -> Result<Self> {
        let own = Self::new(&[])?;
        for protocol in ["tcp", "udp"] {
            own.net.publish(protocol, &[])?;
            for family in [0, 1] {
                own.append(
                    family,
                    &format!("PREROUTING -p {protocol} --dport {INSIDE} -j REDIRECT --to-ports {DEEPER}"),
                )?;
            }
        }
        Ok(own)
    }

    /// Appends a rule to table nat.
    fn append(&self, family: usize, rule: &str) -> Result<()> {
        let rule: Vec<&str> = rule.split(' ').collect();
        let append = ["rules", "append", "--table", "nat"];
        self.net.berth.ok([&append[..], super::FLAGS[family], &["c"], &rule].concat()).map(drop)
    }
}

#[test]
fn a_published_port_is_redirected_inside() -> Result<()> {
    privileged!();
    let own = Own::published()?;
    let (c, remote) = (&own.net.c, own.net.remote());
    let echo = Echo::start(&c.host, &c.addresses, DEEPER)?;
    for family in [0, 1] {
        // By the node, and straight.
        for asked in [at(NODE[family], OUTSIDE), at(c.addresses[family], INSIDE)] {
            stream(&remote.tcp_connect(asked)?, MUCH)?;
            datagrams(&remote.udp_connect(asked)?, 3, 1_000)?;
        }
        assert_eq!(own.flows_counted(family, "PREROUTING")?, [2, 2]);
    }
    drop(echo);
    for family in [0, 1] {
        own.filter(family, &format!("-A INPUT -p tcp --dport {INSIDE} -j DROP\n"))?;
        let listener = c.host.tcp_listen(at(c.addresses[family], DEEPER))?;
        let client = remote.tcp_connect(at(NODE[family], OUTSIDE))?;
        assert_eq!(accept(&listener)?.1, client.local_addr()?);
    }
    assert!(own.net.berth.container("c")?.plane.drops.is_empty());
    Ok(())
}

#[test]
fn who_is_masqueraded_may_choose_among_its_addresses_before() -> Result<()> {
    privileged!();
    let own = Own::new(&["--masquerade", "yes"])?;
    let (c, remote) = (&own.net.c.host, own.net.remote());
    for family in [0, 1] {
        let second = own.seconds[family];
        own.nat(family, &format!("-A POSTROUTING -j SNAT --to-source {second}\n"))?;
        // One of them is between the two addresses, as they are sorted in keys of flows.
        for address in [REMOTE[family], SECOND[family]] {
            let there = at(address, THERE);
            let listener = remote.tcp_listen(there)?;
            let client = c.tcp_connect(there)?;
            let (connection, peer) = accept(&listener)?;
            assert_eq!((peer.ip(), peer.port() >= 61_000), (NODE[family], true), "{peer}");
            both_ways(&client, &connection)?;
            drop(listener);
            let _echo = Echo::start(remote, &[address], THERE)?;
            datagrams(&c.udp_connect(there)?, 3, 1_000)?;
        }
        assert_eq!(own.flows_counted(family, "POSTROUTING")?, [4]);
    }
    own.net.berth.ok(["container", "set", "c", "--masquerade", "no"])?;
    for family in [0, 1] {
        let there = at(REMOTE[family], THERE);
        let listener = remote.tcp_listen(there)?;
        let client = c.tcp_connect(there)?;
        let seen = accept(&listener)?.1;
        assert_eq!(seen, at(own.seconds[family], client.local_addr()?.port()));
    }
    assert!(own.net.berth.container("c")?.plane.drops.is_empty());
    Ok(())
}

fn both_ways(client: &TcpStream, server: &TcpStream) -> Result<()> {
    berth_tests::exchange::transfer(client, server, MUCH)?;
    berth_tests::exchange::transfer(server, client, MUCH)
}

/// A neighbour asks for the published port by the node's address, or by another one that its own rules make that of.
#[test]
fn neighbours_come_round_the_pin() -> Result<()> {
    privileged!();
    let own = Own::published()?;
    let near = own.net.bridge.guest(3)?;
    own.net.add("near", &near, &[])?;
    let c = &own.net.c;
    let echo = Echo::start(&c.host, &c.addresses, DEEPER)?;
    for family in [0, 1] {
        let node = NODE[family];
        let end = if node.is_ipv4() { node.to_string() } else { format!("[{node}]") };
        let rule = format!(
            "*nat\n-A OUTPUT -p tcp -d {} --dport 443 -j DNAT --to-destination {end}:{OUTSIDE}\nCOMMIT\n",
            REMOTE[family]
        );
        let output = super::restore(&own.net.berth, "near", family, &rule)?;
        assert!(output.success(), "{output:?}");
        for asked in [at(node, OUTSIDE), at(REMOTE[family], 443)] {
            stream(&near.host.tcp_connect(asked)?, MUCH)?;
        }
        datagrams(&near.host.udp_connect(at(node, OUTSIDE))?, 3, 1_000)?;
        assert_eq!(own.flows_counted(family, "PREROUTING")?, [2, 1]);
    }
    drop(echo);
    for (family, address) in near.addresses.into_iter().enumerate() {
        let listener = c.host.tcp_listen(at(c.addresses[family], DEEPER))?;
        let client = near.host.tcp_connect(at(REMOTE[family], 443))?;
        assert_eq!(accept(&listener)?.1, at(address, client.local_addr()?.port()));
    }
    for name in ["c", "near"] {
        let plane = own.net.berth.container(name)?.plane;
        assert!(plane.drops.is_empty(), "{name}: {plane:?}");
    }
    Ok(())
}

/// Connections that are translated in each of the ways, with an echo at their other ends.
fn connections(c: &Guest, remote: &Host, family: usize) -> Result<[TcpStream; 2]> {
    let inward = remote.tcp_connect(at(c.addresses[family], INSIDE))?;
    // To another address, from another address.
    Ok([inward, c.host.tcp_connect(at(REMOTE[family], THERE))?])
}

#[test]
fn the_daemon_may_come_and_go() -> Result<()> {
    privileged!();
    let mut own = Own::published()?;
    for family in [0, 1] {
        let (other, second) = (SECOND[family], own.seconds[family]);
        own.append(family, &format!("OUTPUT -p tcp --dport {THERE} -j DNAT --to-destination {other}"))?;
        own.append(family, &format!("POSTROUTING -j SNAT --to-source {second}"))?;
    }
    let _here = Echo::start(&own.net.c.host, &own.net.c.addresses, DEEPER)?;
    let _there = Echo::start(own.net.remote(), &SECOND, THERE)?;
    let saved = own.net.berth.ok(["rules", "save", "c"])?;
    let mut open = Vec::new();
    // Those of each round are there in all that follow.
    for round in 0..3 {
        match round {
            0 => {}
            1 => own.net.berth.kill9()?,
            _ => own.net.berth.restart()?,
        }
        for family in [0, 1] {
            open.extend(connections(&own.net.c, own.net.remote(), family)?);
        }
        open.iter().try_for_each(|connection| stream(connection, 100_000))?;
    }
    own.net.berth.restart()?;
    open.iter().try_for_each(|connection| stream(connection, 100_000))?;
    assert_eq!(own.net.berth.ok(["rules", "save", "c"])?, saved);
    for family in [0, 1] {
        assert_eq!(own.flows_counted(family, "PREROUTING")?, [3, 0]);
        assert_eq!(own.flows_counted(family, "OUTPUT")?, [3]);
        assert_eq!(own.flows_counted(family, "POSTROUTING")?, [3]);
    }
    // All of it anew, from what is on file.
    own.net.berth.stop()?;
    own.net.berth.ok(["down"])?;
    own.net.berth.restart()?;
    for family in [0, 1] {
        for connection in connections(&own.net.c, own.net.remote(), family)? {
            stream(&connection, 100_000)?;
        }
    }
    Ok(())
}

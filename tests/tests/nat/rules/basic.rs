//! What an operator has them do.

use std::fmt::Write as _;
use std::net::IpAddr;

use anyhow::Result;
use berth::rules::table::TableName;
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, stream};
use berth_tests::sockets::{accept, errno};
use berth_tests::topology::at;
use berth_tests::{Sockets as _, privileged};

use super::{Own, SECOND};
use crate::REMOTE;

/// What is asked for, and where somebody listens.
const ASKED: u16 = 80;
const BEHIND: u16 = 8080;
const RESOLVER: u16 = 53;
/// Of both protocols.
const REDIRECT: &str = "-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080\n\
                        -A PREROUTING -p udp --dport 80 -j REDIRECT --to-ports 8080\n";
/// What lets neighbours be found, where all else is dropped.
const NEIGHBOURS: [&str; 2] = ["", "-A INPUT -p ipv6-icmp -j ACCEPT\n"];

impl Own {
    /// The container's addresses of a family.
    fn addresses(&self, family: usize) -> [IpAddr; 2] {
        [self.net.c.addresses[family], self.seconds[family]]
    }
}

#[test]
fn one_port_stands_for_another() -> Result<()> {
    privileged!();
    let own = Own::new(&[])?;
    let (c, remote) = (&own.net.c, own.net.remote());
    // It is the first address to which all is redirected, as by the kernel.
    let echo = Echo::start(&c.host, &c.addresses, BEHIND)?;
    for family in [0, 1] {
        own.nat(family, REDIRECT)?;
        let mut rules = format!(":INPUT DROP\n{}", NEIGHBOURS[family]);
        for protocol in ["tcp", "udp"] {
            writeln!(rules, "-A INPUT -p {protocol} --dport {ASKED}")?;
            writeln!(rules, "-A INPUT -p {protocol} --dport {BEHIND} -j ACCEPT")?;
        }
        own.filter(family, &rules)?;
        for address in own.addresses(family) {
            stream(&remote.tcp_connect(at(address, ASKED))?, 10_000)?;
            datagrams(&remote.udp_connect(at(address, ASKED))?, 3, 100)?;
        }
        assert_eq!(own.flows_counted(family, "PREROUTING")?, [2, 2]);
        let seen = own.counted(family, TableName::Filter, "INPUT")?;
        let [asked, tcp, asked_by_udp, udp] = seen[family..] else { panic!("{seen:?}") };
        assert_eq!((asked, asked_by_udp, udp), (0, 0, 6), "{seen:?}");
        assert!(tcp > 6, "{seen:?}");
    }
    drop(echo);
    // Who asks is seen as who he is.
    for family in [0, 1] {
        let listener = c.host.tcp_listen(at(c.addresses[family], BEHIND))?;
        let client = remote.tcp_connect(at(c.addresses[family], ASKED))?;
        assert_eq!(accept(&listener)?.1, client.local_addr()?);
    }
    assert!(own.net.berth.container("c")?.plane.drops.is_empty());
    Ok(())
}

#[test]
fn another_resolver_is_asked() -> Result<()> {
    privileged!();
    let own = Own::new(&[])?;
    let c = &own.net.c.host;
    let _echo = Echo::start(own.net.remote(), &SECOND, RESOLVER)?;
    for family in [0, 1] {
        let (asked, other) = (at(REMOTE[family], RESOLVER), SECOND[family]);
        assert_eq!(errno(c.tcp_connect(asked)), Some(libc::ECONNREFUSED));
        let mut rules = String::new();
        for protocol in ["udp", "tcp"] {
            writeln!(rules, "-A OUTPUT -p {protocol} --dport 53 -j DNAT --to-destination {other}")?;
        }
        own.nat(family, &rules)?;
        // Its filter is asked about where the packets go, not where it wants them to go.
        own.filter(
            family,
            &format!(
                "-A OUTPUT -d {} -p udp -j DROP\n-A OUTPUT -d {other} -p udp --dport 53\n",
                REMOTE[family]
            ),
        )?;
        for _ in 0..2 {
            // It is answered by whom it has asked: the socket hears nobody else.
            datagrams(&c.udp_connect(asked)?, 2, 100)?;
        }
        stream(&c.tcp_connect(asked)?, 10_000)?;
        assert_eq!(own.flows_counted(family, "OUTPUT")?, [2, 1]);
        assert_eq!(own.counted(family, TableName::Filter, "OUTPUT")?, [0, 4]);
    }
    Ok(())
}

#[test]
fn it_speaks_by_its_second_address() -> Result<()> {
    privileged!();
    let own = Own::new(&[])?;
    let (c, remote) = (&own.net.c, own.net.remote());
    for family in [0, 1] {
        let (first, second) = (c.addresses[family], own.seconds[family]);
        own.nat(family, &format!("-A POSTROUTING -p tcp -j SNAT --to-source {second}\n"))?;
        own.filter(family, &format!("-A OUTPUT -s {second} -p tcp -j DROP\n-A OUTPUT -s {first} -p tcp\n"))?;
        let there = at(REMOTE[family], ASKED);
        let listener = remote.tcp_listen(there)?;
        let client = c.host.tcp_connect(there)?;
        let (connection, peer) = accept(&listener)?;
        let local = client.local_addr()?;
        assert_eq!((peer, local.ip()), (at(second, local.port()), first));
        berth_tests::exchange::transfer(&client, &connection, 10_000)?;
        berth_tests::exchange::transfer(&connection, &client, 10_000)?;
        let [by_second, by_first] = own.counted(family, TableName::Filter, "OUTPUT")?[..] else {
            panic!("two rules")
        };
        assert!(by_second == 0 && by_first > 2, "{by_second} {by_first}");
    }
    Ok(())
}

#[test]
fn flows_outlive_the_rules_that_have_translated_them() -> Result<()> {
    privileged!();
    let own = Own::new(&[])?;
    let (c, remote) = (&own.net.c, own.net.remote());
    let _echo = Echo::start(&c.host, &c.addresses, BEHIND)?;
    for family in [0, 1] {
        own.nat(family, &format!("{REDIRECT}-A POSTROUTING\n"))?;
        let asked = at(c.addresses[family], ASKED);
        let connections = [remote.tcp_connect(asked)?, remote.tcp_connect(asked)?];
        let socket = remote.udp_connect(asked)?;
        for _ in 0..3 {
            datagrams(&socket, 2, 100)?;
            connections.iter().try_for_each(|connection| stream(connection, 1_000))?;
        }
        assert_eq!(own.flows_counted(family, "PREROUTING")?, [2, 1]);
        // Answers begin no flow.
        assert_eq!(own.flows_counted(family, "POSTROUTING")?, [0]);
        own.flush(family)?;
        connections.iter().try_for_each(|connection| stream(connection, 1_000))?;
        datagrams(&socket, 2, 100)?;
        assert_eq!(errno(remote.tcp_connect(asked)), Some(libc::ECONNREFUSED));
        // Nor do flows that are there change when rules come.
        let straight = remote.udp_connect(at(c.addresses[family], BEHIND))?;
        datagrams(&straight, 1, 100)?;
        own.nat(family, "-A PREROUTING -p udp -j REDIRECT --to-ports 9\n")?;
        datagrams(&straight, 1, 100)?;
        assert_eq!(own.flows_counted(family, "PREROUTING")?, [0]);
    }
    Ok(())
}

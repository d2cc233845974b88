//! ICMP errors, refusals, fragments and checksums.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::Result;
use berth_tests::bridge::INSIDE as INTERFACE;
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, stream, transfer};
use berth_tests::notice::{self, Notice};
use berth_tests::process::ok;
use berth_tests::sockets::{accept, errno};
use berth_tests::topology::at;
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Endpoint as _, Host, Sockets as _, offload, privileged};

use super::rulesets::NOWHERE;
use super::{Own, Place, SECOND};
use crate::checksums::wrong;
use crate::errors::fails;
use crate::{INSIDE, REMOTE, THERE};

/// To which what comes for [`INSIDE`] is redirected.
const BEHIND: u16 = 8_080;
/// Three fragments.
const LARGE: usize = 4_000;
const MUCH: usize = 4 << 20;
/// Both tell the client that it was refused.
const REJECT: [[&str; 2]; 2] =
    [["tcp-reset", "icmp-port-unreachable"], ["tcp-reset", "icmp6-port-unreachable"]];
const PROTOCOLS: [&str; 2] = ["tcp", "udp"];

/// What comes to [`INSIDE`] is redirected; what goes to the remote host's [`THERE`] goes to its other address, from the
/// second one of the container's.
fn translated(own: &Own) -> Result<()> {
    for family in [0, 1] {
        let (other, second) = (SECOND[family], own.seconds[family]);
        let mut rules = format!("-A POSTROUTING -j SNAT --to-source {second}\n");
        for protocol in PROTOCOLS {
            writeln!(rules, "-A PREROUTING -p {protocol} --dport {INSIDE} -j REDIRECT --to-ports {BEHIND}")?;
            writeln!(rules, "-A OUTPUT -p {protocol} --dport {THERE} -j DNAT --to-destination {other}")?;
        }
        own.nat(family, &rules)?;
    }
    Ok(())
}

#[test]
fn closed_ports_are_heard_of_on_both_sides() -> Result<()> {
    privileged!();
    let own = Own::new(&[])?;
    translated(&own)?;
    let (c, remote) = (&own.net.c, own.net.remote());
    for family in [0, 1] {
        let (inside, there) = (at(c.addresses[family], INSIDE), at(REMOTE[family], THERE));
        for (client, asked) in [(remote, inside), (&c.host, there)] {
            assert_eq!(fails(&client.udp_connect(asked)?)?, Some(libc::ECONNREFUSED), "{asked}");
            assert_eq!(errno(client.tcp_connect(asked)), Some(libc::ECONNREFUSED), "{asked}");
        }
        assert_eq!(own.flows_counted(family, "PREROUTING")?, [1, 1]);
        assert_eq!(own.flows_counted(family, "OUTPUT")?, [1, 1]);
        // By another address alone.
        let asked = at(REMOTE[family], 9);
        assert_eq!(fails(&c.host.udp_connect(asked)?)?, Some(libc::ECONNREFUSED), "{asked}");
    }
    assert!(own.net.berth.container("c")?.plane.drops.is_empty());
    Ok(())
}

/// The notice comes from where the client has asked, though the rules know another port or address.
#[test]
fn refusals_come_from_whom_was_asked() -> Result<()> {
    privileged!();
    let own = Own::new(&[])?;
    translated(&own)?;
    let (c, remote) = (&own.net.c, own.net.remote());
    // Without the rules everybody would be served.
    let _here = Echo::start(&c.host, &c.addresses, BEHIND)?;
    let _there = Echo::start(remote, &SECOND, THERE)?;
    for family in [0, 1] {
        let (inside, there) = (at(c.addresses[family], INSIDE), at(REMOTE[family], THERE));
        for (client, asked) in [(remote, inside), (&c.host, there)] {
            datagrams(&client.udp_connect(asked)?, 1, 100)?;
            stream(&client.tcp_connect(asked)?, 100)?;
        }
        let mut rules = String::new();
        for (protocol, with) in PROTOCOLS.into_iter().zip(REJECT[family]) {
            let reject = format!("-j REJECT --reject-with {with}");
            let other = SECOND[family];
            writeln!(rules, "-A INPUT -p {protocol} --dport {BEHIND} {reject}")?;
            writeln!(rules, "-A OUTPUT -d {other} -p {protocol} --dport {THERE} {reject}")?;
        }
        own.filter(family, &rules)?;
        for (client, asked) in [(remote, inside), (&c.host, there)] {
            assert_eq!(fails(&client.udp_connect(asked)?)?, Some(libc::ECONNREFUSED), "{asked}");
            assert_eq!(errno(client.tcp_connect(asked)), Some(libc::ECONNREFUSED), "{asked}");
        }
    }
    let drops = own.net.berth.container("c")?.plane.drops;
    // Connections of before may not have come to their ends.
    assert!(drops.len() == 1 && drops.get("rejected").is_some_and(|count| *count >= 8), "{drops:?}");
    Ok(())
}

#[test]
fn all_fragments_go_where_the_first_goes() -> Result<()> {
    privileged!();
    let own = Own::new(&[])?;
    translated(&own)?;
    let (c, remote) = (&own.net.c, own.net.remote());
    let _here = Echo::start(&c.host, &c.addresses, BEHIND)?;
    let _there = Echo::start(remote, &SECOND, THERE)?;
    for family in [0, 1] {
        datagrams(&remote.udp_connect(at(c.addresses[family], INSIDE))?, 3, LARGE)?;
        datagrams(&c.host.udp_connect(at(REMOTE[family], THERE))?, 3, LARGE)?;
        assert_eq!(own.flows_counted(family, "PREROUTING")?, [0, 1]);
        assert_eq!(own.flows_counted(family, "OUTPUT")?, [0, 1]);
    }
    assert!(own.net.berth.container("c")?.plane.drops.is_empty());
    Ok(())
}

#[test]
fn checksums_are_right_with_offload_and_without() -> Result<()> {
    privileged!();
    for on in [true, false] {
        let own = Own::at(Place::new(on)?, &[])?;
        translated(&own)?;
        let (c, remote, node) = (&own.net.c, own.net.remote(), &own.net.topology.node);
        offload::set(c.host.netns(), INTERFACE, on)?;
        offload::set(node.netns(), &c.port, on)?;
        for family in [0, 1] {
            let inward = (remote, at(c.addresses[family], INSIDE), &c.host, at(c.addresses[family], BEHIND));
            let outward = (&c.host, at(REMOTE[family], THERE), remote, at(SECOND[family], THERE));
            for (client, asked, server, end) in [inward, outward] {
                let listener = server.tcp_listen(end)?;
                let client_side = client.tcp_connect(asked)?;
                let server_side = accept(&listener)?.0;
                transfer(&client_side, &server_side, MUCH)?;
                transfer(&server_side, &client_side, MUCH)?;
                drop(listener);
                let _echo = Echo::start(server, &[end.ip()], end.port())?;
                for size in [1, 100, 1_401] {
                    datagrams(&client.udp_connect(asked)?, 2, size)?;
                }
            }
        }
        for host in [&c.host, remote, node] as [&Host; 3] {
            assert_eq!(wrong(host.netns())?, 0, "offload {on}");
        }
    }
    Ok(())
}

/// As netfilter has it: whoever sends an error about what is led elsewhere is seen as who was asked.
#[test]
fn a_router_on_the_way_is_not_seen() -> Result<()> {
    privileged!();
    let own = Own::new(&[])?;
    let (c, node) = (&own.net.c, &own.net.topology.node);
    for (family, nowhere) in NOWHERE.into_iter().enumerate() {
        let (flag, address) = (["-4", "-6"][family], nowhere.to_string());
        ok(node.command("ip")?.args([flag, "route", "add", "unreachable", &address]))?;
        let told = |asked: SocketAddr| -> Result<Notice> {
            let socket = c.host.udp_connect(asked)?;
            notice::tell_all(&socket, asked.ip())?;
            socket.send(b"who")?;
            wait::until("a notice", LIMIT, || notice::take(&socket))
        };
        let router = own.net.bridge.addresses()[family];
        let notice = told(at(nowhere, THERE))?;
        assert_eq!((notice.offender, notice.about), (router, at(nowhere, THERE)));
        own.nat(family, &format!("-A OUTPUT -p udp -j DNAT --to-destination {nowhere}\n"))?;
        let asked = at(REMOTE[family], THERE);
        let led = told(asked)?;
        assert_eq!(led, Notice { offender: asked.ip(), about: asked, ..notice });
    }
    Ok(())
}

//! A container that routes, and translates for a host behind it.

use std::fmt::Write as _;

use anyhow::Result;
use berth::rules::table::TableName;
use berth_tests::behind::{BEHIND, behind};
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, pings, stream};
use berth_tests::sockets::{accept, errno, icmp};
use berth_tests::topology::at;
use berth_tests::{Host, Sockets as _, privileged};

use super::Own;
use crate::{REMOTE, THERE};

/// The host's service behind the container, and where it is found from outside.
const SERVICE: u16 = 22;
const FOUND: u16 = 2_222;
const MUCH: usize = 1 << 20;

/// `c`, which routes, and the host behind it. Nobody else knows the way there.
fn router() -> Result<(Own, Host)> {
    let own = Own::new(&["--routes", "yes"])?;
    let host = behind(&own.net.c, &[])?;
    for family in [0, 1] {
        let inner = BEHIND[family][1];
        let to = if inner.is_ipv4() { inner.to_string() } else { format!("[{inner}]") };
        let mut rules = "-A POSTROUTING -o eth0 -j MASQUERADE\n".to_owned();
        for protocol in ["tcp", "udp"] {
            writeln!(
                rules,
                "-A PREROUTING -i eth0 -p {protocol} --dport {FOUND} -j DNAT --to-destination {to}:{SERVICE}"
            )?;
        }
        own.nat(family, &rules)?;
    }
    Ok((own, host))
}

#[test]
fn a_host_behind_it_goes_out_under_its_address() -> Result<()> {
    privileged!();
    let (own, host) = router()?;
    let (c, remote) = (&own.net.c, own.net.remote());
    for family in [0, 1] {
        let (inner, there) = (BEHIND[family][1], at(REMOTE[family], THERE));
        // The rules know who it is.
        own.filter(family, &format!("-A FORWARD -s {inner} -p tcp\n-A FORWARD -d {inner} -p tcp\n"))?;
        let listener = remote.tcp_listen(there)?;
        let client = host.tcp_connect(there)?;
        let (server, peer) = accept(&listener)?;
        assert_eq!(peer, at(c.addresses[family], client.local_addr()?.port()));
        berth_tests::exchange::transfer(&client, &server, MUCH)?;
        berth_tests::exchange::transfer(&server, &client, MUCH)?;
        drop(listener);
        let _echo = Echo::start(remote, &[there.ip()], there.port())?;
        datagrams(&host.udp_connect(there)?, 3, 1_000)?;
        pings(&host.raw(inner, icmp(inner))?, (inner, there.ip()), 7, 3)?;
        // So does what it says itself.
        datagrams(&c.host.udp_connect(there)?, 3, 1_000)?;
        assert_eq!(own.flows_counted(family, "POSTROUTING")?, [4]);
        let [out, back] = own.counted(family, TableName::Filter, "FORWARD")?[..] else { panic!("two rules") };
        assert!(out > 2 && back > 2, "{out} {back}");
    }
    assert!(own.net.berth.container("c")?.plane.drops.is_empty());
    Ok(())
}

#[test]
fn a_host_behind_it_is_found_by_its_address() -> Result<()> {
    privileged!();
    let (own, host) = router()?;
    let (c, remote) = (&own.net.c, own.net.remote());
    for family in [0, 1] {
        let (inner, asked) = (BEHIND[family][1], at(c.addresses[family], FOUND));
        assert_eq!(errno(remote.tcp_connect(asked)), Some(libc::ECONNREFUSED));
        own.filter(
            family,
            &format!(
                ":FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n\
                 -A FORWARD -i eth0 -d {inner} -p tcp --dport {SERVICE} -j ACCEPT\n\
                 -A FORWARD -i eth0 -d {inner} -p udp --dport {SERVICE} -j ACCEPT\n"
            ),
        )?;
        let listener = host.tcp_listen(at(inner, SERVICE))?;
        let client = remote.tcp_connect(asked)?;
        // It sees who asks: what comes in is not masqueraded.
        let (server, peer) = accept(&listener)?;
        assert_eq!(peer, client.local_addr()?);
        berth_tests::exchange::transfer(&client, &server, MUCH)?;
        berth_tests::exchange::transfer(&server, &client, MUCH)?;
        drop(listener);
        let _echo = Echo::start(&host, &[inner], SERVICE)?;
        stream(&remote.tcp_connect(asked)?, 1_000)?;
        datagrams(&remote.udp_connect(asked)?, 3, 1_000)?;
        let flows = own.flows_counted(family, "PREROUTING")?;
        assert_eq!(flows, [3, 1]);
        let counted = own.counted(family, TableName::Filter, "FORWARD")?;
        assert_eq!(counted[1..], [2, 1], "{counted:?}");
    }
    Ok(())
}

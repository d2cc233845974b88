//! Containers reach each other's published ports by the node's address, wherever they are.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use berth_tests::echo::Echo;
use berth_tests::exchange::{datagrams, stream, transfer};
use berth_tests::frame::Packet;
use berth_tests::process::settle;
use berth_tests::sockets::{accept, errno};
use berth_tests::topology::at;
use berth_tests::wait::uninterrupted;
use berth_tests::{Bridge, Endpoint as _, Guest, Host, Sockets as _, Tun, iperf, link, privileged};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use serde_json::json;

use crate::checksums::wrong;
use crate::{INSIDE, NODE, Net, OUTSIDE};

const TUN: &str = "tun0";
const MUCH: usize = 4 << 20;
const PATIENCE: Duration = Duration::from_secs(20);

/// The container `c`, with its port published; `near` on its bridge, and `apart` on another.
struct Hairpin {
    near: Guest,
    apart: Guest,
    other: Bridge,
    net: Net,
}

impl Hairpin {
    fn new() -> Result<Self> {
        let net = Net::published()?;
        let near = net.bridge.guest(3)?;
        let bridge = Bridge::create(&net.topology.node, 78)?;
        let apart = bridge.guest(2)?;
        net.add("near", &near, &[])?;
        net.add("apart", &apart, &[])?;
        Ok(Self { near, apart, other: bridge, net })
    }

    fn clients(&self) -> [(&'static str, &Guest); 2] {
        [("near", &self.near), ("apart", &self.apart)]
    }

    /// No kernel has found a wrong checksum.
    fn check_sums(&self) -> Result<()> {
        for host in
            [&self.net.c.host, &self.near.host, &self.apart.host, &self.net.topology.node] as [&Host; 4]
        {
            assert_eq!(wrong(host.netns())?, 0);
        }
        Ok(())
    }

    /// The address of the node by which a guest may reach it: that of the uplink, and those of its own bridge.
    fn nodes(&self, guest: &Guest) -> Vec<IpAddr> {
        let bridge = if guest.port == self.near.port { &self.net.bridge } else { &self.other };
        NODE.into_iter().chain(bridge.addresses()).collect()
    }
}

#[test]
fn by_each_of_the_node_s_addresses() -> Result<()> {
    privileged!();
    let net = Hairpin::new()?;
    let berth = &net.net.berth;
    let c = &net.net.c;
    let _echo = Echo::start(&c.host, &c.addresses, INSIDE)?;
    for (name, client) in net.clients() {
        for node in net.nodes(client) {
            let told = || format!("{name} by {node}");
            stream(&client.host.tcp_connect(at(node, OUTSIDE)).with_context(told)?, MUCH)
                .with_context(told)?;
            datagrams(&client.host.udp_connect(at(node, OUTSIDE))?, 10, 1_000).with_context(told)?;
        }
    }
    net.check_sums()?;
    // Each has a flow of its own, with the end that it knows; that of the one who serves has a name.
    let flows = berth.flows()?;
    for (name, client) in net.clients() {
        let own: Vec<_> = flows.iter().filter(|flow| flow.owner == name).collect();
        assert!(!own.is_empty(), "of {name} there are no flows");
        assert!(own.iter().all(|flow| flow.dport == OUTSIDE && flow.nat.is_null()), "{own:?}");
        let served = flows.iter().filter(|flow| flow.owner == "c" && client.addresses.contains(&flow.src));
        for flow in served.clone() {
            assert!(c.addresses.contains(&flow.dst) && flow.dport == INSIDE, "{flow:?}");
            assert_eq!(flow.nat["port"], json!(OUTSIDE), "{flow:?}");
        }
        assert_eq!(served.count(), own.len());
        let client = berth.container(name)?;
        assert!(client.plane.drops.is_empty(), "{client:?}");
    }
    assert!(berth.container("c")?.plane.drops.is_empty());
    Ok(())
}

/// The one that asks has asked the node; the one that is asked sees who has asked.
#[test]
fn rules_of_both_see_what_each_knows() -> Result<()> {
    privileged!();
    let net = Hairpin::new()?;
    let (berth, c) = (&net.net.berth, &net.net.c);
    let _echo = Echo::start(&c.host, &c.addresses, INSIDE)?;
    for (name, client) in net.clients() {
        for (family, flag) in [(0, &[][..]), (1, &["--ipv6"][..])] {
            let (node, from) = (at(NODE[family], OUTSIDE), client.addresses[family].to_string());
            let rules = |of: &str, rule: &str| -> Result<()> {
                let rule: Vec<&str> = rule.split(' ').collect();
                berth.ok([&["rules", "append"], flag, &[of], &rule[..]].concat()).map(drop)
            };
            let port = format!("OUTPUT -p tcp -d {} --dport {OUTSIDE} -j ACCEPT", NODE[family]);
            rules(name, &port)?;
            rules(name, "OUTPUT -p tcp -j DROP")?;
            rules(name, "INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT")?;
            rules(name, "INPUT -p tcp -j DROP")?;
            rules("c", &format!("INPUT -p tcp -s {from} --dport {INSIDE} -j ACCEPT"))?;
            rules("c", "INPUT -p tcp -j DROP")?;
            stream(&client.host.tcp_connect(node)?, 100)?;
            berth.ok([&["rules", "flush", "c"], flag].concat())?;
            let rejected = net.net.drops("rejected")?;
            rules("c", &format!("INPUT -p tcp -s {from} -j REJECT --reject-with tcp-reset"))?;
            assert_eq!(errno(client.host.tcp_connect(node)), Some(libc::ECONNREFUSED), "{name}");
            assert!(net.net.drops("rejected")? > rejected, "{name}");
            berth.ok([&["rules", "flush", "c"], flag].concat())?;
            berth.ok([&["rules", "flush", name], flag].concat())?;
        }
    }
    Ok(())
}

/// Nobody listens in the container, which says so itself.
#[test]
fn refusals_come_back() -> Result<()> {
    privileged!();
    let net = Hairpin::new()?;
    let berth = &net.net.berth;
    for (name, client) in net.clients() {
        for node in NODE {
            let before = berth.container("c")?.plane.traffic;
            let socket = client.host.udp_connect(at(node, OUTSIDE))?;
            socket.send(b"anybody there?")?;
            let heard = errno(uninterrupted(|| socket.recv(&mut [0; 8])));
            assert_eq!(heard, Some(libc::ECONNREFUSED), "{name}, {node}");
            let refused = errno(client.host.tcp_connect(at(node, OUTSIDE)));
            assert_eq!(refused, Some(libc::ECONNREFUSED), "{name}, {node}");
            settle();
            let after = berth.container("c")?.plane.traffic;
            let grown = after.incoming.packets - before.incoming.packets;
            assert!(grown >= 2, "{name}, {node}: it was asked {grown} times");
        }
    }
    Ok(())
}

/// Two that publish, on one bridge with the one who asks.
#[test]
fn each_port_leads_to_its_own_container() -> Result<()> {
    privileged!();
    let net = Hairpin::new()?;
    let (berth, c, near) = (&net.net.berth, &net.net.c, &net.near);
    let other = net.net.bridge.guest(4)?;
    net.net.add("other", &other, &[])?;
    berth.ok(["publish", "add", "other", "tcp/9000", "--to-port", "80"])?;
    let _echoes =
        [Echo::start(&c.host, &c.addresses, INSIDE)?, Echo::start(&other.host, &other.addresses, INSIDE)?];
    for node in NODE {
        for port in [OUTSIDE, 9_000, OUTSIDE, 9_000] {
            stream(
                &near.host.tcp_connect(at(node, port)).with_context(|| format!("{node}:{port}"))?,
                100_000,
            )?;
        }
    }
    let flows = berth.flows()?;
    for (name, port) in [("c", OUTSIDE), ("other", 9_000)] {
        let served: Vec<_> = flows.iter().filter(|flow| flow.owner == name).collect();
        assert!(
            !served.is_empty() && served.iter().all(|flow| flow.nat["port"] == json!(port)),
            "{served:?}"
        );
    }
    Ok(())
}

/// Whoever is masqueraded is so to the world, not to his neighbours.
#[test]
fn nobody_is_masqueraded_to_a_neighbour() -> Result<()> {
    privileged!();
    let net = Hairpin::new()?;
    let berth = &net.net.berth;
    for name in ["c", "near", "apart"] {
        berth.ok(["container", "set", name, "--masquerade", &NODE[0].to_string()])?;
    }
    let c = &net.net.c;
    let listener = c.host.tcp_listen(at(c.addresses[0], INSIDE))?;
    for (_, client) in net.clients() {
        let there = client.host.tcp_connect(at(NODE[0], OUTSIDE))?;
        let (here, from) = accept(&listener)?;
        assert_eq!(from, there.local_addr()?);
        transfer(&here, &there, MUCH)?;
        transfer(&there, &here, MUCH)?;
        // Straight to each other it is as it was.
        let own = client.host.tcp_listen(at(client.addresses[0], INSIDE))?;
        let straight = c.host.tcp_connect(at(client.addresses[0], INSIDE))?;
        assert_eq!(accept(&own)?.1, straight.local_addr()?);
    }
    Ok(())
}

/// A container's own port, by the node's address: it sees the node.
#[test]
fn who_asks_himself_is_answered() -> Result<()> {
    privileged!();
    let net = Hairpin::new()?;
    let (berth, c) = (&net.net.berth, &net.net.c);
    berth.ok(["container", "set", "c", "--masquerade", "yes"])?;
    let echo = Echo::start(&c.host, &c.addresses, INSIDE)?;
    for node in net.nodes(&net.near) {
        let told = || format!("by {node}");
        stream(&c.host.tcp_connect(at(node, OUTSIDE)).with_context(told)?, MUCH).with_context(told)?;
        datagrams(&c.host.udp_connect(at(node, OUTSIDE))?, 10, 1_000).with_context(told)?;
    }
    net.check_sums()?;
    drop(echo);
    for (node, inner) in NODE.into_iter().zip(c.addresses) {
        assert_eq!(errno(c.host.tcp_connect(at(node, OUTSIDE))), Some(libc::ECONNREFUSED));
        let listener = c.host.tcp_listen(at(inner, INSIDE))?;
        let there = c.host.tcp_connect(at(node, OUTSIDE))?;
        let (here, from) = accept(&listener)?;
        assert_eq!(from, at(node, there.local_addr()?.port()));
        // What is established goes on.
        berth.ok(["publish", "rm", "c", &format!("tcp/{OUTSIDE}")])?;
        transfer(&here, &there, MUCH)?;
        transfer(&there, &here, MUCH)?;
        net.net.publish("tcp", &[])?;
        // Others still reach it, and are seen as who they are.
        let near = net.near.host.tcp_connect(at(node, OUTSIDE))?;
        assert_eq!(accept(&listener)?.1, near.local_addr()?);
        // And it may not, where its rules say so.
        let flag = if node.is_ipv4() { &[][..] } else { &["--ipv6"] };
        let rule = format!("c INPUT -p tcp -s {node} --dport {INSIDE} -j REJECT --reject-with tcp-reset");
        let rule: Vec<&str> = rule.split(' ').collect();
        berth.ok([&["rules", "append"], flag, &rule[..]].concat())?;
        assert_eq!(errno(c.host.tcp_connect(at(node, OUTSIDE))), Some(libc::ECONNREFUSED));
        berth.ok([&["rules", "flush", "c"], flag].concat())?;
    }
    Ok(())
}

/// From where a packet without a link header comes.
fn source(packet: &[u8]) -> Result<SocketAddr> {
    let sliced = SlicedPacket::from_ip(packet)?;
    let address: IpAddr = match sliced.net.context("no IP header")? {
        NetSlice::Ipv4(ip) => ip.header().source_addr().into(),
        NetSlice::Ipv6(ip) => ip.header().source_addr().into(),
        NetSlice::Arp(_) => bail!("not IP"),
    };
    let Some(TransportSlice::Udp(udp)) = sliced.transport else { bail!("not UDP") };
    Ok(at(address, udp.source_port()))
}

/// One whose packets are routed, and begin with the IP header: it asks `c`, and itself.
#[test]
fn by_an_interface_without_ethernet() -> Result<()> {
    privileged!();
    let net = Net::published()?;
    let node = net.topology.node.netns();
    let tun = Tun::create(node, TUN)?;
    let ends = [
        ["10.88.0.1", "10.88.0.2"].map(str::parse::<IpAddr>),
        ["fd62:6572:7468:88::1", "fd62:6572:7468:88::2"].map(str::parse),
    ];
    let _echo = Echo::start(&net.c.host, &net.c.addresses, INSIDE)?;
    net.berth.ok(["container", "add", "tun", "--interface", TUN, "--mode", "full"])?;
    for ([gateway, own], node_address) in ends.into_iter().zip(NODE) {
        let (gateway, own) = (gateway?, own?);
        link::add_address(node, TUN, gateway, if own.is_ipv4() { 24 } else { 64 })?;
        net.berth.ok(["container", "set", "tun", "--address", &own.to_string()])?;
        let (client, outside) = (at(own, 5_000), at(node_address, OUTSIDE));
        let send =
            |from: SocketAddr, to: SocketAddr| tun.send(&Packet::udp(from, to).payload(*b"data").build()?);
        send(client, outside)?;
        let answer = tun.receive(client)?;
        assert_eq!((answer.payload.as_slice(), source(&answer.packet)?), (&b"data"[..], outside));

        let (inside, outside) = (at(own, 53), at(node_address, OUTSIDE + 1));
        let service = format!("udp/{}", outside.port());
        net.berth.ok(["publish", "add", "tun", &service, "--to-port", "53"])?;
        let as_node = at(node_address, 5_000);
        for _ in 0..2 {
            send(client, outside)?;
            assert_eq!(source(&tun.receive(inside)?.packet)?, as_node);
            send(inside, as_node)?;
            assert_eq!(source(&tun.receive(client)?.packet)?, outside);
        }
        net.berth.ok(["publish", "rm", "tun", &service])?;
    }
    let plane = net.berth.container("tun")?.plane;
    assert!(plane.drops.is_empty(), "{plane:?}");
    Ok(())
}

/// In segments that are put together and taken apart on the way.
#[test]
fn iperf3_goes_round_the_pin() -> Result<()> {
    privileged!();
    let net = Hairpin::new()?;
    let c = &net.net.c;
    let _server = iperf::server(&c.host, INSIDE)?;
    for (name, client) in net.clients() {
        for more in [&["-R"][..], &[]] {
            iperf::listens(&c.host, INSIDE)?;
            let options = [&["-t", "1", "-P", "8"][..], more].concat();
            let report = iperf::report(iperf::client(&client.host, (NODE[0], OUTSIDE), &options)?, PATIENCE)?;
            let received = iperf::received_by_each(&report)?;
            assert!(received.len() == 8 && !received.contains(&0), "{name} {more:?}: {received:?}");
        }
    }
    net.check_sums()?;
    Ok(())
}

//! What the sender of a rejected packet is told, held against what the kernel's own netfilter has it told.

mod attempts;
mod netfilter;
mod odd;
mod own_network;

use std::fmt::Write as _;
use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use berth_common::abi::rules::reject::Rejection;
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6};
use berth_tests::{Endpoint, SharedNode, Topology, privileged};

use attempts::{Told, attempt};
use own_network::OwnNetwork;

/// The first port that is rejected; each way to do it has one of its own.
const FIRST: u16 = 9_100;

/// A family, and what rejects its packets.
struct Family {
    option: &'static [&'static str],
    node: IpAddr,
    remote: IpAddr,
    rejections: Vec<&'static str>,
}

fn families() -> [Family; 2] {
    let of = |prefix: &str| -> Vec<&'static str> {
        let names = Rejection::ALL.iter().map(|rejection| rejection.name());
        names.filter(|name| name.starts_with(prefix) || *name == "tcp-reset").collect()
    };
    [
        Family { option: &[], node: NODE_V4, remote: REMOTE_V4, rejections: of("icmp-") },
        Family { option: &["--ipv6"], node: NODE_V6, remote: REMOTE_V6, rejections: of("icmp6-") },
    ]
}

impl Family {
    /// Rules that reject a port in each way; UDP, which cannot be reset, is dropped where TCP is.
    fn rules(&self, chain: &str) -> String {
        let mut text = format!("*filter\n:{chain} ACCEPT [0:0]\n");
        for (rejection, port) in self.rejections.iter().zip(FIRST..) {
            let _ = writeln!(text, "-A {chain} -p tcp --dport {port} -j REJECT --reject-with {rejection}");
            let rest =
                if *rejection == "tcp-reset" { "DROP" } else { &format!("REJECT --reject-with {rejection}") };
            let _ = writeln!(text, "-A {chain} -p udp --dport {port} -j {rest}");
        }
        text + "COMMIT\n"
    }

    fn ports(&self) -> Vec<u16> {
        (FIRST..).take(self.rejections.len()).collect()
    }
}

/// What netfilter has clients told: `client` asks `server` while the rules are in force in the namespace of `judge`.
fn by_netfilter(
    family: &Family,
    chain: &str,
    judge: &dyn Endpoint,
    (client, server): (&dyn Endpoint, IpAddr),
) -> Result<Vec<Told>> {
    netfilter::restore(judge, family.option.is_empty(), &family.rules(chain))?;
    let told = attempt(client, server, &family.ports());
    netfilter::restore(judge, family.option.is_empty(), "*filter\nCOMMIT\n")?;
    told
}

fn in_force(node: &SharedNode, name: &str, family: &Family, chain: &str) -> Result<()> {
    let file = node.berth.run_dir().join("rules-under-test");
    std::fs::write(&file, family.rules(chain))?;
    let file = file.to_str().context("a path that is not UTF-8")?;
    node.berth.ok([&["rules", "restore", name, file], family.option].concat())?;
    Ok(())
}

/// Everybody is told the same, and somebody is told something.
fn compare(family: &Family, what: &str, told: &[Told], expected: &[Told]) -> Result<()> {
    for ((rejection, told), expected) in family.rejections.iter().zip(told).zip(expected) {
        println!("{what}, {rejection}: {told:?}, netfilter: {expected:?}");
        ensure!(expected.tcp.is_some(), "netfilter told {rejection} to nobody ({what})");
        ensure!(told.tcp == expected.tcp && told.udp == expected.udp, "{what}, {rejection}: {told:?}");
    }
    Ok(())
}

#[test]
fn of_what_containers_that_share_the_network_send() -> Result<()> {
    privileged!();
    let reference = Topology::builder().with_known_neighbours().build()?;
    let node = SharedNode::new()?;
    for family in families() {
        let expected = by_netfilter(&family, "OUTPUT", &reference.node, (&reference.node, family.remote))?;
        in_force(&node, "a", &family, "OUTPUT")?;
        let told = attempt(&node.a, family.remote, &family.ports())?;
        compare(&family, "sent by the uplink", &told, &expected)?;
        let told = attempt(&node.a, family.node, &family.ports())?;
        compare(&family, "sent on lo", &told, &expected)?;
        // What is told was never on the wire.
        let container = node.berth.container("a")?;
        assert_eq!(container.plane.traffic, berth_tests::view::Both::default());
    }
    Ok(())
}

#[test]
fn of_what_containers_that_share_the_network_are_sent() -> Result<()> {
    privileged!();
    let reference = Topology::builder().with_known_neighbours().build()?;
    let node = SharedNode::new()?;
    for family in families() {
        let expected = by_netfilter(&family, "INPUT", &reference.node, (&reference.remote, family.node))?;
        in_force(&node, "a", &family, "INPUT")?;
        let _sockets = attempts::servers(&node.a, family.node, &family.ports())?;
        let told = attempt(&node.topology.remote, family.node, &family.ports())?;
        compare(&family, "arriving by the uplink", &told, &expected)?;
    }
    Ok(())
}

#[test]
fn of_what_goes_by_the_interface_of_a_container() -> Result<()> {
    privileged!();
    let reference = Topology::builder().with_known_neighbours().build()?;
    let node = SharedNode::new()?;
    let own = OwnNetwork::beside(&node.topology.node)?;
    node.berth.ok(["container", "add", "c", "--interface", own_network::NODE_SIDE])?;
    for family in families() {
        let (outside, inside) = own_network::addresses(family.node);
        for (chain, who, server) in
            [("OUTPUT", &own.container, outside), ("INPUT", &node.topology.node, inside)]
        {
            let expected = if chain == "OUTPUT" {
                by_netfilter(&family, chain, &reference.node, (&reference.node, family.remote))?
            } else {
                by_netfilter(&family, chain, &reference.node, (&reference.remote, family.node))?
            };
            in_force(&node, "c", &family, chain)?;
            let told = attempt(who, server, &family.ports())?;
            compare(&family, &format!("{chain} on its own interface"), &told, &expected)?;
        }
    }
    Ok(())
}

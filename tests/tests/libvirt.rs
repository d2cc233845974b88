//! A real libvirt: its domains are known by name, and what it does to the node's rules changes nothing of berth's.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use berth_tests::process::ok;
use berth_tests::sockets::errno;
use berth_tests::topology::{NODE_V4, WIRE, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{
    Berth, Bridge, Endpoint as _, Guest, Host, Libvirt, Sockets as _, Topology, link, privileged, sysctl,
};

const OPEN: u16 = 80;
const CLOSED: u16 = 81;
const SHORT: Duration = Duration::from_millis(300);
/// Until its firmware is so far that it asks for an address.
const BOOT: Duration = Duration::from_secs(30);

#[test]
fn a_domain_is_found_by_its_name_whenever_it_starts() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let bridge = Bridge::create(&topology.node, 77)?;
    let libvirt = Libvirt::start(&topology.node)?;
    let berth = Berth::builder(&topology).config(&libvirt.config()).start()?;
    let refused = berth.run(["container", "add", "web", "--libvirt", "web"])?;
    ensure!(refused.stderr.contains("no libvirt container web is running"), "{refused:?}");
    libvirt.start_domain("web", &bridge.name)?;
    berth.ok(["container", "add", "web", "--libvirt", "web"])?;
    berth.ok(["rules", "append", "web", "OUTPUT", "-p", "udp", "--dport", "67", "-j", "DROP"])?;
    let is = |state: &str| Ok(berth.container("web")?.state == state);
    for _ in 0..2 {
        wait::until_true("the domain to be there", LIMIT, || is("active"))?;
        let before = berth.container("web")?.plane;
        wait::until_true("its firmware to be heard, and dropped", BOOT, || {
            let grown = &berth.container("web")?.plane - &before;
            Ok(grown.drops.contains_key("rule"))
        })?;
        libvirt.virsh(&["destroy", "web"])?;
        wait::until_true("the domain to be gone", LIMIT, || is("gone"))?;
        libvirt.start_domain("web", &bridge.name)?;
    }
    Ok(())
}

/// Whom the one who connects gets to: the open port, or what he is told; berth keeps the other one closed, which nobody is told of.
fn reach(from: &Host, guest: &Guest, berth: &Berth) -> Result<Option<i32>> {
    let before = berth.container("c")?.plane;
    let late = from.tcp(guest.addresses[0])?.connect_timeout(&at(guest.addresses[0], CLOSED).into(), SHORT);
    let dropped = (&berth.container("c")?.plane - &before).drops;
    let answer = errno(from.tcp_connect(at(guest.addresses[0], OPEN)));
    if answer.is_none() {
        ensure!(late.map_err(|error| error.kind()) == Err(ErrorKind::TimedOut), "a closed port");
        ensure!(dropped.contains_key("rule"), "{dropped:?}");
    }
    Ok(answer)
}

#[test]
fn a_network_that_starts_changes_nothing_of_berths() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_known_neighbours().build()?;
    let libvirt = Libvirt::start(&topology.node)?;
    libvirt.start_network("one", "virbr77", "10.77.0.1")?;
    let guest = Bridge::known(&topology.node, "virbr77", 77).guest(2)?;
    sysctl::set(topology.node.netns(), "ipv4/ip_forward", "1")?;
    link::add_route(topology.remote.netns(), WIRE, (guest.addresses[0], 32), NODE_V4)?;
    let berth = Berth::start(&topology)?;
    let options = guest.options();
    berth.ok(["container", "add", "c"].into_iter().chain(options.iter().map(String::as_str)))?;
    berth.ok(["rules", "append", "c", "INPUT", "-p", "tcp", "--dport", "81", "-j", "DROP"])?;
    let _server = guest.host.tcp_listen(at(guest.addresses[0], OPEN))?;

    // libvirt keeps others from its networks, which `berth doctor` tells.
    assert_eq!(reach(&topology.node, &guest, &berth)?, None);
    assert_eq!(reach(&topology.remote, &guest, &berth)?, Some(libc::ECONNREFUSED));
    let report = berth.json(["doctor"])?;
    let rules = report["in_force"]["foreign"]["rules"].as_array().context("no list")?;
    let is_told = rules.iter().any(|rule| {
        let text = rule["rule"].as_str().unwrap_or_default();
        text.contains("LIBVIRT_FWI -o virbr77 -j REJECT") && rule["concerns"] == serde_json::json!(["c"])
    });
    ensure!(is_told, "{report}");

    // Who flushes the node's rules opens that, and nothing of berth's; nor does a network that starts, and writes them anew.
    ok(topology.node.command("iptables")?.args(["-w", "-F"]))?;
    assert_eq!(reach(&topology.remote, &guest, &berth)?, None);
    libvirt.start_network("two", "virbr78", "10.78.0.1")?;
    for from in [&topology.node, &topology.remote] {
        assert_eq!(reach(from, &guest, &berth)?, None);
    }
    libvirt.virsh(&["net-destroy", "two"])?;
    assert_eq!(reach(&topology.remote, &guest, &berth)?, None);
    Ok(())
}

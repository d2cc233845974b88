//! A container that is restarted over and over, while others talk to it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Result, ensure};
use berth_tests::leaks::Objects;
use berth_tests::link::Mac;
use berth_tests::process::settle;
use berth_tests::topology::{NODE_V4, NODE_V6, at};
use berth_tests::view::Both;
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Endpoint as _, Host, Lxc, Sniffer, Sockets as _, bridge, cases, link, privileged, sysctl};

use crate::lxc::{NUMBER, Net, is_ip_from};

const RESTARTS: usize = 100;
const LEAST_RESTARTS: usize = 5;
const WEB: u16 = 80;
const PAUSE: Duration = Duration::from_millis(2);

/// What may grow from one life of a container to the next.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    /// Paths below the pin directory, without the numbers in them.
    pins: BTreeSet<String>,
    /// By kind.
    objects: [usize; 3],
    ports: u64,
}

#[test]
fn a_hundred_of_them_under_traffic() -> Result<()> {
    privileged!();
    let net = Net::new()?;
    let node = &net.topology.node;
    sysctl::set(node.netns(), "ipv4/ip_forward", "1")?;
    sysctl::set(node.netns(), "ipv6/conf/all/forwarding", "1")?;
    let mut web = Lxc::with_network(node, "web", &(net.config() + &net.hook()?))?;
    // Nothing of IPv6 may leave it, of which the first packets of a new interface are.
    net.add(web.name(), ["*filter\nCOMMIT\n", "*filter\n:INPUT ACCEPT\n:OUTPUT DROP\nCOMMIT\n"])?;
    for protocol in ["tcp", "udp"] {
        net.berth.ok(["publish", "add", "web", &format!("{protocol}/{WEB}")])?;
    }
    // Once, so that whatever is made with the first use is there.
    restart(&net, &mut web)?;
    let before = kept(&net)?;
    let unowned = net.berth.status()?.unowned;
    let there = Sniffer::start(&net.d.host, bridge::INSIDE)?;
    let restarts = cases::number(RESTARTS, LEAST_RESTARTS)?;
    let mac = net.bridge.mac(NUMBER);
    let (over, reached) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| -> Result<()> {
        let flood = scope.spawn(|| ask(&net.topology.remote, &over, &reached));
        let done = (0..restarts).try_for_each(|number| {
            let dropped = net.berth.container("web")?.plane.drops_for("rule");
            restart(&net, &mut web)?;
            wait::until_true(&format!("its first packets after restart {number}"), LIMIT, || {
                Ok(net.berth.container("web")?.plane.drops_for("rule") > dropped)
            })?;
            let leaked = there.frames()?.iter().filter(|frame| is_first(&frame.data, mac)).count();
            ensure!(leaked == 0, "restart {number}: {leaked} came by");
            let (so_far, address) = (reached.load(Ordering::Relaxed), net.bridge.at(NUMBER)[0]);
            let listener = web.tcp_listen(at(address, WEB))?;
            wait::until_true(&format!("a client after restart {number}"), LIMIT, || {
                Ok(reached.load(Ordering::Relaxed) > so_far)
            })?;
            drop(listener);
            Ok(())
        });
        over.store(true, Ordering::Relaxed);
        done.and(flood.join().map_err(|_| anyhow::anyhow!("who asks has failed"))?)
    })?;
    settle();
    let status = net.berth.status()?;
    // Nobody's are neither its first packets nor those for it while it is away: the port stays its own.
    let nobody_s = &status.unowned - &unowned;
    ensure!(nobody_s.traffic == Both::default() && nobody_s.drops.is_empty(), "{nobody_s:?}");
    wait::until_true("its flows to go", LIMIT, || {
        // Connections that are on their way to being closed begin new ones.
        net.berth.ok(["flows", "flush", "--owner", "web"])?;
        Ok(net.berth.container("web")?.flows.held == 0)
    })?;
    let after = kept(&net)?;
    ensure!(before == after, "before: {before:#?}\nafter: {after:#?}");
    Ok(())
}

/// Returns when the container can be talked to.
fn restart(net: &Net, web: &mut Lxc) -> Result<()> {
    web.restart()?;
    // Its IPv6 address takes a second more, and nothing here depends on it.
    let [address, _] = net.bridge.at(NUMBER);
    wait::until_true("an address to be in use", LIMIT, || link::is_local(web.netns(), address))?;
    wait::until_true(
        "the container to be active",
        LIMIT,
        || Ok(net.berth.container("web")?.state == "active"),
    )
}

/// Sends datagrams to the published port, and connects to it, whether anybody is there or not.
fn ask(client: &Host, over: &AtomicBool, reached: &AtomicU32) -> Result<()> {
    let sockets = [client.udp_connect(at(NODE_V4, WEB))?, client.udp_connect(at(NODE_V6, WEB))?];
    while !over.load(Ordering::Relaxed) {
        for socket in &sockets {
            // That nobody was there for the one before is said with the next.
            let _ = socket.send(b"hello");
        }
        let connecting = client.tcp(NODE_V4)?;
        if connecting.connect_timeout(&at(NODE_V4, WEB).into(), Duration::from_millis(200)).is_ok() {
            reached.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Whether the frame is one of IPv6 of the container's.
fn is_first(frame: &[u8], mac: Mac) -> bool {
    const ETHERTYPE: std::ops::Range<usize> = 12..14;
    is_ip_from(frame, mac) && frame.get(ETHERTYPE) == Some(&[0x86, 0xdd])
}

fn kept(net: &Net) -> Result<Kept> {
    settle();
    let directory = net.berth.pin_dir();
    let mut pins = BTreeSet::new();
    collect(directory, directory, &mut pins)?;
    let objects = Objects::pinned_under(directory)?;
    let of = |kind: &str| objects.iter().filter(|object| object.kind == kind).count();
    let ports = net.berth.container("web")?.ports.held;
    Ok(Kept { pins, objects: ["prog", "map", "link"].map(of), ports })
}

/// The names of all pins, numbers in them left out: interfaces and cgroups have other ones each time.
fn collect(root: &Path, directory: &Path, found: &mut BTreeSet<String>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
        let mut place = 0;
        // Each is there as often as there are pins of the kind.
        while !found.insert(format!("{} {place}", name.replace(|digit: char| digit.is_ascii_digit(), ""))) {
            place += 1;
        }
        if path.is_dir() {
            collect(root, &path, found)?;
        }
    }
    Ok(())
}

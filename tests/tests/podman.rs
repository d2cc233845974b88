//! Real Podman containers: known by name, whatever network they are on, and in force before anything runs in them where Podman
//! calls the hook.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, Result, ensure};
use berth_tests::cases;
use berth_tests::exchange::stream;
use berth_tests::process::settle;
use berth_tests::topology::{NODE_V4, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Berth, Podman, Sniffer, Sockets as _, Topology, privileged};
/// On the bridge that Podman makes by itself.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 88, 0, 9));
const ON_BRIDGE: [&str; 4] = ["--network", "podman", "--ip", "10.88.0.9"];
const ON_NODE: [&str; 2] = ["--network", "host"];
const BRIDGE: &str = "podman0";
const PORT: u16 = 7;
/// Sends back whatever comes.
const SERVE: &str = "exec nc -ll -p 7 -e /bin/busybox cat";

struct Net {
    berth: Berth,
    podman: Podman,
    topology: Topology,
}

impl Net {
    fn new() -> Result<Self> {
        let topology = Topology::builder().with_known_neighbours().build()?;
        let podman = Podman::new(&topology.node)?;
        let berth = Berth::builder(&topology).config(&podman.config()).start()?;
        podman.install_hook(&berth)?;
        Ok(Self { berth, podman, topology })
    }

    fn is(&self, name: &str, state: &str) -> Result<bool> {
        Ok(self.berth.container(name)?.state == state)
    }

    /// Listens at the bridge, which is there as long as a container is: another keeps it.
    fn sniffer(&self) -> Result<Sniffer> {
        self.podman.run("other", &["--network", "podman"], "exec sleep 100000")?;
        Sniffer::start(&self.topology.node, BRIDGE)
    }

    /// How many packets the container's only rule has matched.
    fn judged(&self) -> Result<usize> {
        let saved = self.berth.ok(["rules", "save", "web", "--counters"])?;
        let line = saved.lines().find(|line| line.contains("-p icmp")).context("no rule")?;
        Ok(line.split(['[', ':']).nth(1).context("no counters")?.parse()?)
    }

    /// Talks to a container's server, by whoever may; it takes a moment to be there.
    fn talk(&self, remote: bool, address: IpAddr) -> Result<()> {
        let host = if remote { &self.topology.remote } else { &self.topology.node };
        wait::until("a server in a container", LIMIT, || match host.tcp_connect(at(address, PORT)) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(None),
            connected => Ok(Some(connected?)),
        })
        .and_then(|connected| stream(&connected, 10_000))
    }
}

#[test]
fn it_is_found_by_name_whenever_it_starts() -> Result<()> {
    privileged!();
    let net = Net::new()?;
    let refused = net.berth.run(["container", "add", "web", "--podman", "web"])?;
    assert!(refused.stderr.contains("no Podman container web is running"), "{refused:?}");
    net.podman.run("web", &ON_BRIDGE, SERVE)?;
    net.berth.ok(["container", "add", "web", "--podman", "web", "--address", &ADDRESS.to_string()])?;
    for start in 0..2 {
        wait::until_true("the container to be there", LIMIT, || net.is("web", "active"))?;
        let before = net.berth.container("web")?.plane;
        net.talk(false, ADDRESS)?;
        let grown = &net.berth.container("web")?.plane - &before;
        ensure!(grown.traffic.incoming.bytes > 10_000, "start {start}: {grown:?}");
        ensure!(grown.traffic.outgoing.bytes > 10_000, "start {start}: {grown:?}");
        net.podman.ok(&["stop", "--time", "0", "web"])?;
        wait::until_true("the container to be gone", LIMIT, || net.is("web", "gone"))?;
        net.podman.ok(&["start", "web"])?;
    }
    net.podman.ok(&["rm", "--force", "--time", "0", "web"])?;
    wait::until_true("the container to be gone", LIMIT, || net.is("web", "gone"))
}

/// Its cgroup is known before anything runs in it, without anybody who looks for it.
#[test]
fn on_the_nodes_network() -> Result<()> {
    privileged!();
    let mut net = Net::new()?;
    net.podman.run("web", &ON_NODE, SERVE)?;
    net.berth.ok(["container", "add", "web", "--podman", "web"])?;
    net.berth.stop()?;
    for _ in 0..2 {
        let before = net.berth.container("web")?.plane;
        net.talk(true, NODE_V4)?;
        let grown = &net.berth.container("web")?.plane - &before;
        ensure!(grown.traffic.incoming.bytes > 10_000 && grown.traffic.outgoing.bytes > 10_000, "{grown:?}");
        let ports = net.berth.ports()?;
        ensure!(ports.iter().any(|held| held.owner == "web" && held.port == u32::from(PORT)), "{ports:?}");
        net.podman.ok(&["restart", "--time", "0", "web"])?;
    }
    Ok(())
}

/// With the hook, nothing that runs in it gets past its rules, however often it starts.
#[test]
fn its_rules_are_there_before_it_runs() -> Result<()> {
    const STARTS: usize = 3;
    privileged!();
    let mut net = Net::new()?;
    net.podman.run("web", &ON_BRIDGE, "ping -c 3 -W 1 10.88.0.1; exec sleep 1000")?;
    net.berth.ok(["container", "add", "web", "--podman", "web", "--address", &ADDRESS.to_string()])?;
    net.berth.ok(["rules", "append", "web", "OUTPUT", "-j", "DROP"])?;
    // Nobody but the hook is there to find it.
    net.berth.stop()?;
    net.podman.ok(&["stop", "--time", "0", "web"])?;
    let there = net.sniffer()?;
    for start in 0..STARTS {
        there.frames()?;
        let before = net.berth.container("web")?.plane;
        net.podman.ok(&["start", "web"])?;
        wait::until_true("its pings to be dropped", LIMIT, || {
            Ok((&net.berth.container("web")?.plane - &before).drops.contains_key("rule"))
        })?;
        settle();
        let frames = there.frames()?;
        let leaked = frames.iter().filter(|frame| is_from(&frame.data, ADDRESS)).count();
        ensure!(leaked == 0, "start {start}: {leaked} packets came by");
        ensure!(net.is("web", "active")?, "start {start}");
        net.podman.ok(&["stop", "--time", "0", "web"])?;
    }
    Ok(())
}

/// Nobody has named it: it is berth's by an annotation of its own.
#[test]
fn a_template_takes_it_in_before_it_runs() -> Result<()> {
    privileged!();
    let mut net = Net::new()?;
    net.berth.declare("ci.toml", "match = 'podman:annotation=berth=yes'\nrules = 'ci.rules'\n")?;
    net.berth.declare("ci.rules", "*filter\n-A OUTPUT -j DROP\nCOMMIT\n")?;
    net.berth.restart()?;
    // Nobody but the hook is there to find it.
    net.berth.stop()?;
    let there = net.sniffer()?;
    net.podman.run("web", &ON_BRIDGE, "ping -c 3 -W 1 10.88.0.1; exec sleep 1000")?;
    wait::until_true("its pings to be dropped", LIMIT, || {
        Ok(net.berth.container("web")?.plane.drops.contains_key("rule"))
    })?;
    let leaked = there.frames()?.iter().filter(|frame| is_from(&frame.data, ADDRESS)).count();
    ensure!(leaked == 0, "{leaked} packets came by");

    net.berth.restart()?;
    ensure!(net.is("web", "active")? && net.is("other", "active")?, "{:?}", net.berth.status()?);
    net.podman.ok(&["rm", "--force", "--time", "0", "web"])?;
    wait::until_true("it to be let go", LIMIT, || Ok(net.berth.status()?.container("web").is_none()))?;
    ensure!(net.is("other", "active")?, "{:?}", net.berth.status()?);
    Ok(())
}

/// Podman does not start what berth cannot put in force; what is not berth's starts as ever.
#[test]
fn a_hook_that_fails_keeps_it_from_starting() -> Result<()> {
    privileged!();
    let mut net = Net::new()?;
    net.podman.run("other", &ON_BRIDGE, SERVE)?;
    net.talk(false, ADDRESS)?;
    net.podman.ok(&["rm", "--force", "--time", "0", "other"])?;
    net.podman.run("web", &ON_BRIDGE, SERVE)?;
    net.berth.ok(["container", "add", "web", "--podman", "web"])?;
    net.podman.ok(&["stop", "--time", "0", "web"])?;
    net.berth.stop()?;
    net.berth.ok(["down"])?;
    let error = net.podman.ok(&["start", "web"]).err().context("it has started")?;
    assert!(format!("{error:#}").contains("berth"), "{error:#}");
    Ok(())
}

/// Nothing is left of a run, and what it sends is its own from the first packet on.
#[test]
fn a_hundred_restarts_under_traffic() -> Result<()> {
    privileged!();
    let net = Net::new()?;
    net.podman.run("web", &ON_BRIDGE, "exec ping 10.88.0.1")?;
    let known = ["--podman", "web", "--address", &ADDRESS.to_string(), "--mode", "stateful"];
    net.berth.ok(["container", "add", "web"].into_iter().chain(known))?;
    net.berth.ok(["rules", "append", "web", "OUTPUT", "-p", "icmp", "-j", "ACCEPT"])?;
    net.podman.ok(&["stop", "--time", "0", "web"])?;
    wait::until_true("the container to be gone", LIMIT, || net.is("web", "gone"))?;
    let (there, before) = (net.sniffer()?, net.judged()?);
    let stranger = net.topology.node.udp_bind(at(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0))?;
    let mut seen = 0;
    for start in 0..cases::number(100, 5)? {
        net.podman.ok(&["start", "web"])?;
        let mut replied = 0;
        wait::until_true("the container to send", LIMIT, || {
            // It answers each of these, as nobody is there to take them.
            stranger.send_to(b"x", at(ADDRESS, 9))?;
            replied += there.frames()?.iter().filter(|frame| is_icmp_from(&frame.data, ADDRESS)).count();
            Ok(replied > 1)
        })
        .with_context(|| format!("start {start}"))?;
        seen += replied;
        net.podman.ok(&["kill", "--signal", "KILL", "web"])?;
        net.podman.ok(&["wait", "web"])?;
        seen += there.frames()?.iter().filter(|frame| is_icmp_from(&frame.data, ADDRESS)).count();
    }
    wait::until_true("the container to be gone", LIMIT, || net.is("web", "gone"))?;
    assert_eq!(net.judged()? - before, seen, "packets that came by, and were not judged");
    let flows = net.berth.flows()?;
    ensure!(flows.iter().all(|flow| flow.owner != "web"), "{flows:?}");
    let links = net.berth.pin_dir().join("links/tc");
    let left: Vec<_> =
        std::fs::read_dir(&links)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    let of_node = |name: &&std::ffi::OsString| !name.to_string_lossy().contains("berth_if_");
    assert_eq!(left.iter().filter(of_node).count(), left.len(), "{left:?}");
    Ok(())
}

/// Whether a frame is an ICMP packet from this address.
fn is_icmp_from(frame: &[u8], address: IpAddr) -> bool {
    is_from(frame, address) && frame.get(23) == Some(&1)
}

/// Whether a frame is an IPv4 packet from this address.
fn is_from(frame: &[u8], address: IpAddr) -> bool {
    let IpAddr::V4(address) = address else { return false };
    frame.get(12..14) == Some(&[0x08, 0x00]) && frame.get(26..30) == Some(&address.octets())
}

//! A real LXC container on a bridge of the node: as docs/own-network.md has it.

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use berth_tests::process::settle;
use berth_tests::sockets::{accept, errno};
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, WIRE, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{
    Berth, Bridge, Endpoint as _, Guest, Lxc, Sniffer, Sockets as _, Topology, bridge, link, privileged,
    program, sysctl,
};

pub const NUMBER: u8 = 5;
const WEB: u16 = 80;
const MAIL: u16 = 25;
const SHORT: Duration = Duration::from_millis(300);

/// A node with a guest on a bridge, on which an LXC container is to be.
pub struct Net {
    pub d: Guest,
    pub bridge: Bridge,
    pub berth: Berth,
    pub topology: Topology,
}

impl Net {
    pub fn new() -> Result<Self> {
        let topology = Topology::builder().with_known_neighbours().build()?;
        let bridge = Bridge::create(&topology.node, 77)?;
        let d = bridge.guest(3)?;
        let berth = Berth::start(&topology)?;
        Ok(Self { d, bridge, berth, topology })
    }

    /// What LXC is told of the container's network.
    pub fn config(&self) -> String {
        let [v4, v6] = self.bridge.at(NUMBER);
        let [gateway4, gateway6] = self.bridge.addresses();
        format!(
            "lxc.net.0.type = veth\nlxc.net.0.link = {}\nlxc.net.0.flags = up\nlxc.net.0.hwaddr = {}\n\
             lxc.net.0.ipv4.address = {v4}/24\nlxc.net.0.ipv4.gateway = {gateway4}\n\
             lxc.net.0.ipv6.address = {v6}/64\nlxc.net.0.ipv6.gateway = {gateway6}\n",
            self.bridge.name,
            bridge::text(self.bridge.mac(NUMBER)),
        )
    }

    /// What LXC is told to call: with this instance's options, the line that is in docs/own-network.md.
    pub fn hook(&self) -> Result<String> {
        let berth = program::find("berth", "BERTH_BIN")?;
        let directories = [
            ("--config", self.berth.config_file()),
            ("--run-dir", self.berth.run_dir()),
            ("--state-dir", self.berth.state_dir()),
            ("--pin-dir", self.berth.pin_dir().to_owned()),
        ];
        let options: Vec<_> =
            directories.iter().map(|(option, path)| format!("{option} {}", path.display())).collect();
        Ok(format!("lxc.net.0.script.up = {} {} hook lxc\n", berth.display(), options.join(" ")))
    }

    /// Registers the container `web`, which has these rules in both families.
    pub fn add(&self, lxc: &str, rules: [&str; 2]) -> Result<()> {
        let mac = bridge::text(self.bridge.mac(NUMBER));
        let addresses = self.bridge.at(NUMBER).map(|address| address.to_string());
        let [v4, v6] = addresses.each_ref().map(String::as_str);
        let known = ["--lxc", lxc, "--address", v4, "--address", v6, "--mac", &mac];
        let known = [&known[..], &["--mode", "full", "--masquerade", "yes"]].concat();
        self.berth.ok([&["container", "add", "web"], &known[..]].concat())?;
        let file = self.berth.config_file().with_file_name("rules");
        for (rules, family) in rules.into_iter().zip([&[][..], &["--ipv6"]]) {
            fs::write(&file, rules)?;
            let file = file.to_string_lossy();
            self.berth.ok([&["rules", "restore", "web", &file], family].concat())?;
        }
        Ok(())
    }
}

/// One port in, nothing else in, no new connections out but mail, and that not to the bridge's own network.
/// Neighbours must find each other, which IPv6 does by packets that rules are asked about.
fn rules(network: &str) -> String {
    let discovery: String = ["INPUT", "OUTPUT"]
        .iter()
        .flat_map(|chain| {
            [135, 136].map(|kind| format!("-A {chain} -p ipv6-icmp --icmpv6-type {kind} -j ACCEPT\n"))
        })
        .collect();
    let discovery = if network.contains(':') { discovery.as_str() } else { "" };
    format!(
        "*filter
:INPUT DROP
:FORWARD DROP
:OUTPUT DROP
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -p tcp --dport 80 -m conntrack --ctstate NEW -j ACCEPT
-A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A OUTPUT -p tcp --dport 25 ! -d {network} -m conntrack --ctstate NEW -j ACCEPT
-A OUTPUT -p tcp -j REJECT --reject-with tcp-reset
{discovery}COMMIT
"
    )
}

#[test]
fn one_port_in_and_mail_out() -> Result<()> {
    privileged!();
    let net = Net::new()?;
    let (node, remote) = (&net.topology.node, &net.topology.remote);
    sysctl::set(node.netns(), "ipv4/ip_forward", "1")?;
    sysctl::set(node.netns(), "ipv6/conf/all/forwarding", "1")?;
    let web = Lxc::with_network(node, "web", &net.config())?;
    net.add(web.name(), [&rules("10.77.0.0/24"), &rules("fd62:6572:7468:4d::/64")])?;
    let addresses = net.bridge.at(NUMBER);
    let outside = [(REMOTE_V4, NODE_V4, 32), (REMOTE_V6, NODE_V6, 128)];
    for ((address, neighbour), (outside, via, prefix)) in
        addresses.into_iter().zip(net.d.addresses).zip(outside)
    {
        link::add_route(remote.netns(), WIRE, (address, prefix), via)?;
        wait::until_true("an address to be in use", LIMIT, || link::is_local(web.netns(), address))?;
        let (service, other) = (web.tcp_listen(at(address, WEB))?, web.tcp_listen(at(address, WEB + 1))?);
        for client in [remote, &net.d.host] {
            let _client = client.tcp_connect(at(address, WEB))?;
            accept(&service)?;
            // Dropped without a word, so that it takes as long as one is willing to wait.
            let late = client.tcp(address)?.connect_timeout(&at(address, WEB + 1).into(), SHORT);
            assert_eq!(late.map_err(|error| error.kind()), Err(ErrorKind::TimedOut), "{address}");
        }
        other.set_nonblocking(true)?;
        assert_eq!(errno(other.accept()), Some(libc::EAGAIN), "{address}");

        for (host, to, port, may) in [
            (remote, outside, MAIL, true),
            (remote, outside, WEB, false),
            (&net.d.host, neighbour, MAIL, false),
            (&net.d.host, neighbour, WEB, false),
        ] {
            let listener = host.tcp_listen(at(to, port))?;
            let connected = web.tcp_connect(at(to, port));
            let expected = if may { None } else { Some(libc::ECONNREFUSED) };
            assert_eq!(errno(connected), expected, "{to} {port}");
            if may {
                accept(&listener)?;
            }
        }
    }
    under_the_node_s_address(&net, &web)
}

/// Published and masqueraded: nobody outside has to know a way to the bridge's network.
fn under_the_node_s_address(net: &Net, web: &Lxc) -> Result<()> {
    let remote = &net.topology.remote;
    net.berth.ok(["publish", "add", "web", "tcp/80"])?;
    for (address, (node, outside)) in
        net.bridge.at(NUMBER).into_iter().zip([(NODE_V4, REMOTE_V4), (NODE_V6, REMOTE_V6)])
    {
        let service = web.tcp_listen(at(address, WEB))?;
        let _client = remote.tcp_connect(at(node, WEB))?;
        accept(&service)?;
        let mail = remote.tcp_listen(at(outside, MAIL))?;
        let _sent = web.tcp_connect(at(outside, MAIL))?;
        assert_eq!(accept(&mail)?.1.ip(), node);
    }
    Ok(())
}

/// With the hook, not one packet of it comes by before its rules are in force, however often it starts.
#[test]
fn its_rules_are_there_before_its_first_packet() -> Result<()> {
    privileged!();
    ["", "lxc.hook.version = 1\n"].into_iter().try_for_each(no_packet_comes_before_its_rules)
}

/// With this in its configuration.
fn no_packet_comes_before_its_rules(version: &str) -> Result<()> {
    const STARTS: usize = 3;
    let mut net = Net::new()?;
    let hook = net.hook()? + version;
    let mut web = Lxc::with_network(&net.topology.node, "web", &(net.config() + &hook))?;
    // Nothing at all may leave it.
    net.add(web.name(), ["*filter\n:INPUT ACCEPT\n:OUTPUT DROP\nCOMMIT\n"; 2])?;
    // Nobody but the hook is there to find it.
    net.berth.stop()?;
    let there = Sniffer::start(&net.d.host, bridge::INSIDE)?;
    let mac = net.bridge.mac(NUMBER);
    there.frames()?;
    for start in 0..STARTS {
        let before = net.berth.container("web")?.plane;
        web.restart()?;
        let address = net.bridge.at(NUMBER)[1];
        wait::until_true("an address to be in use", LIMIT, || link::is_local(web.netns(), address))?;
        settle();
        let grown = &net.berth.container("web")?.plane - &before;
        // The kernel of a new interface looks for routers and for others of its address.
        ensure!(grown.drops.contains_key("rule"), "start {start}: {grown:?}");
        let leaked = there.frames()?.iter().filter(|frame| is_ip_from(&frame.data, mac)).count();
        ensure!(leaked == 0, "start {start}: {leaked} packets came by");
        let container = net.berth.container("web")?;
        ensure!(container.state == "active", "start {start}: {container:?}");
    }
    Ok(())
}

/// LXC does not start what berth cannot put in force.
#[test]
fn a_hook_that_fails_keeps_it_from_starting() -> Result<()> {
    privileged!();
    let mut net = Net::new()?;
    let hook = net.hook()?;
    let mut web = Lxc::with_network(&net.topology.node, "web", &(net.config() + &hook))?;
    // One that is not berth's starts as ever; this one is from now on.
    net.add(web.name(), ["*filter\nCOMMIT\n"; 2])?;
    net.berth.stop()?;
    net.berth.ok(["down"])?;
    let error = web.restart().err().context("it has started")?;
    assert!(format!("{error:#}").contains("start an LXC container"), "{error:#}");
    Ok(())
}

pub fn is_ip_from(frame: &[u8], mac: [u8; 6]) -> bool {
    frame.get(6..12) == Some(&mac) && matches!(frame.get(12..14), Some([0x08, 0x00] | [0x86, 0xdd]))
}

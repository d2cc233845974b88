//! Rules of others: they change no verdict of berth's, whoever makes or flushes them, and `berth doctor` tells which of them are in the
//! way of containers.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use berth_tests::process::{Process, ok};
use berth_tests::sockets::errno;
use berth_tests::topology::{NODE_V4, WIRE, at};
use berth_tests::wait::LIMIT;
use berth_tests::{Berth, Bridge, Endpoint as _, Guest, Sockets as _, Topology, link, privileged, sysctl};
use serde_json::Value;

const OPEN: u16 = 80;
const CLOSED: u16 = 81;
const SHORT: Duration = Duration::from_millis(300);

/// As libvirt writes them when a network starts, for this test's bridge and its addresses (src/network/network_iptables.c has the
/// chains).
const LIBVIRT: &str = "\
*filter
:LIBVIRT_FWI - [0:0]
:LIBVIRT_FWO - [0:0]
:LIBVIRT_FWX - [0:0]
:LIBVIRT_INP - [0:0]
-A INPUT -j LIBVIRT_INP
-A FORWARD -j LIBVIRT_FWX
-A FORWARD -j LIBVIRT_FWI
-A FORWARD -j LIBVIRT_FWO
-A LIBVIRT_FWI -d 10.77.0.0/24 -o br77 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A LIBVIRT_FWI -o br77 -j REJECT --reject-with icmp-port-unreachable
-A LIBVIRT_FWO -s 10.77.0.0/24 -i br77 -j ACCEPT
-A LIBVIRT_FWO -i br77 -j REJECT --reject-with icmp-port-unreachable
-A LIBVIRT_FWX -i br77 -o br77 -j ACCEPT
-A LIBVIRT_INP -i br77 -p udp -m udp --dport 53 -j ACCEPT
-A LIBVIRT_INP -i br77 -p udp -m udp --dport 67 -j ACCEPT
COMMIT
";

/// Of nftables itself, in the way of another network only.
const OTHER: &str = "\
table inet elsewhere {
    chain forward {
        type filter hook forward priority filter;
        ip saddr 192.0.2.0/24 ip daddr 198.51.100.0/24 drop
    }
}
";

/// A node with a container on a bridge, known to the outside.
struct Net {
    c: Guest,
    berth: Berth,
    topology: Topology,
}

impl Net {
    fn new() -> Result<Self> {
        let topology = Topology::builder().with_known_neighbours().build()?;
        let c = Bridge::create(&topology.node, 77)?.guest(2)?;
        sysctl::set(topology.node.netns(), "ipv4/ip_forward", "1")?;
        link::add_route(topology.remote.netns(), WIRE, (c.addresses[0], 32), NODE_V4)?;
        let berth = Berth::start(&topology)?;
        let options = c.options();
        berth.ok(["container", "add", "c"].into_iter().chain(options.iter().map(String::as_str)))?;
        berth.ok(["rules", "append", "c", "INPUT", "-p", "tcp", "--dport", "81", "-j", "DROP"])?;
        Ok(Self { c, berth, topology })
    }

    fn address(&self) -> IpAddr {
        self.c.addresses[0]
    }

    /// What the node's tool is given on standard input.
    fn tell(&self, program: &[&str], text: &str) -> Result<()> {
        let file = self.berth.config_file().with_file_name("told");
        std::fs::write(&file, text)?;
        let (name, arguments) = program.split_first().context("a program")?;
        let mut command = self.topology.node.command(name)?;
        let told = Stdio::from(std::fs::File::open(file)?);
        let done = Process::spawn_with_stdin(command.args(arguments), told)?.wait(LIMIT)?;
        ensure!(done.success(), "{program:?}: {}", done.stderr);
        Ok(())
    }

    /// What there is of others, by `berth doctor`.
    fn look(&self) -> Result<Value> {
        let report = self.berth.json(["doctor"])?;
        Ok(report["in_force"]["foreign"].clone())
    }

    /// Whether the outside gets to the container's open port; at the closed one it never does, by what berth says.
    fn is_reached(&self) -> Result<bool> {
        let before = self.berth.container("c")?.plane;
        let late = self
            .topology
            .remote
            .tcp(self.address())?
            .connect_timeout(&at(self.address(), CLOSED).into(), SHORT);
        let dropped = (&self.berth.container("c")?.plane - &before).drops;
        let by_berth = late.map_err(|error| error.kind()) == Err(ErrorKind::TimedOut);
        let connected = self.topology.remote.tcp_connect(at(self.address(), OPEN));
        match errno(connected) {
            None => {
                ensure!(by_berth && dropped.contains_key("rule"), "{dropped:?}");
                Ok(true)
            }
            Some(libc::ECONNREFUSED) => Ok(false),
            error => anyhow::bail!("errno {error:?}"),
        }
    }
}

fn lines<'a>(found: &'a Value, field: &str) -> Vec<&'a str> {
    found[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn they_change_nothing_of_berths_and_are_told_of() -> Result<()> {
    privileged!();
    let net = Net::new()?;
    let _server = net.c.host.tcp_listen(at(net.address(), OPEN))?;
    ensure!(net.is_reached()?, "before anything");
    let first = net.look()?;
    ensure!(first["rules"] == Value::Array(vec![]) && first["since"].is_null(), "{first}");

    net.tell(&["iptables-restore", "--noflush"], LIBVIRT)?;
    net.tell(&["nft", "-f", "-"], OTHER)?;
    ensure!(!net.is_reached()?, "behind what libvirt writes");
    let found = net.look()?;
    ensure!(found["since"].is_string() && lines(&found, "unseen").is_empty(), "{found}");
    let rules = found["rules"].as_array().context("no list")?;
    let told: Vec<_> = rules.iter().filter_map(|rule| rule["rule"].as_str()).collect();
    assert_eq!(told.len(), 2, "{found}");
    for (rule, expected) in
        told.iter().zip(["-A LIBVIRT_FWI -o br77 -j REJECT", "-A LIBVIRT_FWO -i br77 -j REJECT"])
    {
        ensure!(rule.starts_with(expected), "{rule}");
    }
    for rule in rules {
        assert_eq!(rule["concerns"], serde_json::json!(["c"]), "{rule}");
        assert_eq!(rule["table"], "iptables filter", "{rule}");
    }
    // All that is new, whomever it concerns.
    let appeared = lines(&found, "appeared");
    ensure!(appeared.len() == 12 && lines(&found, "gone").is_empty(), "{found}");
    ensure!(
        appeared
            .iter()
            .any(|line| line.starts_with("nftables inet elsewhere: forward: ip saddr 192.0.2.0/24")),
        "{found}"
    );
    let text = net.berth.ok(["doctor"])?;
    ensure!(
        text.contains("RULE OF OTHERS THAT DROPS") && text.contains("-A LIBVIRT_FWI -o br77 -j REJECT"),
        "{text}"
    );

    // Somebody cleans up.
    ok(net.topology.node.command("iptables")?.arg("-F"))?;
    ok(net.topology.node.command("nft")?.args(["flush", "ruleset"]))?;
    ensure!(net.is_reached()?, "after all is flushed");
    let last = net.look()?;
    ensure!(last["rules"] == Value::Array(vec![]) && lines(&last, "gone").len() == 12, "{last}");
    Ok(())
}

/// A policy concerns whoever is behind the chain: what is routed to containers on interfaces of their own, what the node's own sockets get for
/// those that share its network.
#[test]
fn policies_concern_whom_they_are_asked_about() -> Result<()> {
    privileged!();
    let net = Net::new()?;
    ok(net.topology.node.command("iptables")?.args(["-P", "FORWARD", "DROP"]))?;
    ok(net.topology.node.command("ip6tables")?.args(["-P", "INPUT", "DROP"]))?;
    let found = net.look()?;
    let rules = found["rules"].as_array().context("no list")?;
    let [policy] = rules.as_slice() else { anyhow::bail!("{found}") };
    assert_eq!(
        (&policy["chain"], &policy["concerns"]),
        (&"FORWARD".into(), &serde_json::json!(["c"])),
        "{found}"
    );
    Ok(())
}

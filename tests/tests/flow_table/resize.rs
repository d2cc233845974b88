//! The table is made larger while it is in use, and nothing of it is lost.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use berth_tests::frame::{Packet, ethernet_ip};
use berth_tests::packet::packet_socket;
use berth_tests::topology::{NODE_MAC, NODE_V4, REMOTE_MAC, REMOTE_V4, WIRE, at};
use berth_tests::wait::{self, LIMIT, uninterrupted};
use berth_tests::{Process, SharedNode, Sockets as _, cases, iperf, privileged};

/// Where the container answers each datagram.
const ECHO: u16 = 9_000;
/// Where iperf3 serves.
const STREAM: u16 = 9_001;
const SLOTS: u32 = 16_384;
const FLOWS: usize = 10_000;
const LEAST_FLOWS: usize = 1_000;

const CONFIG: &str = "[defaults]\nmode = 'stateful'\nmax_flows = 100000\n[sizes]\nflows = 16384\n";
const RULES: &str = "*filter\n:INPUT DROP\n-A INPUT -m conntrack --ctstate NEW -j ACCEPT\n\
                     -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\nCOMMIT\n";

/// Datagrams from ever so many ports to the container, which answers them.
struct Datagrams<'a> {
    node: &'a SharedNode,
    echo: UdpSocket,
    ports: Vec<u16>,
    answered: AtomicU64,
}

impl<'a> Datagrams<'a> {
    fn new(node: &'a SharedNode, count: usize) -> Result<Self> {
        let echo = node.a.udp_bind(at(NODE_V4, ECHO))?;
        echo.set_read_timeout(Some(Duration::from_millis(50)))?;
        Ok(Self { node, echo, ports: (1_024..).take(count).collect(), answered: AtomicU64::new(0) })
    }

    /// One from each port, each answered before the next.
    fn round(&self) -> Result<()> {
        let socket = packet_socket(&self.node.topology.remote, WIRE, 0)?;
        for port in &self.ports {
            let packet = Packet::udp(at(REMOTE_V4, *port), at(NODE_V4, ECHO)).build()?;
            let frame = ethernet_ip(REMOTE_MAC, NODE_MAC, &packet);
            let (before, begun) = (self.answered.load(Relaxed), Instant::now());
            uninterrupted(|| socket.send(&frame))?;
            while self.answered.load(Relaxed) == before {
                ensure!(begun.elapsed() < LIMIT, "nothing answers what came from port {port}");
                thread::yield_now();
            }
        }
        Ok(())
    }

    fn answer(&self, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Relaxed) {
            match self.echo.recv_from(&mut [0; 64]) {
                Ok((_, from)) => {
                    self.echo.send_to(b"", from)?;
                    self.answered.fetch_add(1, Relaxed);
                }
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => {}
                Err(error) => return Err(error).context("the container's datagrams"),
            }
        }
        Ok(())
    }
}

/// Ends iperf3's test, which has gone on without a pause.
fn ended(mut client: Process) -> Result<()> {
    ensure!(client.is_running()?, "iperf3 has ended early: {}", client.stdout()?);
    client.signal(libc::SIGINT)?;
    let told = client.wait(LIMIT)?.stdout;
    let report: serde_json::Value = serde_json::from_str(&told).with_context(|| told.clone())?;
    let intervals = report["intervals"].as_array().context("no intervals in iperf3's report")?;
    let pauses = intervals.iter().filter(|interval| interval["sum"]["bytes"].as_u64() == Some(0)).count();
    ensure!(!intervals.is_empty() && pauses == 0, "{told}");
    Ok(())
}

/// What each flow has carried, by where it comes from.
fn carried(node: &SharedNode) -> Result<BTreeMap<(SocketAddr, String), u64>> {
    let flows = node.berth.flows()?.into_iter();
    Ok(flows.map(|flow| ((at(flow.src, flow.sport), flow.protocol), flow.traffic.outgoing.packets)).collect())
}

/// How many packets began something, and how many came from nowhere, by the container's rules.
fn new_and_stray(node: &SharedNode) -> Result<(u64, u64)> {
    let chains = node.berth.json(["rules", "list", "a"])?;
    let input = chains.as_array().and_then(|chains| chains.iter().find(|chain| chain["chain"] == "INPUT"));
    let input = input.context("no INPUT")?;
    let packets = |value: &serde_json::Value| value["packets"].as_u64().context("no count");
    Ok((packets(&input["rules"][0]["counted"])?, packets(&input["counted"])?))
}

#[test]
fn nothing_is_lost_when_the_table_grows() -> Result<()> {
    privileged!();
    let count = cases::number(FLOWS, LEAST_FLOWS)?;
    let node = SharedNode::configured(CONFIG)?;
    node.berth.ok(["container", "set", "a", "--timeouts", "udp=600,udp_stream=600"])?;
    let file = node.berth.run_dir().join("rules");
    std::fs::write(&file, RULES)?;
    node.berth.ok(["rules", "restore", "a", file.to_str().context("a path that is not UTF-8")?])?;
    let _server = iperf::server(&node.a, STREAM)?;
    // For ever, and by two connections, of which one says nothing meanwhile.
    let transfer = iperf::client(&node.topology.remote, (NODE_V4, STREAM), &["-t", "0"])?;
    let count_all = count + 2;
    let datagrams = Datagrams::new(&node, count)?;
    let (stop, stop_answers) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| -> Result<()> {
        let answers = scope.spawn(|| datagrams.answer(&stop_answers));
        let result = (|| {
            datagrams.round()?;
            let before = wait::until("all flows", LIMIT, || {
                let flows = carried(&node)?;
                Ok((flows.len() == count_all).then_some(flows))
            })?;
            let begun = new_and_stray(&node)?;
            ensure!(begun == (count_all as u64, 0), "{begun:?}");

            let rounds = scope.spawn(|| -> Result<()> {
                while !stop.load(Relaxed) {
                    datagrams.round()?;
                }
                Ok(())
            });
            let grown = [SLOTS + 1, 65_536, 262_144]
                .map(|slots| node.berth.ok(["flows", "resize", &slots.to_string()]));
            stop.store(true, Relaxed);
            rounds.join().expect("the datagrams")?;
            let told = grown.into_iter().collect::<Result<Vec<_>>>()?;
            ensure!(told[1].contains("holds 65536 flows, 16385 before"), "{told:?}");
            ensure!(told[2].contains("holds 262144 flows, 65536 before"), "{told:?}");
            datagrams.round()?;

            let after = carried(&node)?;
            ensure!(after.keys().eq(before.keys()), "{} flows, {} before", after.len(), before.len());
            let went_on = before.iter().filter(|(flow, packets)| after[flow] > **packets).count();
            ensure!(went_on >= count_all - 1, "{} have begun anew", count_all - went_on);
            ensure!(new_and_stray(&node)? == begun, "some packets did not find their flows");
            let a = node.berth.container("a")?;
            ensure!((a.flows.held, a.flows.failcnt) == (count_all as u64, 0), "{a:?}");
            ended(transfer)
        })();
        stop.store(true, Relaxed);
        stop_answers.store(true, Relaxed);
        answers.join().expect("the answers")?;
        result
    })
}

/// What did not fit fits then, and stays so when the daemon is started again.
#[test]
fn a_full_table_has_room_again() -> Result<()> {
    privileged!();
    let config = "[defaults]\nmode = 'stateful'\nmax_flows = 100000\n[sizes]\nflows = 1024\n";
    let mut node = SharedNode::configured(config)?;
    let socket = node.a.udp_bind(at(NODE_V4, 0))?;
    let open = |node: &SharedNode, ports: std::ops::Range<u16>| -> Result<u64> {
        let refused = || -> Result<u64> {
            Ok(node.berth.container("a")?.plane.drops.get("flow-table-full").copied().unwrap_or(0))
        };
        let before = refused()?;
        for port in ports {
            // Where there is none for it, one of its own goes.
            let _ = socket.send_to(b"", at(REMOTE_V4, port));
        }
        Ok(refused()? - before)
    };
    open(&node, 1..2_000)?;
    let held = |node: &SharedNode| -> Result<u64> { Ok(node.berth.container("a")?.flows.held) };
    // All but what is B's, of which it has none.
    let guaranteed = || -> Result<u32> { Ok(node.berth.container("b")?.flows_guaranteed) };
    assert_eq!((held(&node)?, guaranteed()?), (1_024 - 256, 256));
    node.berth.ok(["flows", "resize", "4000"])?;
    assert_eq!(open(&node, 2_000..4_700)?, 0);
    let all = 1_024 - 256 + 2_700;
    assert_eq!((held(&node)?, guaranteed()?), (all, 512));
    // Nothing but larger, and not without end.
    let beyond = "16777215 is not in 1024..=16777214";
    for (slots, told) in [("3999", "the flow table has 4000 slots"), ("16777215", beyond)] {
        let output = node.berth.run(["flows", "resize", slots])?;
        assert!(!output.success() && output.stderr.contains(told), "{output:?}");
    }
    assert_eq!(
        node.berth.ok(["flows", "resize", "4000"])?.lines().next(),
        Some("the flow table holds 4000 flows as it is")
    );
    node.berth.restart()?;
    assert_eq!(
        node.berth.ok(["flows", "resize", "4000"])?.lines().next(),
        Some("the flow table holds 4000 flows as it is")
    );
    assert_eq!(held(&node)?, all);
    // Nor is it forgotten when the whole table goes.
    node.berth.down()?;
    node.berth.restart()?;
    assert_eq!(node.berth.ok(["flows", "resize", "4000"])?, "the flow table holds 4000 flows as it is\n");
    // By configuration it grows as well.
    std::fs::write(node.berth.config_file(), config.replace("1024", "8192"))?;
    node.berth.restart()?;
    assert_eq!(node.berth.ok(["flows", "resize", "8192"])?, "the flow table holds 8192 flows as it is\n");
    Ok(())
}

//! Rules are replaced while packets flow: each packet meets the old ones or the new ones, and no count is lost.

use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use berth_tests::ledger::Growth;
use berth_tests::sockets::errno;
use berth_tests::topology::{NODE_V4, REMOTE_V4, at};
use berth_tests::wait::{self, uninterrupted};
use berth_tests::{Ledger, SharedNode, Sockets as _, cases, privileged};

use crate::helpers::{counted, filter};

const REPLACEMENTS: usize = 100;
const LEAST_REPLACEMENTS: usize = 4;
const RULES: usize = 1_000;
const LEAST_RULES: usize = 100;
const PORT: u16 = 7_777;
/// Packets each way before a pause: some 50,000 a second in all.
const BURST: u32 = 25;
const PAUSE: Duration = Duration::from_millis(1);
/// So many packets each way meet each ruleset, at least.
const EACH: u64 = 100;
/// How long they may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Packets from a container and to it.
struct Traffic {
    outward: (UdpSocket, SocketAddr),
    inward: (UdpSocket, SocketAddr),
    /// Nobody reads from them: they are there so that nobody says that nobody is.
    _sinks: [UdpSocket; 2],
    stop: AtomicBool,
    rounds: AtomicU64,
}

/// What became of the packets that the container has sent.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    accepted: u64,
    refused: u64,
}

impl Traffic {
    fn new(node: &SharedNode) -> Result<Self> {
        let (inside, outside) = (at(NODE_V4, PORT), at(REMOTE_V4, PORT));
        Ok(Self {
            outward: (node.a.udp_bind(at(NODE_V4, 0))?, outside),
            inward: (node.topology.remote.udp_bind(at(REMOTE_V4, 0))?, inside),
            _sinks: [node.a.udp_bind(inside)?, node.topology.remote.udp_bind(outside)?],
            stop: AtomicBool::new(false),
            rounds: AtomicU64::new(0),
        })
    }

    /// Flows while `act` is under way.
    fn during(&self, act: impl FnOnce() -> Result<()>) -> Result<Sent> {
        thread::scope(|scope| {
            let flowing = scope.spawn(|| self.flow());
            let acted = act();
            self.stop.store(true, Relaxed);
            let sent = flowing.join().map_err(|_| anyhow!("the sender failed"))??;
            acted.map(|()| sent)
        })
    }

    fn flow(&self) -> io::Result<Sent> {
        let mut sent = Sent::default();
        while !self.stop.load(Relaxed) {
            for _ in 0..BURST {
                let (socket, to) = &self.outward;
                match errno(uninterrupted(|| socket.send_to(b"x", to))) {
                    None => sent.accepted += 1,
                    Some(libc::EPERM) => sent.refused += 1,
                    Some(other) => return Err(io::Error::from_raw_os_error(other)),
                }
                let (socket, to) = &self.inward;
                uninterrupted(|| socket.send_to(b"x", to))?;
            }
            self.rounds.fetch_add(BURST.into(), Relaxed);
            thread::sleep(PAUSE);
        }
        Ok(sent)
    }

    /// Waits until so many more packets have gone each way.
    fn wait_for(&self, more: u64) -> Result<()> {
        let target = self.rounds.load(Relaxed) + more;
        wait::until_true("packets", PATIENCE, || Ok(self.rounds.load(Relaxed) >= target))
    }
}

/// A ruleset: of each chain, the rules in question between others that no packet here matches, and that differ between
/// variants. The policies drop.
fn ruleset(variant: usize, before: usize, rules: &[&str]) -> Result<String> {
    let others = cases::number(RULES, LEAST_RULES)? / 2 - rules.len();
    let mut text = ":INPUT DROP\n:FORWARD DROP\n:OUTPUT DROP\n".to_owned();
    for chain in ["INPUT", "OUTPUT"] {
        let other = |number: usize| {
            let (port, network) = (1_000 + 10 * number + variant, number % 250);
            format!("-A {chain} -s 192.0.{network}.0/24 -p udp -m udp --dport {port} -j DROP\n")
        };
        text.extend((0..before).map(other));
        for rule in rules {
            writeln!(text, "-A {chain} -p udp -m udp --dport {PORT} {rule}")?;
        }
        text.extend((before..others).map(other));
    }
    Ok(text)
}

/// Replaces rules by turns while packets flow.
fn replace(node: &SharedNode, rulesets: &[String; 2]) -> Result<(Sent, Growth)> {
    let ledger = Ledger::open(node)?;
    let traffic = Traffic::new(node)?;
    let replacements = cases::number(REPLACEMENTS, LEAST_REPLACEMENTS)?;
    filter(node, "a", &[], &rulesets[1])?;
    ledger.during(|| {
        traffic.during(|| {
            for rules in rulesets.iter().cycle().take(replacements) {
                traffic.wait_for(EACH)?;
                filter(node, "a", &[], rules)?;
            }
            traffic.wait_for(EACH)
        })
    })
}

/// What the rules from `first` on have counted in each chain; all others, and the policies, nothing.
fn counts<const N: usize>(node: &SharedNode, first: usize) -> Result<[[u64; N]; 2]> {
    let mut counts = [[0; N]; 2];
    for (chain, counts) in ["INPUT", "OUTPUT"].into_iter().zip(&mut counts) {
        let mut all = counted(node, "a", chain)?;
        for (place, count) in all[first..].iter_mut().zip(counts) {
            *count = std::mem::take(place);
        }
        ensure!(all.iter().all(|&count| count == 0), "{chain}: others have counted: {all:?}");
    }
    Ok(counts)
}

#[test]
fn nothing_is_dropped_that_both_rulesets_accept() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let stays = ["-m comment --comment stays -j ACCEPT"];
    let (sent, growth) = replace(&node, &[ruleset(0, 10, &stays)?, ruleset(1, 40, &stays)?])?;
    let last = if cases::number(REPLACEMENTS, LEAST_REPLACEMENTS)? % 2 == 1 { 10 } else { 40 };
    let [[received], [left]] = counts(&node, last)?;
    assert_eq!((sent.refused, left), (0, sent.accepted), "{growth:#?}");
    let plane = growth.of("a")?;
    assert_eq!((plane.traffic.incoming.packets, plane.traffic.outgoing.packets), (received, left));
    assert_eq!(growth.drops().len(), 0, "{growth:#?}");
    assert!(received > 0 && left > 0);
    Ok(())
}

#[test]
fn every_packet_meets_the_one_or_the_other() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let orders = [["-j ACCEPT", "-j DROP"], ["-j DROP", "-j ACCEPT"]];
    let (sent, growth) = replace(&node, &[ruleset(0, 20, &orders[0])?, ruleset(1, 20, &orders[1])?])?;
    let [mut inward, mut outward] = counts::<2>(&node, 20)?;
    if cases::number(REPLACEMENTS, LEAST_REPLACEMENTS)? % 2 == 0 {
        inward.reverse();
        outward.reverse();
    }
    let ([received, withheld], [left, refused]) = (inward, outward);
    assert_eq!((left, refused), (sent.accepted, sent.refused), "{growth:#?}");
    let plane = growth.of("a")?;
    assert_eq!(
        (plane.traffic.incoming.packets, plane.dropped.incoming.packets),
        (received + withheld, withheld)
    );
    assert_eq!(plane.traffic.outgoing.packets, left);
    assert_eq!(plane.drops.get("rule"), Some(&(withheld + refused)), "{growth:#?}");
    assert!([received, withheld, left, refused].iter().all(|&count| count > 0), "{sent:?} {growth:#?}");
    Ok(())
}

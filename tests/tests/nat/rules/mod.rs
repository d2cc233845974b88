//! Containers' own translation: rules of table nat, which are carried out at the container's interface as its kernel would do it.
//!
//! The remote host knows the way to the container, so that nothing but the container's own rules translates.

mod acts;
mod basic;
mod clients;
mod differential;
mod errors;
mod outcome;
mod reflector;
mod refusals;
mod router;
mod rulesets;
mod targets;
mod together;
mod worlds;

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use berth::rules::counters::Counters;
use berth::rules::family::Family;
use berth::rules::parse::parse;
use berth::rules::table::TableName;
use berth_tests::process::Output;
use berth_tests::topology::{REMOTE2_V4, REMOTE2_V6, WIRE};
use berth_tests::{Berth, Bridge, Endpoint as _, Guest, Topology, link};

use crate::{NODE, Net, routes};

const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];
/// What a command about rules is told of the family.
const FLAGS: [&[&str]; 2] = [&[], &["--ipv6"]];
/// The remote host's second addresses.
const SECOND: [IpAddr; 2] = [REMOTE2_V4, REMOTE2_V6];
/// What the guest's addresses end in.
const NUMBERS: [u8; 2] = [2, 4];

/// A node that routes and translates nothing, and a guest with two addresses of each family.
struct Place {
    guest: Guest,
    /// Its second addresses.
    seconds: [IpAddr; 2],
    bridge: Bridge,
    topology: Topology,
}

impl Place {
    fn new(offloads: bool) -> Result<Self> {
        let topology = Topology::builder().offloads(offloads).with_known_neighbours().build()?;
        routes(&topology.node)?;
        let bridge = Bridge::create(&topology.node, 77)?;
        let [first, second] = NUMBERS;
        let guest = bridge.guest_with(first, &[second])?;
        let networks = bridge.at(0).into_iter().zip([24, 64]);
        for (network, via) in networks.zip(NODE) {
            link::add_route(topology.remote.netns(), WIRE, network, via)?;
        }
        Ok(Self { guest, seconds: bridge.at(second), bridge, topology })
    }
}

/// The same with berth, to which the guest is the container `c`.
struct Own {
    net: Net,
    seconds: [IpAddr; 2],
}

impl Own {
    /// `c` is in mode full, and what else is given.
    fn new(more: &[&str]) -> Result<Self> {
        Self::at(Place::new(true)?, more)
    }

    fn at(place: Place, more: &[&str]) -> Result<Self> {
        let Place { guest, seconds, bridge, topology } = place;
        let berth = Berth::builder(&topology).start()?;
        let net = Net { c: guest, bridge, berth, topology };
        let [v4, v6] = seconds.map(|address| address.to_string());
        net.add("c", &net.c, &[&["--address", &v4, "--address", &v6], more].concat())?;
        Ok(Self { net, seconds })
    }

    /// Puts rules of table nat in force for `c`, which must be possible: chains and rules, without the frame.
    fn nat(&self, family: usize, rules: &str) -> Result<()> {
        self.table("nat", family, rules)
    }

    /// The same of table filter.
    fn filter(&self, family: usize, rules: &str) -> Result<()> {
        self.table("filter", family, rules)
    }

    fn table(&self, table: &str, family: usize, rules: &str) -> Result<()> {
        let text = format!("*{table}\n{rules}COMMIT\n");
        let output = restore(&self.net.berth, "c", family, &text)?;
        ensure!(output.success(), "{output:?}\n{text}");
        Ok(())
    }

    fn flush(&self, family: usize) -> Result<()> {
        self.net.berth.ok([&["rules", "flush", "c"], FLAGS[family]].concat()).map(drop)
    }

    /// Declares the addresses of `c`.
    fn declare(&self, all: &[IpAddr]) -> Result<()> {
        let all: Vec<_> = all.iter().map(ToString::to_string).collect();
        let options = all.iter().flat_map(|address| ["--address", address]);
        self.net.berth.ok(["container", "set", "c"].into_iter().chain(options)).map(drop)
    }

    /// How many packets each rule of a chain of `c`'s has counted.
    fn counted(&self, family: usize, table: TableName, chain: &str) -> Result<Vec<u64>> {
        let text = self.net.berth.ok([&["rules", "save", "c", "--counters"], FLAGS[family]].concat())?;
        let mut all = counters(family, table, &text)?;
        let counted = all.remove(chain).with_context(|| format!("no chain {chain}:\n{text}"))?;
        Ok(counted.rules.into_iter().map(|counters| counters.packets).collect())
    }

    /// The same of a chain of table nat.
    fn flows_counted(&self, family: usize, chain: &str) -> Result<Vec<u64>> {
        self.counted(family, TableName::Nat, chain)
    }
}

/// `berth rules restore NAME` with a text, whatever comes of it.
fn restore(berth: &Berth, name: &str, family: usize, text: &str) -> Result<Output> {
    let file = berth.run_dir().join("rules-under-test");
    fs::write(&file, text)?;
    let file = file.to_str().context("a path that is not UTF-8")?;
    berth.run([&["rules", "restore", name, file], FLAGS[family]].concat())
}

/// What a chain has counted.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    /// Each rule.
    rules: Vec<Counters>,
    /// The policy, if there is one.
    policy: Option<Counters>,
}

/// What the chains of a table have counted, by their names, in a text of iptables-save with counters.
fn counters(family: usize, table: TableName, text: &str) -> Result<BTreeMap<String, Counted>> {
    let ruleset = parse(FAMILIES[family], text).with_context(|| text.to_owned())?;
    let table = ruleset.table(table).with_context(|| format!("no table {table}:\n{text}"))?;
    let counted = table.chains.iter().map(|chain| {
        let rules = chain.rules.iter().map(|rule| rule.counters).collect::<Option<Vec<_>>>();
        let rules = rules.with_context(|| format!("no counters:\n{text}"))?;
        let policy = chain.base.as_ref().map(|base| base.counters);
        Ok((chain.name.as_str().to_owned(), Counted { rules, policy }))
    });
    counted.collect()
}

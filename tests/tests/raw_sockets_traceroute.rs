//! Two containers trace the same route at once, by every method.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::Result;
use berth_tests::process::Process;
use berth_tests::topology::{FAR_V4, FAR_V6, REMOTE_V4, REMOTE_V6};
use berth_tests::wait::LIMIT;
use berth_tests::{Endpoint, Ledger, SharedNode, Topology, privileged};

/// The far hosts, and the hop before each.
const ROUTES: [(IpAddr, IpAddr); 2] = [(FAR_V4, REMOTE_V4), (FAR_V6, REMOTE_V6)];

fn trace(tenant: &dyn Endpoint, arguments: &[&str], to: IpAddr) -> Result<Process> {
    let mut command = tenant.command("traceroute")?;
    // One probe for each hop, and one at a time.
    Process::spawn(command.args(["-n", "-q1", "-N1", "-w20"]).args(arguments).arg(to.to_string()))
}

fn hops(process: Process) -> Result<Vec<String>> {
    let output = process.wait(LIMIT * 6)?;
    assert!(output.success(), "{output:?}");
    let lines = output.stdout.lines().skip(1);
    Ok(lines.filter_map(|line| Some(line.split_whitespace().nth(1)?.to_owned())).collect())
}

/// Each sends two probes, and each gets the two answers to its own.
fn at_once(of_a: &[&str], of_b: &[&str]) -> Result<()> {
    let node = SharedNode::on(Topology::builder().with_known_neighbours().with_far().build()?, "")?;
    for (far, gateway) in ROUTES {
        let ledger = Ledger::open(&node)?;
        let (routes, growth) = ledger.during(|| {
            let (a, b) = (trace(&node.a, of_a, far)?, trace(&node.b, of_b, far)?);
            Ok([hops(a)?, hops(b)?])
        })?;
        let route = vec![gateway.to_string(), far.to_string()];
        assert_eq!(routes, [route.clone(), route]);
        assert_eq!(growth.packets(), BTreeMap::from([("a", (2, 2)), ("b", (2, 2))]), "{far}");
    }
    Ok(())
}

#[test]
fn by_datagrams() -> Result<()> {
    privileged!();
    at_once(&[], &[])
}

#[test]
fn by_datagrams_from_ports_of_their_own() -> Result<()> {
    privileged!();
    at_once(&["--sport=33001"], &["--sport=33002"])
}

#[test]
fn by_echo_requests() -> Result<()> {
    privileged!();
    at_once(&["-I"], &["-I"])
}

#[test]
fn by_segments() -> Result<()> {
    privileged!();
    at_once(&["-T", "-p", "7"], &["-T", "-p", "7"])
}

#[test]
fn one_by_datagrams_and_one_by_echo_requests() -> Result<()> {
    privileged!();
    at_once(&["-I"], &[])
}

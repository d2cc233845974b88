//! No daemon, and nothing in force.

use std::fs;
use std::os::unix::net::UnixListener;
use std::thread;

use anyhow::Result;
use berth_tests::topology::UPLINK;
use berth_tests::{Berth, SharedNode, Topology, privileged};

use crate::node::{FAILED, UNREACHABLE, is_refusal, refuses, run};

const COMMANDS: [&str; 7] = [
    "status",
    "container list --json",
    "container rm a",
    "ports list",
    "ports reserve a tcp/80",
    "flows flush",
    "events",
];

#[test]
fn nothing_is_in_force() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let mut berth = Berth::builder(&topology).prepare()?;
    for line in COMMANDS {
        let output = berth.run(line.split_whitespace())?;
        is_refusal(&output, UNREACHABLE, "no daemon answers at")?;
        is_refusal(&output, UNREACHABLE, "start `berth daemon`")?;
    }
    assert!(!berth.pin_dir().exists() && !berth.state_dir().exists());
    // A daemon that was killed leaves its socket.
    berth.restart()?;
    berth.kill9()?;
    assert!(berth.run_dir().join("berth.sock").exists());
    berth.ok(["down"])?;
    is_refusal(&berth.run(["status"])?, UNREACHABLE, "no daemon answers at")
}

#[test]
fn whoever_answers_is_no_daemon() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    fs::create_dir_all(berth.run_dir())?;
    let listener = UnixListener::bind(berth.run_dir().join("berth.sock"))?;
    // It hangs up on everybody.
    thread::spawn(move || listener.incoming().for_each(drop));
    is_refusal(&berth.run(["status"])?, UNREACHABLE, "the daemon broke off")
}

#[test]
fn two_daemons() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let words = "a berth daemon is running already";
    let (daemon, up) = (format!("daemon --uplink {UPLINK}"), format!("up --uplink {UPLINK}"));
    refuses(&node, &[(&daemon, FAILED, words), (&up, FAILED, words)])?;
    assert_eq!(node.berth.status()?.rest["daemon"]["pid"].as_u64(), node.berth.daemon_id().map(u64::from));
    Ok(())
}

#[test]
fn another_network_namespace() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    node.berth.kill9()?;
    let words = "serves another network namespace";
    for line in ["status", "container list", "daemon", "up"] {
        let mut command = node.berth.command_by(&node.topology.remote, line.split_whitespace())?;
        is_refusal(&run(&mut command)?, FAILED, words)?;
    }
    node.berth.restart()?;
    assert_eq!(node.berth.status()?.containers.len(), 2);
    Ok(())
}

//! State that cannot be read.

use std::fs;

use anyhow::Result;
use berth_tests::leaks::Objects;
use berth_tests::topology::{NODE_V4, UPLINK, at};
use berth_tests::{Berth, SharedNode, Sockets, Topology, privileged};

use crate::node::{FAILED, is_refusal};

const BROKEN: [(&str, &str); 4] = [
    ("", "is damaged"),
    ("{\"version\": 1, \"containers\": [{\"id\"", "is damaged"),
    ("not state", "is damaged"),
    ("{\"version\": 99, \"containers\": []}", "has version 99, this berth knows up to 1"),
];

#[test]
fn a_broken_file_is_refused_and_kept() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    let file = berth.state_dir().join("state.json");
    fs::create_dir(berth.state_dir())?;
    for (text, words) in BROKEN {
        fs::write(&file, text)?;
        for command in ["daemon", "up"] {
            let output = berth.run([command, "--uplink", UPLINK])?;
            is_refusal(&output, FAILED, words)?;
            is_refusal(&output, FAILED, &file.display().to_string())?;
        }
        assert_eq!(fs::read_to_string(&file)?, text);
        assert!(!berth.pin_dir().exists());
    }
    Ok(())
}

#[test]
fn what_is_in_force_stays_in_force() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let file = node.berth.state_dir().join("state.json");
    let _listener = node.a.tcp_listen(at(NODE_V4, 8080))?;
    node.berth.kill9()?;
    let (good, objects) = (fs::read(&file)?, Objects::pinned_under(node.berth.pin_dir())?);
    for (text, words) in BROKEN {
        fs::write(&file, text)?;
        for line in [&["daemon", "--uplink", UPLINK][..], &["status"], &["container", "rm", "a"]] {
            is_refusal(&node.berth.run(line)?, FAILED, words)?;
        }
        assert_eq!(fs::read_to_string(&file)?, text);
    }
    // Lost altogether.
    fs::remove_file(&file)?;
    for line in [&["daemon", "--uplink", UPLINK][..], &["status"]] {
        is_refusal(&node.berth.run(line)?, FAILED, "holds 2 containers that")?;
    }
    assert_eq!(Objects::pinned_under(node.berth.pin_dir())?, objects);
    let refused = node.b.tcp_listen(at(NODE_V4, 8080)).map_err(|error| error.raw_os_error());
    assert_eq!(refused.err(), Some(Some(libc::EADDRINUSE)));

    fs::write(&file, good)?;
    node.berth.restart()?;
    assert_eq!(node.berth.status()?.containers.len(), 2);
    Ok(())
}

#[test]
fn it_can_be_taken_down_without() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    node.berth.kill9()?;
    let objects = Objects::pinned_under(node.berth.pin_dir())?;
    fs::write(node.berth.state_dir().join("state.json"), "not state")?;
    node.berth.ok(["down"])?;
    objects.wait_until_gone()
}

#[test]
fn a_state_that_cannot_be_written_undoes_the_request() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let before = crate::node::Snapshot::take(&node.berth)?;
    // In the way of the file that is written first.
    let obstacle = node.berth.state_dir().join("state.json.new");
    fs::create_dir(&obstacle)?;
    for line in ["ports reserve a tcp/80", "container rm a", "container set a --mode full"] {
        is_refusal(&node.berth.run(line.split_whitespace())?, FAILED, "state.json.new")?;
        assert_eq!(crate::node::Snapshot::take(&node.berth)?, before, "{line}");
    }
    fs::remove_dir(obstacle)?;
    node.berth.ok(["container", "rm", "a"])?;
    Ok(())
}

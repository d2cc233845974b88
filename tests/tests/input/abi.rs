//! Pins of another version of berth.

use std::fs;

use anyhow::Result;
use berth_common::abi::VERSION;
use berth_tests::leaks::Objects;
use berth_tests::topology::{NODE_V4, UPLINK, at};
use berth_tests::{SharedNode, Sockets, privileged};

use crate::node::{FAILED, is_refusal};

#[test]
fn pins_of_another_version_are_left_alone() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let _listener = node.a.tcp_listen(at(NODE_V4, 8080))?;
    node.berth.kill9()?;
    let pins = node.berth.pin_dir().to_owned();
    let objects = Objects::pinned_under(&pins)?;
    let state = fs::read(node.berth.state_dir().join("state.json"))?;
    fs::rename(pins.join(format!("abi-{VERSION}")), pins.join("abi-99"))?;

    for line in
        [&format!("daemon --uplink {UPLINK}"), &format!("up --uplink {UPLINK}"), "status", "container rm a"]
    {
        let output = node.berth.run(line.split_whitespace())?;
        is_refusal(&output, FAILED, &format!("with ABI 99, this one has {VERSION}"))?;
        is_refusal(&output, FAILED, "`berth down`")?;
    }
    assert_eq!(Objects::pinned_under(&pins)?, objects);
    assert_eq!(fs::read(node.berth.state_dir().join("state.json"))?, state);
    // Enforced all the same.
    let refused = node.b.tcp_listen(at(NODE_V4, 8080)).map_err(|error| error.raw_os_error());
    assert_eq!(refused.err(), Some(Some(libc::EADDRINUSE)));

    node.berth.ok(["down"])?;
    objects.wait_until_gone()?;
    node.berth.restart()?;
    assert_eq!(node.berth.status()?.containers.len(), 2);
    Ok(())
}

#[test]
fn pins_that_are_not_berths_are_left_alone() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    node.berth.down()?;
    let pins = node.berth.pin_dir().to_owned();
    fs::create_dir_all(pins.join("another"))?;
    for line in [&format!("daemon --uplink {UPLINK}"), "up", "status", "down"] {
        let output = node.berth.run(line.split_whitespace())?;
        is_refusal(&output, FAILED, "--pin-dir")?;
    }
    assert_eq!(fs::read_dir(&pins)?.count(), 1);
    fs::remove_dir(pins.join("another"))?;
    node.berth.restart()
}

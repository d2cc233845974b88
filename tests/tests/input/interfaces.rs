//! Interfaces and addresses that cannot be a container's.

use std::sync::Arc;

use anyhow::Result;
use berth_tests::link::{self, End};
use berth_tests::topology::UPLINK;
use berth_tests::{Netns, SharedNode, name, privileged};

use crate::node::{FAILED, USAGE, refuses};

#[test]
fn interfaces_that_are_no_containers() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let guest = Netns::create(&format!("{}-guest", name::unique()))?;
    let end = |netns, name, last| End { netns, name, mac: [0x02, 0x62, 0x65, 0x72, 0x75, last] };
    link::wire(end(node.netns(), "guest0", 1), end(&Arc::clone(&guest), "eth0", 2), 1500)?;
    node.berth.ok(["container", "add", "guest", "--interface", "guest0"])?;
    let of_node = "is an uplink or the loopback of the node";
    refuses(
        &node,
        &[
            ("container add c --interface none0", FAILED, "there is no interface none0"),
            ("container add c --interface guest0", FAILED, "interface guest0 is container guest's"),
            (&format!("container add c --interface {UPLINK}"), FAILED, of_node),
            ("container add c --interface lo", FAILED, of_node),
            ("container set a --interface guest0", FAILED, "interface guest0 is container guest's"),
        ],
    )
}

#[test]
fn addresses_that_are_no_containers() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    node.berth.ok(["container", "set", "a", "--address", "198.18.0.77"])?;
    refuses(
        &node,
        &[
            ("container set b --address 198.18.0.77", FAILED, "address 198.18.0.77 is container a's"),
            ("container set b --address 224.0.0.1", FAILED, "cannot be a container's address"),
            ("container set b --address 127.0.0.1", FAILED, "cannot be a container's address"),
            ("container set b --address ::", FAILED, "cannot be a container's address"),
            ("container set b --address 198.18.0", USAGE, "invalid value '198.18.0' for '--address"),
        ],
    )
}

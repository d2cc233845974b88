//! Ports that were given up make room for others, with and without a daemon.

use anyhow::{Context, Result};
use berth_tests::topology::{NODE_V4, at};
use berth_tests::{SharedNode, privileged};

use crate::binding::Binding;

#[test]
fn ports_that_were_given_up_make_room() -> Result<()> {
    privileged!();
    let mut node = SharedNode::configured("[sizes]\nports = 64\n")?;
    node.berth.kill9()?;
    for port in 1000..1300 {
        Binding::udp(at(NODE_V4, port)).by(&node.a).with_context(|| format!("port {port}"))?;
    }
    assert_eq!(node.ports_held("a")?, 0);
    Ok(())
}

#[test]
fn the_nodes_table_is_full_for_everybody_until_there_is_room() -> Result<()> {
    privileged!();
    let node = SharedNode::configured("[sizes]\nports = 64\n")?;
    let mut held = Vec::new();
    let refused = loop {
        let port = 1000 + u16::try_from(held.len())?;
        match Binding::udp(at(NODE_V4, port)).by(&node.a) {
            Ok(socket) => held.push(socket),
            Err(error) => break error.raw_os_error(),
        }
    };
    assert_eq!((refused, held.len()), (Some(libc::ENOBUFS), 64));
    assert_eq!(crate::binding::errno(Binding::tcp(at(NODE_V4, 2000)).by(&node.b)), Some(libc::ENOBUFS));
    assert_eq!((node.ports_held("a")?, node.ports_held("b")?), (64, 0));
    held.pop();
    Binding::tcp(at(NODE_V4, 2000)).by(&node.b)?;
    Ok(())
}

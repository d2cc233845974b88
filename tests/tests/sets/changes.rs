//! What becomes of sets: when berth ends, when the container goes, and when there are too many entries.

use std::fmt::Write as _;

use anyhow::Result;
use berth_tests::topology::{NODE_V4, REMOTE_V4};
use berth_tests::{SharedNode, privileged};

use crate::helpers::{echo, passes, refused, restore, set, socket};

#[test]
fn they_outlive_berth_and_go_with_the_container() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let _echo = echo(&node)?;
    let text = format!("create s hash:ip family inet hashsize 1024 maxelem 65536\nadd s {REMOTE_V4}\n");
    assert!(restore(&node, &text)?.success());
    node.berth.ok([
        "rules",
        "append",
        "a",
        "OUTPUT",
        "-m",
        "set",
        "--match-set",
        "s",
        "dst",
        "-j",
        "DROP",
    ])?;
    let socket = socket(&node, NODE_V4, REMOTE_V4)?;
    assert!(!passes(&socket)?);
    node.berth.kill9()?;
    assert!(!passes(&socket)?);
    // Without a daemon, too.
    set(&node, "add a s 192.0.2.77")?;
    assert_eq!(
        set(&node, "save a")?,
        format!(
            "create s hash:ip family inet hashsize 1024 maxelem 65536\nadd s 192.0.2.77\nadd s {REMOTE_V4}\n"
        )
    );
    node.berth.restart()?;
    assert!(!passes(&socket)?);
    set(&node, &format!("del a s {REMOTE_V4}"))?;
    assert!(passes(&socket)?);
    node.berth.ok(["down"])?;
    node.berth.restart()?;
    assert!(set(&node, "save a")?.contains("add s 192.0.2.77\n"));
    set(&node, &format!("add a s {REMOTE_V4}"))?;
    assert!(!passes(&socket)?);
    node.berth.ok(["container", "rm", "a"])?;
    node.berth.add_container("a", node.a.cgroup().path())?;
    assert_eq!(set(&node, "save a")?, "");
    Ok(())
}

#[test]
fn texts_are_carried_out_whole() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let mut text = "create big hash:ip maxelem 60000\n".to_owned();
    for number in 0..50_000_u32 {
        writeln!(text, "add big {}", std::net::Ipv4Addr::from_bits(0x0a00_0001 + number * 7))?;
    }
    let output = restore(&node, &text)?;
    assert!(output.success(), "{output:?}");
    let listed = node.berth.json(["set", "list", "a"])?;
    assert_eq!((&listed[0]["held"], &listed[0]["entries"]), (&50_000.into(), &serde_json::Value::Null));
    assert_eq!(set(&node, "save a")?.lines().count(), 50_001);
    assert_eq!(set(&node, "test a big 10.0.0.1")?, "10.0.0.1 is in the set big\n");
    refused(&node, "test a big 10.0.0.2", "10.0.0.2 is not in the set big")?;
    let output = restore(&node, "add big 192.0.2.1\nadd big 192.0.2.2\nadd big 10.0.0.1\n")?;
    assert!(output.code() == Some(1) && output.stderr.contains("line 3: 10.0.0.1 is in"), "{output:?}");
    assert_eq!(node.berth.json(["set", "list", "a"])?[0]["held"], 50_000);
    Ok(())
}

#[test]
fn the_quota_is_held() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    node.berth.ok(["container", "set", "a", "--max-set-entries", "5"])?;
    set(&node, "create a one hash:ip")?;
    set(&node, "create a two hash:net")?;
    set(&node, "add a one 192.0.2.0/30")?;
    refused(&node, "add a two 10.0.0.0/8 10.1.0.0/16", "6 entries in its sets, and may hold 5")?;
    set(&node, "add a two 10.0.0.0/8")?;
    set(&node, "del a one 192.0.2.1")?;
    let quota = &node.berth.json(["container", "show", "a"])?["set_entries"];
    let numbers = ["held", "maxheld", "limit", "failcnt"].map(|name| quota[name].as_u64());
    assert_eq!(numbers, [Some(4), Some(5), Some(5), Some(1)]);
    Ok(())
}

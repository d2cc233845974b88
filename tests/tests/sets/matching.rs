//! What rules make of sets.

use anyhow::Result;
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6};
use berth_tests::{SharedNode, privileged};

use crate::helpers::{echo, passes, refused, set, socket};

#[test]
fn changes_are_in_force_at_once() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _echo = echo(&node)?;
    for (local, remote, family, whole) in
        [(NODE_V4, REMOTE_V4, "inet", "128.0.0.0/1"), (NODE_V6, REMOTE_V6, "inet6", "8000::/1")]
    {
        let rules: &[&str] = if family == "inet" { &[] } else { &["--ipv6"] };
        let name = format!("blocked-{family}");
        set(&node, &format!("create a {name} hash:ip --family {family}"))?;
        set(&node, &format!("create a nets-{family} hash:net --family {family}"))?;
        let words = ["rules", "append"];
        for list in [&name, &format!("nets-{family}")] {
            let rule = ["a", "OUTPUT", "-m", "set", "--match-set", list, "dst", "-j", "DROP"];
            node.berth.ok([&words, rules, &rule].concat())?;
        }
        let before = node.berth.ok([&["rules", "save", "a", "--counters"], rules].concat())?;
        let socket = socket(&node, local, remote)?;
        assert!(passes(&socket)?);
        set(&node, &format!("add a {name} {remote}"))?;
        assert!(!passes(&socket)?);
        set(&node, &format!("del a {name} {remote}"))?;
        assert!(passes(&socket)?);
        set(&node, &format!("add a nets-{family} {whole}"))?;
        assert!(!passes(&socket)?);
        set(&node, &format!("add a nets-{family} {remote} nomatch"))?;
        assert!(passes(&socket)?);
        set(&node, &format!("flush a nets-{family}"))?;
        assert!(passes(&socket)?);
        set(&node, &format!("create a fresh-{family} hash:ip --family {family}"))?;
        set(&node, &format!("add a fresh-{family} {remote}"))?;
        set(&node, &format!("swap a fresh-{family} {name}"))?;
        assert!(!passes(&socket)?);
        set(&node, &format!("swap a fresh-{family} {name}"))?;
        assert!(passes(&socket)?);
        // The rules were not touched: they have gone on counting.
        let after = node.berth.ok([&["rules", "save", "a", "--counters"], rules].concat())?;
        assert!(before != after && after.contains("[2:"), "{after}");
        refused(&node, &format!("destroy a {name}"), "named by a rule")?;
    }
    node.berth.ok(["rules", "flush", "a"])?;
    set(&node, "destroy a blocked-inet")?;
    refused(&node, "list a blocked-inet", "no set blocked-inet")?;
    Ok(())
}

#[test]
fn rules_name_sets_that_there_are() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    set(&node, "create a six hash:ip --family inet6")?;
    set(&node, "create b other hash:ip")?;
    for (name, why) in [("none", "no set none"), ("other", "no set other"), ("six", "other family")] {
        let rule = ["rules", "append", "a", "INPUT", "-m", "set", "--match-set", name, "src", "-j", "DROP"];
        let output = node.berth.run(rule)?;
        assert!(output.code() == Some(1) && output.stderr.contains(why), "{output:?}");
    }
    // A change that comes undone brings its rules back: their sets must be there.
    set(&node, "create a four hash:ip")?;
    let rule = ["-m", "set", "--match-set", "four", "src", "-j", "DROP"];
    node.berth.ok([&["rules", "append", "a", "INPUT"], &rule[..]].concat())?;
    node.berth.ok([&["rules", "delete", "--confirm", "60", "a", "INPUT"], &rule[..]].concat())?;
    refused(&node, "destroy a four", "unless a change is confirmed")?;
    node.berth.ok(["rules", "confirm", "a"])?;
    set(&node, "destroy a four")?;
    Ok(())
}

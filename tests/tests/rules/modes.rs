//! Modes and features: design §5, cell by cell, as far as rules go.

use anyhow::Result;
use berth_tests::{SharedNode, privileged};

use crate::helpers::{filter, with_text};

const PLAIN: &str = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT";
const STATE: &str = "-A INPUT -m state --state ESTABLISHED -j ACCEPT";
const CONNTRACK: &str = "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT";

#[test]
fn each_mode_allows_what_it_should() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (mode, allowed) in [
        ("disabled", [false, false, false]),
        ("stateless", [true, false, false]),
        ("stateful", [true, true, true]),
        ("full", [true, true, true]),
    ] {
        node.berth.ok(["container", "set", "a", "--mode", mode])?;
        for (rule, allowed) in [PLAIN, STATE, CONNTRACK].into_iter().zip(allowed) {
            let output = with_text(&node, &["restore", "a"], &format!("*filter\n{rule}\nCOMMIT\n"))?;
            assert_eq!(output.success(), allowed, "{mode}: {rule}: {output:?}");
            if !allowed {
                assert!(output.stderr.contains(&format!("mode {mode} does not have it")), "{output:?}");
                assert!(output.stderr.contains(rule), "{output:?}");
            }
        }
        node.berth.ok(["rules", "flush", "a"])?;
    }
    Ok(())
}

#[test]
fn a_mode_that_does_not_allow_the_rules_is_refused() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    node.berth.ok(["container", "set", "a", "--mode", "stateful"])?;
    filter(&node, "a", &[], &format!("{PLAIN}\n{STATE}\n{CONNTRACK}\n"))?;
    let before = node.berth.ok(["rules", "save", "a"])?;
    let refused = node.berth.run(["container", "set", "a", "--mode", "stateless"])?;
    assert_eq!(refused.code(), Some(1));
    assert!(refused.stderr.contains(STATE) && refused.stderr.contains(CONNTRACK), "{refused:?}");
    assert!(!refused.stderr.contains(PLAIN), "{refused:?}");
    assert_eq!(node.berth.container("a")?.mode, "stateful");
    assert_eq!(node.berth.ok(["rules", "save", "a"])?, before);
    node.berth.ok(["container", "set", "a", "--mode", "stateless", "--drop-rules"])?;
    assert_eq!(node.berth.container("a")?.mode, "stateless");
    let left = node.berth.ok(["rules", "save", "a"])?;
    assert!(left.contains("--dport 22") && !left.contains("state"), "{left}");
    Ok(())
}

#[test]
fn refusals_name_the_set() -> Result<()> {
    privileged!();
    let node = SharedNode::configured("features = 'conntrack,multiport,length'\n")?;
    node.berth.ok(["container", "set", "a", "--features", "multiport,limit,length"])?;
    for (rule, words) in [
        ("-A INPUT -m limit --limit 1/s", "feature limit: the node does not allow it"),
        ("-A INPUT -m state --state NEW", "feature state"),
        ("-A INPUT -m conntrack --ctstate NEW", "feature conntrack: the container's features leave it out"),
        ("-A INPUT -m connmark --mark 1", "feature connmark: this berth does not enforce it yet"),
    ] {
        let output = with_text(&node, &["restore", "a"], &format!("*filter\n{rule}\nCOMMIT\n"))?;
        assert!(output.code() == Some(1) && output.stderr.contains(words), "{rule}: {output:?}");
    }
    filter(&node, "a", &[], "-A INPUT -p tcp -m multiport --dports 1,2 -m length --length 100\n")?;
    let features = node.berth.json(["features", "a"])?;
    let rows = features.as_array().into_iter().flatten();
    let effective: Vec<_> =
        rows.filter(|row| row["effective"] == true).map(|row| row["feature"].clone()).collect();
    assert_eq!(effective, ["filter", "multiport", "length"]);
    Ok(())
}

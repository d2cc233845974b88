//! Rulesets for containers.

use std::fs;

use anyhow::{Context, Result};
use berth_tests::{SharedNode, process::Output};
use serde_json::Value;

/// `berth rules COMMAND NAME` with a text.
pub fn with_text(node: &SharedNode, command: &[&str], text: &str) -> Result<Output> {
    let file = node.berth.run_dir().join("rules-under-test");
    fs::write(&file, text)?;
    let file = file.to_str().context("a path that is not UTF-8")?;
    node.berth.run([&["rules"], command, &[file]].concat())
}

/// Puts rules of table filter in force, which must be possible: policies, chains and rules, without the frame.
pub fn filter(node: &SharedNode, name: &str, family: &[&str], rules: &str) -> Result<()> {
    let text = format!("*filter\n{rules}COMMIT\n");
    let output = with_text(node, &[&["restore", name], family].concat(), &text)?;
    anyhow::ensure!(output.success(), "{output:?}\n{text}");
    Ok(())
}

/// How many packets each rule of a chain has counted, and its policy last.
pub fn counted(node: &SharedNode, name: &str, chain: &str) -> Result<Vec<u64>> {
    counted_in(node, name, &[], chain)
}

/// The same of the rules of another family.
pub fn counted_in(node: &SharedNode, name: &str, family: &[&str], chain: &str) -> Result<Vec<u64>> {
    let chains = node.berth.json([&["rules", "list", name], family].concat())?;
    let chains = chains.as_array().context("a list of chains")?;
    let found = chains.iter().find(|one| one["chain"] == chain).context("no such chain")?;
    let packets = |value: &Value| value["packets"].as_u64();
    let rules = found["rules"].as_array().context("a list of rules")?;
    let all = rules.iter().map(|rule| packets(&rule["counted"])).chain([packets(&found["counted"])]);
    Ok(all.flatten().collect())
}

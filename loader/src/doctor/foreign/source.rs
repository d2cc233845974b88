//! Where the rules of others are read: what they are made with prints them.

use std::io;
use std::process::Command;

use super::iptables;
use super::nftables;
use super::rule::{Families, Table};

/// The kernel's rules of others.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Their tables.
    pub tables: Vec<Table>,
    /// What could not be read, and why, each in one line.
    pub unseen: Vec<String>,
}

/// One family of iptables' programs.
struct Tool {
    name: &'static str,
    families: Families,
    /// Which of its tables of the older kind there are.
    legacy: &'static str,
    /// What nftables calls the family.
    nft: &'static str,
}

const TOOLS: [Tool; 2] = [
    Tool { name: "iptables", families: Families::V4, legacy: "/proc/net/ip_tables_names", nft: "ip" },
    Tool { name: "ip6tables", families: Families::V6, legacy: "/proc/net/ip6_tables_names", nft: "ip6" },
];

/// Reads all that there are in this network namespace.
pub fn read() -> Found {
    let mut found = Found::default();
    let mut by_iptables = Vec::new();
    for tool in &TOOLS {
        if std::fs::read_to_string(tool.legacy).is_ok_and(|names| !names.trim().is_empty()) {
            let (program, title) = (format!("{}-legacy-save", tool.name), format!("{}-legacy", tool.name));
            match run(&program, &[]) {
                Ok(text) => found.tables.extend(iptables::tables(&text, &title, tool.families)),
                Err(why) => found.unseen.push(format!("rules of {title}: {why}")),
            }
        }
        // Without it, what nftables tells of the same rules has to do.
        if let Ok(text) = run(&format!("{}-nft-save", tool.name), &[]) {
            let tables = iptables::tables(&text, tool.name, tool.families);
            let names = text.lines().filter_map(|line| line.strip_prefix('*'));
            by_iptables.extend(names.map(|name| format!("nftables {} {name}", tool.nft)));
            found.tables.extend(tables);
        }
    }
    match rules_of_nftables() {
        Ok(tables) => {
            found.tables.extend(tables.into_iter().filter(|table| !by_iptables.contains(&table.title)));
        }
        Err(why) => found.unseen.push(format!("rules of nftables: {why}")),
    }
    found
}

fn rules_of_nftables() -> Result<Vec<Table>, String> {
    let json = run("nft", &["--json", "list", "ruleset"])?;
    let text = run("nft", &["--handle", "--stateless", "list", "ruleset"])?;
    nftables::tables(&json, &text).ok_or_else(|| "nft prints no ruleset that we can read".to_owned())
}

/// What a program prints.
fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{program} fails: {}", said.lines().next().unwrap_or("without a word")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!("{program} is not installed")),
        Err(error) => Err(format!("{program} cannot be run: {error}")),
    }
}

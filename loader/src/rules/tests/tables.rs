//! Rules and what becomes of them, as data: a file for each match and target, one for what every rule may have, one for
//! several matches together.
//!
//! `@ FAMILY TABLE` begins a section. Every other line is `CHAIN RULE => CHAIN RULE`, what is read and what is written,
//! with ` | ` between several rules; or `CHAIN RULE => ! COLUMN: MESSAGE`, with ` | ` between several errors. Columns are
//! those of `-A CHAIN RULE`. A chain U of the user's is there. What is written is what iptables-save 1.8.9 writes for the
//! rule; what is refused is refused by iptables too, or is not supported.

use crate::rules::{family::Family, matches, parse::parse, save::to_save, targets};

macro_rules! tables {
    ($($name:literal)+) => {
        &[$(($name, include_str!(concat!("tables/", $name, ".txt"))),)+]
    };
}

const TABLES: &[(&str, &str)] = tables!(
    "CONNMARK" "DNAT" "LOG" "MARK" "MASQUERADE" "NFLOG" "REDIRECT" "REJECT" "SNAT" "addrtype" "combined" "comment"
    "connlimit" "connmark" "conntrack" "dscp" "frag" "hashlimit" "header" "helper" "hl" "icmp" "icmp6" "iprange" "length" "limit"
    "mac" "mark" "multiport" "pkttype" "recent" "set" "state" "statistic" "tcp" "tos" "ttl" "udp"
);

#[test]
fn rules_are_written_or_refused_as_the_tables_say() {
    let mut wrong = Vec::new();
    for (name, text) in TABLES {
        let mut section = None;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("@ ") {
                section = rest.split_once(' ');
                continue;
            }
            let (rule, expected) = line.split_once(" => ").unwrap_or_else(|| panic!("{name}: {line}"));
            let (family, table) = section.unwrap();
            let outcome = outcome(family, table, rule);
            if outcome != expected {
                wrong.push(format!("{name}: {rule}\n  expected {expected}\n  is       {outcome}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn outcome(family: &str, table: &str, rule: &str) -> String {
    let family = if family == "IPv6" { Family::Ipv6 } else { Family::Ipv4 };
    let text = format!("*{table}\n:U - [0:0]\n-A {rule}\nCOMMIT\n");
    match parse(family, &text) {
        Ok(ruleset) => {
            let text = to_save(&ruleset, false);
            assert_eq!(parse(family, &text), Ok(ruleset.without_counters()), "{text}");
            text.lines().filter_map(|line| line.strip_prefix("-A ")).collect::<Vec<_>>().join(" | ")
        }
        Err(errors) => {
            let errors = errors.errors.iter().map(|error| {
                assert_eq!(error.line, 3, "{error}");
                error.to_string().strip_prefix("3:").unwrap().to_owned()
            });
            format!("! {}", errors.collect::<Vec<_>>().join(" | "))
        }
    }
}

#[test]
fn every_match_and_target_has_a_table_that_accepts_and_refuses() {
    let names = matches::MODULES.iter().map(|module| module.name);
    let names: Vec<_> = names.chain(targets::MODULES.iter().map(|module| module.name)).collect();
    for name in &names {
        let text = TABLES.iter().find(|(known, _)| known == name).map(|(_, text)| *text);
        let text = text.unwrap_or_else(|| panic!("{name} has no table"));
        let option = if targets::MODULES.iter().any(|module| module.name == *name) { "-j" } else { "-m" };
        let accepted = text.lines().any(|line| {
            let written = line.split_once(" => ").map_or("", |(_, written)| written);
            !written.starts_with('!') && format!("{written} ").contains(&format!(" {option} {name} "))
        });
        assert!(accepted, "{name}: nothing is accepted");
        assert!(text.contains(" => ! "), "{name}: nothing is refused");
    }
}

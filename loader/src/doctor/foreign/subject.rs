//! Containers, as far as it matters which packets are theirs.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::rule::{Families, Hook, Limit, Rule};
use crate::{containers::Master, state::State};

/// A container that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Its addresses; none if they are not known.
    pub addresses: Vec<IpAddr>,
    /// Its own interfaces, and the bridges that these are ports of; none if it shares the node's network.
    pub interfaces: Vec<String>,
}

impl Subject {
    /// Those that the state knows, with the names of interfaces and which bridge each is a port of.
    pub fn all(
        state: &State,
        name_of: impl Fn(u32) -> Option<String>,
        masters: &HashMap<u32, Master>,
    ) -> Vec<Self> {
        let there = state.containers.iter().filter(|record| !record.attached.is_empty());
        there
            .filter_map(|record| {
                let settings = &record.definition.as_ref()?.settings;
                let own = record.attached.interfaces.iter();
                let indices = own
                    .flat_map(|index| [Some(*index), masters.get(index).map(|master| master.ifindex)])
                    .flatten();
                Some(Self {
                    name: record.name.to_string(),
                    addresses: settings.addresses.clone().unwrap_or_default(),
                    interfaces: indices.filter_map(&name_of).collect(),
                })
            })
            .collect()
    }

    /// Whether packets of its may meet the rule, which is asked at these hooks.
    pub fn meets(&self, rule: &Rule, families: Families, hooks: &[Hook]) -> bool {
        let addresses: Vec<_> =
            self.addresses.iter().copied().filter(|address| families.has(address)).collect();
        if addresses.is_empty() && !self.addresses.is_empty() {
            return false;
        }
        let is_own = !self.interfaces.is_empty();
        hooks.iter().any(|hook| match hook {
            Hook::Forward if is_own => to(rule, &addresses, self) || from(rule, &addresses, self),
            Hook::In | Hook::Out if is_own => {
                at(&rule.destination, &addresses) || at(&rule.source, &addresses)
            }
            Hook::In | Hook::Input if !is_own => at(&rule.destination, &addresses),
            Hook::Out | Hook::Output if !is_own => at(&rule.source, &addresses),
            _ => false,
        })
    }
}

fn to(rule: &Rule, addresses: &[IpAddr], subject: &Subject) -> bool {
    at(&rule.destination, addresses) && by(&rule.output, &subject.interfaces)
}

fn from(rule: &Rule, addresses: &[IpAddr], subject: &Subject) -> bool {
    at(&rule.source, addresses) && by(&rule.input, &subject.interfaces)
}

fn at(limits: &[Limit<IpNet>], addresses: &[IpAddr]) -> bool {
    limits.iter().all(|limit| limit.admits(addresses, |network, address| network.contains(address)))
}

fn by(limits: &[Limit<String>], names: &[String]) -> bool {
    limits.iter().all(|limit| limit.admits(names, |pattern, name| is_named(pattern, name)))
}

fn is_named(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |beginning| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::super::iptables;
    use super::*;

    fn subject(addresses: &[&str], interfaces: &[&str]) -> Subject {
        Subject {
            name: "web".to_owned(),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            interfaces: interfaces.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    fn meets(subject: &Subject, rule: &str) -> bool {
        let text = format!("*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n{rule}\n");
        let table = iptables::tables(&text, "iptables", Families::V4).remove(0);
        let rule = table.rules.first().unwrap();
        subject.meets(rule, table.families, &table.hooks()[rule.chain.as_str()])
    }

    #[test]
    fn a_rule_concerns_whom_it_may_match() {
        let own = subject(&["10.0.3.10", "fd00::10"], &["veth0", "br0"]);
        for (rule, expected) in [
            ("-A FORWARD -j DROP", true),
            ("-A FORWARD -d 10.0.3.0/24 -j DROP", true),
            ("-A FORWARD -s 203.0.113.0/24 -j DROP", true),
            ("-A FORWARD -s 203.0.113.0/24 -d 10.9.0.0/16 -j DROP", false),
            ("-A FORWARD ! -s 10.0.3.10 -d 10.9.0.0/16 -j DROP", false),
            ("-A FORWARD -o br0 -j REJECT", true),
            ("-A FORWARD -i br+ -d 10.9.0.1 -j REJECT", true),
            ("-A FORWARD -i eth0 -d 10.9.0.1 -j REJECT", false),
            ("-A FORWARD -i eth0 -o eth1 -j DROP", false),
            ("-A INPUT -j DROP", false),
        ] {
            assert_eq!(meets(&own, rule), expected, "{rule}");
        }
        let shared = subject(&[], &[]);
        for (rule, expected) in [
            ("-A INPUT -p tcp --dport 80 -j DROP", true),
            ("-A OUTPUT -d 203.0.113.1 -j DROP", true),
            ("-A FORWARD -j DROP", false),
        ] {
            assert_eq!(meets(&shared, rule), expected, "{rule}");
        }
        // Of the other family alone.
        assert!(!meets(&subject(&["fd00::10"], &["veth0"]), "-A FORWARD -j DROP"));
    }
}

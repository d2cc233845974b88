//! Rulesets of others, as far as it matters whose packets they may keep from getting through.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;

/// Where in the kernel a base chain is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// As they come in.
    In,
    /// For the node itself.
    Input,
    /// Through the node.
    Forward,
    /// From the node itself.
    Output,
    /// As they go out.
    Out,
}

/// Which packets a table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// Both.
    All,
}

impl Families {
    /// Whether packets from or to this address are among them.
    pub const fn has(self, address: &IpAddr) -> bool {
        match self {
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
            Self::All => true,
        }
    }
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Whose tool it is made with, and its name there.
    pub title: String,
    /// Which packets it sees.
    pub families: Families,
    /// Its chains.
    pub chains: Vec<Chain>,
    /// Their rules.
    pub rules: Vec<Rule>,
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Where it is asked, if it is by itself.
    pub hook: Option<Hook>,
    /// Whether what no rule lets through is dropped.
    pub is_closed: bool,
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The chain that it is in.
    pub chain: String,
    /// As its tool writes it.
    pub text: String,
    /// Whether it drops or rejects.
    pub blocks: bool,
    /// The chains that it goes on to.
    pub jumps: Vec<String>,
    /// Where packets come from that it matches; all of this must hold.
    pub source: Vec<Limit<IpNet>>,
    /// Where they go.
    pub destination: Vec<Limit<IpNet>>,
    /// By which interfaces they come, `*` at the end standing for the rest of a name.
    pub input: Vec<Limit<String>>,
    /// By which they leave.
    pub output: Vec<Limit<String>>,
}

/// One of some, or none of some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit<T> {
    /// One of these.
    Of(Vec<T>),
    /// None of these.
    NotOf(Vec<T>),
}

impl<T> Limit<T> {
    /// Whether one of these may be meant. Nothing is known of nobody, so that everything may be.
    pub fn admits<U>(&self, candidates: &[U], is: impl Fn(&T, &U) -> bool) -> bool {
        let among = |list: &[T], candidate: &U| list.iter().any(|one| is(one, candidate));
        candidates.is_empty()
            || candidates.iter().any(|candidate| match self {
                Self::Of(list) => among(list, candidate),
                Self::NotOf(list) => !among(list, candidate),
            })
    }
}

impl Table {
    /// Where packets come from that each chain sees: the hooks of the base chains that lead to it. Of chains that nothing leads to, nothing.
    pub fn hooks(&self) -> HashMap<&str, Vec<Hook>> {
        let mut ways: HashMap<&str, Vec<&str>> = HashMap::new();
        for rule in &self.rules {
            ways.entry(&rule.chain).or_default().extend(rule.jumps.iter().map(String::as_str));
        }
        let mut hooks: HashMap<&str, Vec<Hook>> = HashMap::new();
        for (base, hook) in self.chains.iter().filter_map(|base| Some((base.name.as_str(), base.hook?))) {
            let (mut seen, mut pending) = (HashSet::new(), vec![base]);
            while let Some(chain) = pending.pop() {
                if seen.insert(chain) {
                    hooks.entry(chain).or_default().push(hook);
                    pending.extend(ways.get(chain).into_iter().flatten());
                }
            }
        }
        hooks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(chain: &str, jumps: &[&str]) -> Rule {
        let jumps = jumps.iter().map(|&name| name.to_owned()).collect();
        Rule { chain: chain.to_owned(), jumps, ..Rule::default() }
    }

    #[test]
    fn chains_are_reached_by_way_of_others() {
        let chain = |name: &str, hook| Chain { name: name.to_owned(), hook, is_closed: false };
        let table = Table {
            title: "t".to_owned(),
            families: Families::All,
            chains: vec![
                chain("INPUT", Some(Hook::Input)),
                chain("FORWARD", Some(Hook::Forward)),
                chain("a", None),
                chain("b", None),
                chain("alone", None),
            ],
            // Two that lead to each other, as no kernel would have it.
            rules: vec![rule("FORWARD", &["a"]), rule("a", &["b"]), rule("b", &["a"]), rule("INPUT", &["b"])],
        };
        let hooks = table.hooks();
        assert_eq!(hooks["FORWARD"], [Hook::Forward]);
        assert_eq!(hooks["b"], [Hook::Input, Hook::Forward]);
        assert!(!hooks.contains_key("alone"));
    }

    #[test]
    fn limits_hold_for_any_of_several() {
        let is = |one: &u8, other: &u8| one == other;
        assert!(Limit::Of(vec![1, 2]).admits(&[2, 3], is) && !Limit::Of(vec![1]).admits(&[2, 3], is));
        assert!(Limit::NotOf(vec![2]).admits(&[2, 3], is) && !Limit::NotOf(vec![2, 3]).admits(&[2, 3], is));
        assert!(Limit::Of(vec![1]).admits(&[], is) && Limit::NotOf(vec![1]).admits(&[], is));
    }
}

//! The same rules and packets on both sides, and what they have counted.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use berth::rules::{
    counters::Counters,
    family::Family,
    feature::Feature,
    ruleset::Ruleset,
    save::{to_rule, to_save},
};
use berth_tests::privilege::ALLOW;

use crate::enforced::Enforced;
use crate::netfilter::Netfilter;
use crate::packet::{Packet, Way};
use crate::rulesets::{NOTICES, has, passes_notices, rejects};
use crate::side::Side;

/// Both sides.
pub struct Sides {
    netfilter: Netfilter,
    enforced: Enforced,
    /// How many rules that ask of sets have counted packets.
    pub set_rules_met: usize,
}

/// Rules, and packets for them.
#[derive(Clone)]
pub struct Trial {
    /// The rules.
    pub ruleset: Ruleset,
    /// The packets.
    pub packets: Vec<Packet>,
}

/// A rule or policy that has not counted the same.
pub struct Difference {
    place: String,
    netfilter: Counters,
    berth: Counters,
}

impl Sides {
    /// Makes them.
    pub fn new() -> Result<Self> {
        let node = berth_tests::Netns::create(&format!("{}-node", berth_tests::name::unique()))?;
        let netfilter = Netfilter::new(Side::join(&berth_tests::Host::new(node))?)?;
        Ok(Self { netfilter, enforced: Enforced::new()?, set_rules_met: 0 })
    }

    /// Makes named sets on both sides; false where netfilter has none and that has been allowed.
    pub fn make_sets(&mut self, text: &str) -> Result<bool> {
        if !self.netfilter.make_sets(text)? {
            let is_allowed = std::env::var_os(ALLOW).is_some_and(|value| value == "1");
            ensure!(is_allowed, "there is no ipset to compare with ({ALLOW}=1 leaves rules with sets out)");
            eprintln!("NOT RUN: rules with sets: there is no ipset to compare with");
            return Ok(false);
        }
        self.enforced.make_sets(text)?;
        Ok(true)
    }

    /// What has not counted the same after all packets.
    pub fn run(&mut self, trial: &Trial) -> Result<Vec<Difference>> {
        if rejects(&trial.ruleset) && !passes_notices(&trial.ruleset) {
            // Shrunk so far that the sides need not agree.
            return Ok(Vec::new());
        }
        if rejects(&trial.ruleset) {
            let destinations = trial.packets.iter().filter(|packet| packet.way == Way::In);
            let destinations = destinations.filter_map(|packet| match packet.destination {
                IpAddr::V6(address) => Some(address),
                IpAddr::V4(_) => None,
            });
            let destinations = destinations.collect();
            self.netfilter.side().own(&destinations)?;
            self.enforced.side().own(&destinations)?;
        }
        self.netfilter.restore(&trial.ruleset)?;
        self.enforced.restore(&trial.ruleset)?;
        for packet in &trial.packets {
            self.netfilter.send(packet)?;
            self.enforced.send(packet)?;
            if has(&trial.ruleset, Feature::Connlimit) {
                thread::sleep(TICKS);
            }
        }
        if rejects(&trial.ruleset) {
            // The next trial is to find the bucket of notices full.
            thread::sleep(REFILL);
        }
        let family: Family = trial.ruleset.family;
        let theirs = counters(&trial.ruleset, &self.netfilter.save(family)?)?;
        let met =
            |(place, counted): &&(String, Counters)| place.contains("--match-set") && counted.packets > 0;
        self.set_rules_met += theirs.iter().filter(met).count();
        let ours = counters(&trial.ruleset, &self.enforced.save(family)?)?;
        let pairs = theirs.into_iter().zip(ours);
        let differences = pairs.filter(|((place, netfilter), (_, berth))| {
            netfilter != berth && !(rejects(&trial.ruleset) && is_about_notices(place))
        });
        Ok(differences
            .map(|((place, netfilter), (_, berth))| Difference { place, netfilter, berth })
            .collect())
    }
}

/// Longer than the kernel counts a flow that has been dropped: two ticks of its clock, of at most 10 ms.
const TICKS: Duration = Duration::from_millis(21);

/// How long berth takes until it tells as many senders at once as ever.
const REFILL: Duration = Duration::from_millis(260);

fn is_about_notices(place: &str) -> bool {
    let (chain, rule) = NOTICES[0];
    place == format!("filter: -A {chain} {rule}")
}

/// Every rule and policy of a ruleset, with what it has counted where it was in force.
fn counters(ruleset: &Ruleset, counted: &Ruleset) -> Result<Vec<(String, Counters)>> {
    let mut all = Vec::new();
    for (name, table) in &ruleset.tables {
        for chain in &table.chains {
            let found = counted.table(*name).and_then(|table| table.chain(chain.name.as_str()));
            let found = found.with_context(|| format!("no chain {} in {name}", chain.name))?;
            anyhow::ensure!(found.rules.len() == chain.rules.len(), "{name} {}: rules are gone", chain.name);
            for (rule, counted) in chain.rules.iter().zip(&found.rules) {
                let place = format!("{name}: -A {}{}", chain.name, to_rule(rule));
                all.push((place, counted.counters.unwrap_or_default()));
            }
            if let Some(base) = found.base {
                all.push((format!("{name}: policy of {}", chain.name), base.counters));
            }
        }
    }
    Ok(all)
}

/// Everything that is needed to look into it.
pub fn describe(trial: &Trial, differences: &[Difference]) -> Result<String> {
    let mut text = format!("{} rules:\n{}", trial.ruleset.family, to_save(&trial.ruleset, false));
    writeln!(text, "{} packets:", trial.packets.len())?;
    for packet in &trial.packets {
        writeln!(text, "{packet}")?;
    }
    text += &tell(differences);
    Ok(text)
}

/// What has not counted the same.
pub fn tell(differences: &[Difference]) -> String {
    let line = |Difference { place, netfilter, berth }: &Difference| {
        format!("{place}: netfilter {netfilter}, berth {berth}\n")
    };
    differences.iter().map(line).collect()
}

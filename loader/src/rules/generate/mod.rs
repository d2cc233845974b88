//! Makes random rulesets that iptables accepts: every match and target, both families, jumps three deep. The same seed
//! makes the same ruleset, so that the tests against netfilter and against the loaded programs can be given it again;
//! [`shrink`] makes one smaller as long as a test fails.

mod address;
mod matches;
mod numbers;
mod scene;
pub mod shrink;
mod stateful;
mod targets;

use berth_common::memory::generate::Random;

use super::{
    chain::{Base, Chain, ChainName, Policy},
    counters::Counters,
    family::Family,
    hook::Hook,
    rule::Rule,
    ruleset::Ruleset,
    table::{Table, TableName},
    targets::Target,
};
use scene::Scene;

/// What rulesets are to be made of.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The family.
    pub family: Family,
    /// The tables to fill; each gets its share of the rules.
    pub tables: Vec<TableName>,
    /// Most rules of a table.
    pub rules: usize,
    /// Most chains of the user's in a table.
    pub chains: usize,
    /// The matches that may be used, by name.
    pub matches: Vec<&'static str>,
    /// The targets that may be used, by name, beside verdicts, jumps and none.
    pub targets: Vec<&'static str>,
    /// Names for `-i` and `-o`; none leaves them out.
    pub interfaces: Vec<String>,
    /// Sets that there are, each with the number of its dimensions; none leaves `-m set` out.
    pub sets: Vec<(String, usize)>,
    /// Whether rules and policies get counters.
    pub counters: bool,
}

impl Wanted {
    /// Everything that there is in a family.
    pub fn everything(family: Family) -> Self {
        let matches = super::matches::MODULES.iter().filter(|module| module.is_for(family));
        let targets = super::targets::MODULES.iter().filter(|module| module.is_for(family));
        Self {
            family,
            tables: TableName::ALL.to_vec(),
            rules: 40,
            chains: 5,
            matches: matches.map(|module| module.name).collect(),
            targets: targets.map(|module| module.name).collect(),
            interfaces: ["lo", "eth0", "eth1", "eth+", "veth-long-name1"].map(str::to_owned).to_vec(),
            sets: vec![("hosts".to_owned(), 1), ("services".to_owned(), 2)],
            counters: true,
        }
    }
}

/// A random ruleset.
pub fn ruleset(random: &mut Random, wanted: &Wanted) -> Ruleset {
    let mut ruleset = Ruleset::new(wanted.family);
    for &name in &wanted.tables {
        ruleset.tables.insert(name, table(random, wanted, name));
    }
    ruleset
}

/// A chain of the user's: packets come to it from one hook alone, and only from chains of a lower level, so that what
/// the hook forbids can be left out and no circles come about.
struct Own {
    name: ChainName,
    hook: Hook,
    level: usize,
}

/// How deep chains are nested.
const LEVELS: usize = 3;

fn table(random: &mut Random, wanted: &Wanted, name: TableName) -> Table {
    let own = own_chains(random, wanted, name);
    let mut table = Table::empty(name);
    for own in &own {
        table.chains.push(Chain { name: own.name.clone(), base: None, rules: Vec::new() });
    }
    let places = table.chains.len();
    for _ in 0..random.below(wanted.rules + 1) {
        // Base chains are what packets meet first: they get half of the rules.
        let choices = if random.once_in(2) { name.hooks().len() } else { places };
        let place = random.below(choices);
        let Some(chain) = table.chains.get_mut(place) else { continue };
        let (hook, level) = match (chain.base, own.get(place.wrapping_sub(name.hooks().len()))) {
            (Some(base), _) => (base.hook, 0),
            (None, Some(own)) => (own.hook, own.level),
            (None, None) => continue,
        };
        let jumps: Vec<&ChainName> =
            own.iter().filter(|own| own.hook == hook && own.level > level).map(|own| &own.name).collect();
        let base = chain.base.is_some();
        chain.rules.push(rule(&mut Scene::new(random, wanted, name, hook, base), &jumps));
    }
    for base in table.chains.iter_mut().filter_map(|chain| chain.base.as_mut()) {
        finish_base(random, wanted, name, base);
    }
    table.chains.get_mut(name.hooks().len()..).unwrap_or_default().sort_by(|a, b| a.name.cmp(&b.name));
    table
}

fn own_chains(random: &mut Random, wanted: &Wanted, name: TableName) -> Vec<Own> {
    let count = random.below(wanted.chains + 1);
    let own = |index: usize| {
        let text = random.pick(&["chain", "f2b-sshd", "DOCKER", "ufw-user-input", "ALLOWIN", "é"])?;
        let name_text = format!("{text}{index}");
        let hook = random.pick(name.hooks())?;
        let level = 1 + random.below(LEVELS);
        ChainName::new(&name_text).ok().map(|name| Own { name, hook, level })
    };
    (0..count).filter_map(own).collect()
}

fn finish_base(random: &mut Random, wanted: &Wanted, name: TableName, base: &mut Base) {
    if name != TableName::Nat && random.once_in(3) {
        base.policy = Policy::Drop;
    }
    if wanted.counters {
        base.counters = counters(random);
    }
}

fn rule(scene: &mut Scene<'_>, jumps: &[&ChainName]) -> Rule {
    let header = scene.header();
    let matches = scene.matches();
    let target = match scene.random.pick(jumps) {
        Some(chain) if scene.random.once_in(3) => {
            let chain = (*chain).clone();
            Some(if scene.random.once_in(4) { Target::Goto(chain) } else { Target::Jump(chain) })
        }
        _ => scene.target(),
    };
    let counters = scene.wanted.counters.then(|| counters(scene.random));
    Rule { line: 0, counters, header, matches, target }
}

fn counters(random: &mut Random) -> Counters {
    let packets = random.bits() >> (random.below(60) + 4);
    Counters { packets, bytes: packets.saturating_mul(60) }
}

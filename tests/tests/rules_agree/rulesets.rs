//! Random rulesets of what berth enforces.

use berth::compile::{Bounds, compile};
use berth::lower::{LowerError, Lowered, Names, Source, Spot, lower};
use berth::rules::{
    family::Family,
    feature::{Feature, features},
    generate::{self, Wanted},
    matches::{
        Match,
        conntrack::{Conntrack, CtStatus},
        limit::Limit,
        recent::Action,
        statistic::Statistic,
    },
    parse::apply,
    rule::Rule,
    ruleset::Ruleset,
    save::to_rule,
    table::TableName,
    values::{flags::Flags, protocol::Protocol, rate::Rate},
};
use berth_common::abi::rules::interface;
use berth_common::memory::generate::Random;

use crate::sets;
use crate::side::INTERFACE;

/// What berth cannot do yet, or leaves to chance, or what is compared in [`crate::connlimits`].
const MATCHES_LEFT_OUT: [&str; 4] = ["connlimit", "connmark", "frag", "helper"];

/// Jumps, verdicts, and these.
const TARGETS: [&str; 3] = ["LOG", "MARK", "NFLOG"];

/// What chains begin with where packets are rejected: by netfilter, what is told of what the container sends goes through its
/// OUTPUT, too, which in berth it does not. What these count, the sides need not agree on.
pub const NOTICES: [(&str, &str); 2] = [("OUTPUT", "-o lo -j ACCEPT"), ("INPUT", "-i lo -j ACCEPT")];

/// A ruleset that berth takes.
pub fn random(random: &mut Random, family: Family, has_sets: bool) -> Ruleset {
    loop {
        let rejects = random.once_in(4);
        let mut wanted = wanted(random, family, rejects);
        if !has_sets {
            wanted.matches.retain(|name| *name != "set");
        }
        let mut ruleset = generate::ruleset(random, &wanted);
        change_rules(&mut ruleset);
        if rejects {
            // Of ICMP errors, berth does not know more than the state.
            ruleset.tables.values_mut().flat_map(|table| &mut table.chains).for_each(|chain| {
                chain.rules.retain(|rule| !asks_more_than_state(rule));
            });
            pass_notices(&mut ruleset);
        }
        remove_refused(&mut ruleset);
        if ruleset.entries() > 0 && lowered(&ruleset).is_ok_and(|lowered| is_small(&lowered)) {
            return ruleset;
        }
    }
}

/// Whether chains begin with [`NOTICES`].
pub fn passes_notices(ruleset: &Ruleset) -> bool {
    let table = ruleset.table(TableName::Filter);
    NOTICES.iter().all(|(chain, rule)| {
        let first = table.and_then(|table| table.chain(chain)).and_then(|chain| chain.rules.first());
        first.is_some_and(|first| to_rule(first).trim() == *rule)
    })
}

/// Whether it rejects packets, so that others are told.
pub fn rejects(ruleset: &Ruleset) -> bool {
    has(ruleset, Feature::Reject)
}

/// Whether a rule of it has this feature.
pub fn has(ruleset: &Ruleset, feature: Feature) -> bool {
    let rules = ruleset.tables.iter().flat_map(|(name, table)| {
        table.chains.iter().flat_map(|chain| &chain.rules).map(move |rule| (*name, rule))
    });
    rules.into_iter().any(|(table, rule)| features(table, rule).contains(feature))
}

/// Whether a rule of it asks for more of a flow than its state.
pub fn asks_flow(ruleset: &Ruleset) -> bool {
    let rules = ruleset.tables.values().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
    rules.into_iter().any(asks_more_than_state)
}

fn asks_more_than_state(rule: &Rule) -> bool {
    rule.matches.iter().any(|one| match one {
        Match::Conntrack(conntrack) => {
            *conntrack != Conntrack { state: conntrack.state, ..Conntrack::default() }
        }
        _ => false,
    })
}

/// Leaves of a ruleset that is not random what both sides can be compared by.
pub fn make_comparable(ruleset: &mut Ruleset) {
    let chains = ruleset.tables.values_mut().flat_map(|table| &mut table.chains);
    chains.for_each(|chain| {
        chain.rules.retain(|rule| !rule.matches.iter().any(|one| MATCHES_LEFT_OUT.contains(&one.name())));
    });
    change_rules(ruleset);
    if rejects(ruleset) {
        // By netfilter, what is told goes through mangle's OUTPUT too.
        ruleset.tables.remove(&TableName::Mangle);
        pass_notices(ruleset);
    }
    remove_refused(ruleset);
}

fn pass_notices(ruleset: &mut Ruleset) {
    for (chain, rule) in NOTICES {
        let words = format!("-I {chain} {rule}");
        let words: Vec<&str> = words.split(' ').collect();
        // A chain that is not there passes everything.
        let _ = apply(ruleset, TableName::Filter, &words);
    }
}

fn wanted(random: &mut Random, family: Family, rejects: bool) -> Wanted {
    let mut wanted = Wanted::everything(family);
    wanted.matches.retain(|name| !MATCHES_LEFT_OUT.contains(name));
    if random.once_in(2) {
        // Some of them, so that many rules match.
        wanted.matches.retain(|_| random.once_in(4));
        wanted.matches.extend(["conntrack", "state", "tcp", "udp", "set"]);
    }
    wanted.targets = TARGETS.to_vec();
    if rejects {
        wanted.targets.extend(["REJECT"; 4]);
    }
    wanted.interfaces = ["eth0", "lo", "eth+", "eth1"].map(str::to_owned).to_vec();
    wanted.sets = sets::wanted();
    wanted.counters = false;
    wanted.tables = vec![TableName::Filter];
    if !rejects && random.once_in(3) {
        wanted.tables.push(TableName::Mangle);
    }
    wanted.rules = match random.below(10) {
        0..5 => 8,
        5..8 => 40,
        _ => 300,
    };
    wanted
}

/// Makes rules such that both sides must count the same.
fn change_rules(ruleset: &mut Ruleset) {
    let family = ruleset.family;
    for chain in ruleset.tables.values_mut().flat_map(|table| &mut table.chains) {
        for rule in &mut chain.rules {
            let protocol = rule.header.protocol.filter(|protocol| !protocol.negated);
            let protocol = protocol.map(|protocol| protocol.value);
            for one in &mut rule.matches {
                match one {
                    // No token comes back in a trial.
                    Match::Limit(Limit { rate, .. }) => *rate = Rate::new(1, 3_600),
                    // Nor is a bucket forgotten; and the kernel's table is as large as it likes.
                    Match::Hashlimit(hashlimit) => {
                        hashlimit.rate = Rate::new(1, 3_600);
                        hashlimit.expire = 3_600_000;
                        (hashlimit.size, hashlimit.max) = (None, None);
                    }
                    // Nor does an address that was seen become one that was seen long ago.
                    Match::Recent(recent) => match &mut recent.action {
                        Action::Check(seen) | Action::Update(seen) => {
                            seen.seconds = seen.seconds.map(|_| 100_000);
                        }
                        Action::Set | Action::Remove => {}
                    },
                    Match::Conntrack(conntrack) => {
                        // Of ICMP, the kernel's ports are ids.
                        if ![Some(Protocol::TCP), Some(Protocol::UDP)].contains(&protocol) {
                            forget_ports(conntrack);
                        }
                        forget_assurance(conntrack);
                    }
                    _ => {}
                }
            }
            rule.matches.retain(|one| !is_left_out(one, family));
        }
        chain.rules.retain(|rule| !is_odd(rule));
    }
}

fn forget_ports(conntrack: &mut Conntrack) {
    for end in [
        &mut conntrack.original_source,
        &mut conntrack.original_destination,
        &mut conntrack.reply_source,
        &mut conntrack.reply_destination,
    ] {
        end.port = None;
    }
}

/// To berth an answer assures a flow. To the kernel one packet more does, for UDP if the flow is two seconds old by then;
/// flows of ICMP, and of protocols that it does not know, never are.
fn forget_assurance(conntrack: &mut Conntrack) {
    if let Some(status) = &mut conntrack.status {
        let others: Vec<CtStatus> =
            status.value.iter().filter(|status| *status != CtStatus::Assured).collect();
        let others = Flags::of(&others);
        if others == Flags::EMPTY && status.value != others {
            conntrack.status = None;
        } else {
            status.value = others;
        }
    }
}

fn is_left_out(one: &Match, family: Family) -> bool {
    match one {
        Match::Statistic(Statistic::Random { .. }) => true,
        Match::Addrtype(_) => family == Family::Ipv6,
        Match::Conntrack(conntrack) => *conntrack == Conntrack::default(),
        _ => false,
    }
}

/// Extension headers and the like, which are no protocols to berth.
fn is_odd(rule: &Rule) -> bool {
    rule.header.protocol.is_some_and(|protocol| matches!(protocol.value.0, 33 | 135 | 139 | 140))
}

fn remove_refused(ruleset: &mut Ruleset) {
    while let Err(LowerError { place, .. }) = lowered(ruleset) {
        let Some(table) = ruleset.tables.get_mut(&place.table) else { return };
        let chain = table.chains.iter_mut().find(|chain| chain.name == place.chain);
        let (Some(chain), Spot::Rule(index)) = (chain, place.spot) else { return };
        chain.rules.remove(index);
    }
}

fn lowered(ruleset: &Ruleset) -> Result<Lowered, LowerError> {
    let source = match ruleset.family {
        Family::Ipv4 => Source { ipv4: Some(ruleset), ipv6: None },
        Family::Ipv6 => Source { ipv4: None, ipv6: Some(ruleset) },
    };
    // As the node has them: what interfaces stand for decides how much the compiler can tell apart.
    let names = [("lo", interface::LOOPBACK), ("eth0", interface::OWN), (INTERFACE, interface::OWN)];
    let interfaces = names.map(|(name, number)| (name.to_owned(), number)).to_vec();
    lower(&source, &Names { interfaces, sets: sets::names(ruleset.family) })
}

fn is_small(lowered: &Lowered) -> bool {
    compile(&lowered.ruleset, &Bounds::DEFAULT).is_ok()
}

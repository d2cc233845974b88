//! Rules as they are written, read one by one: what the kernel does with them, line by line, and nothing of what lowering
//! makes of them.

mod conntrack;
mod matching;
mod translation;

pub(super) use matching::JIFFY;

use std::collections::HashMap;

use berth_common::{
    abi::{
        counters::Traffic,
        rules::{reject::Rejection, target},
    },
    engine::classify::Decision,
};

use super::packet::Packet;
use crate::{
    compile::{input::BuiltIn, tests::world::World},
    lower::{Place, Report, Spot},
    rules::{
        chain::{Chain, Policy},
        hook::Hook,
        rule::Rule,
        ruleset::Ruleset,
        table::{Table, TableName},
        targets::Target,
    },
};

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) decision: Decision,
    pub(super) code: u8,
    pub(super) mark: u32,
    /// What the flow is translated to.
    pub(super) target: Option<target::Target>,
}

/// A ruleset, and what it keeps.
pub(super) struct Oracle<'a> {
    ruleset: &'a Ruleset,
    pub(super) counters: HashMap<Place, Traffic>,
    /// Where packets were counted, in order, and what was reported.
    pub(super) counted: Vec<Place>,
    pub(super) reported: Vec<(Report, u32)>,
    state: matching::State,
}

impl<'a> Oracle<'a> {
    pub(super) fn new(ruleset: &'a Ruleset) -> Self {
        Self {
            ruleset,
            counters: HashMap::new(),
            counted: Vec::new(),
            reported: Vec::new(),
            state: matching::State::default(),
        }
    }

    /// Whether there is such a table.
    pub(super) fn has(&self, table: TableName) -> bool {
        self.ruleset.table(table).is_some()
    }

    /// What becomes of a packet on its way through the tables.
    pub(super) fn classify(&mut self, packet: &Packet, world: &mut World) -> Answer {
        let mut packet = packet.clone();
        let (input, output) = (packet.input, packet.output);
        for (table, hook) in way(packet.chain) {
            let Some(chains) = self.ruleset.table(table).filter(|chains| is_asked(table, chains)) else {
                continue;
            };
            packet.output = if hook == Hook::Prerouting { None } else { output };
            packet.input = if (table, hook) == (TableName::Nat, Hook::Postrouting) { None } else { input };
            let walk = Walk { table: chains, name: table, hook };
            let answer = self.table(&walk, &mut packet, world);
            if answer.decision != Decision::Accept || packet.chain.is_nat() {
                return answer;
            }
        }
        Answer { decision: Decision::Accept, code: 0, mark: packet.mark, target: None }
    }

    /// `ipt_do_table`.
    fn table(&mut self, walk: &Walk<'_>, packet: &mut Packet, world: &mut World) -> Answer {
        let base = walk.table.chain(walk.hook.name()).unwrap();
        let mut stack: Vec<(&Chain, usize)> = Vec::new();
        let (mut chain, mut index) = (base, 0);
        let mut target = None;
        let verdict = loop {
            let Some(rule) = chain.rules.get(index) else {
                match stack.pop() {
                    Some(back) => (chain, index) = back,
                    None => break self.policy(walk, base, packet),
                }
                continue;
            };
            let place = place(packet, walk.name, chain, Spot::Rule(index));
            index += 1;
            if !self.holds(rule, packet, world) {
                continue;
            }
            self.count(place, packet);
            match rule.target.as_ref() {
                None => {}
                Some(Target::Accept) => break (Decision::Accept, 0),
                Some(Target::Drop) => break (Decision::Drop, 0),
                Some(Target::Reject(reject)) => {
                    let name = reject.with.name();
                    let rejection = Rejection::ALL.iter().find(|rejection| rejection.name() == name);
                    break (Decision::Reject, rejection.unwrap().number());
                }
                Some(Target::Return) => match stack.pop() {
                    Some(back) => (chain, index) = back,
                    None => break self.policy(walk, base, packet),
                },
                Some(Target::Jump(name)) => {
                    stack.push((chain, index));
                    (chain, index) = (walk.table.chain(name.as_str()).unwrap(), 0);
                }
                Some(Target::Goto(name)) => (chain, index) = (walk.table.chain(name.as_str()).unwrap(), 0),
                Some(Target::Log(log)) => self.reported.push((Report::Log(log.clone()), packet.mark)),
                Some(Target::Nflog(log)) => self.reported.push((Report::Nflog(log.clone()), packet.mark)),
                Some(Target::Mark(mark)) => packet.mark = mark.change.apply(packet.mark),
                Some(other) => {
                    target = Some(translation::target(other));
                    break (Decision::Accept, 0);
                }
            }
        };
        Answer { decision: verdict.0, code: verdict.1, mark: packet.mark, target }
    }

    fn policy(&mut self, walk: &Walk<'_>, base: &Chain, packet: &Packet) -> (Decision, u8) {
        self.count(place(packet, walk.name, base, Spot::Policy), packet);
        match base.base.unwrap().policy {
            Policy::Accept => (Decision::Accept, 0),
            Policy::Drop => (Decision::Drop, 0),
        }
    }

    fn holds(&mut self, rule: &Rule, packet: &Packet, world: &mut World) -> bool {
        matching::header(&rule.header, packet)
            && rule.matches.iter().all(|one| self.state.holds(one, packet, world))
    }

    fn count(&mut self, place: Place, packet: &Packet) {
        let traffic = self.counters.entry(place.clone()).or_default();
        traffic.packets += 1;
        traffic.bytes += u64::from(packet.length);
        self.counted.push(place);
    }
}

/// Whether a table is asked at all: nat is not where no flow can be translated.
fn is_asked(name: TableName, table: &Table) -> bool {
    name != TableName::Nat || table.chains.iter().any(|chain| !chain.rules.is_empty())
}

struct Walk<'a> {
    table: &'a Table,
    name: TableName,
    hook: Hook,
}

fn place(packet: &Packet, table: TableName, chain: &Chain, spot: Spot) -> Place {
    Place { family: packet.family, table, chain: chain.name.clone(), spot }
}

/// The hook of nat that is asked about a flow's first packet; else hooks in the order in which a packet comes to them, and at each mangle before filter, as nf_register_net_hooks sorts
/// them: NF_IP_PRI_MANGLE is -150, NF_IP_PRI_FILTER is 0.
fn way(chain: BuiltIn) -> Vec<(TableName, Hook)> {
    let hooks: &[Hook] = match chain {
        BuiltIn::NatPrerouting => return vec![(TableName::Nat, Hook::Prerouting)],
        BuiltIn::NatInput => return vec![(TableName::Nat, Hook::Input)],
        BuiltIn::NatOutput => return vec![(TableName::Nat, Hook::Output)],
        BuiltIn::NatPostrouting => return vec![(TableName::Nat, Hook::Postrouting)],
        BuiltIn::Input => &[Hook::Prerouting, Hook::Input],
        BuiltIn::Output => &[Hook::Output, Hook::Postrouting],
        BuiltIn::Forward => &[Hook::Prerouting, Hook::Forward, Hook::Postrouting],
    };
    let has = |table: TableName, hook: Hook| table.hooks().contains(&hook);
    let tables = [TableName::Mangle, TableName::Filter];
    hooks
        .iter()
        .flat_map(|hook| {
            tables.into_iter().filter(move |table| has(*table, *hook)).map(|table| (table, *hook))
        })
        .collect()
}

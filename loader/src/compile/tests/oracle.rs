//! Rules read one by one, as `ipt_do_table` does (net/ipv4/netfilter/ip_tables.c): matches in order up to the first that
//! fails, counters, a stack of return places that a goto does not push to, and the policy where the stack is empty.

use std::collections::HashMap;

use berth_common::{
    abi::{counters::Traffic, rules::counters},
    engine::classify::{self, Decision, External, Surroundings},
};

use super::{
    super::input::{Action, BuiltIn, Check, Condition, Family, Leg, Policy, Program, Rule, Ruleset, Target},
    world::{Packet, World},
};

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) decision: Decision,
    pub(super) code: u8,
    pub(super) mark: u32,
    /// What the flow is translated to.
    pub(super) target: Option<Target>,
}

impl Answer {
    /// Of a packet with this mark that no rule has met.
    const fn pass(mark: u32) -> Self {
        Self { decision: Decision::Accept, code: 0, mark, target: None }
    }
}

/// A ruleset, and what it keeps.
pub(super) struct Oracle<'a> {
    ruleset: &'a Ruleset,
    rules: u32,
    pub(super) counters: HashMap<u32, Traffic>,
    buckets: HashMap<*const Check, Bucket>,
    turns: HashMap<*const Check, u32>,
}

/// A bucket as xt_limit keeps it: credit, and when it was last reckoned.
struct Bucket {
    credit: u64,
    before: u64,
}

impl<'a> Oracle<'a> {
    pub(super) fn new(ruleset: &'a Ruleset) -> Self {
        let rules = programs(ruleset).flat_map(|(_, rules)| rules).map(|rule| rule.counter + 1);
        let programs = Family::ALL.into_iter().filter_map(|family| ruleset.program(family));
        let policies =
            programs.flat_map(Program::legs).filter_map(|leg| leg.counter).map(|counter| counter + 1);
        Self {
            ruleset,
            rules: rules.chain(policies).max().unwrap_or(0),
            counters: HashMap::new(),
            buckets: HashMap::new(),
            turns: HashMap::new(),
        }
    }

    pub(super) fn classify(&mut self, packet: &Packet, world: &mut World) -> Answer {
        let mut answer = Answer::pass(packet.mark);
        let Some(program) = self.ruleset.program(packet.family) else { return answer };
        for leg in program.base(packet.chain).into_iter().flat_map(|base| &base.legs) {
            let mut seen = Packet { mark: answer.mark, ..packet.clone() };
            seen.values.extend(leg.unknown.iter().map(|dimension| (*dimension, 0)));
            answer = self.leg(program, leg, &seen, world);
            if answer.decision != Decision::Accept || answer.target.is_some() {
                break;
            }
        }
        answer
    }

    fn leg(&mut self, program: &Program, leg: &Leg, packet: &Packet, world: &mut World) -> Answer {
        let mut mark = packet.mark;
        let mut stack: Vec<&[Rule]> = Vec::new();
        let mut rest: &[Rule] = leg.chain.map_or(&[], |chain| &program.chains[chain.0].rules);
        loop {
            let Some((rule, later)) = rest.split_first() else {
                match stack.pop() {
                    Some(back) => rest = back,
                    None => break,
                }
                continue;
            };
            rest = later;
            if !rule.conditions.iter().all(|condition| self.holds(condition, packet, mark, world)) {
                continue;
            }
            self.count(rule.counter, packet, world);
            let (decision, code) = match rule.action {
                Action::Accept => (Decision::Accept, 0),
                Action::Drop => (Decision::Drop, 0),
                Action::Reject(code) => (Decision::Reject, code),
                Action::Return => {
                    match stack.pop() {
                        Some(back) => rest = back,
                        None => break,
                    }
                    continue;
                }
                Action::Jump(chain) => {
                    stack.push(later);
                    rest = &program.chains[chain.0].rules;
                    continue;
                }
                Action::Goto(chain) => {
                    rest = &program.chains[chain.0].rules;
                    continue;
                }
                Action::Log(id) => {
                    world.log(id, 0, mark);
                    continue;
                }
                Action::SetMark { value, mask } => {
                    mark = (mark & !mask) ^ value;
                    continue;
                }
                Action::Translate(target) => {
                    let target = Some(self.ruleset.targets[target as usize]);
                    return Answer { target, ..Answer::pass(mark) };
                }
                Action::Continue => continue,
            };
            return Answer { decision, code, ..Answer::pass(mark) };
        }
        let own = counters::policy(self.rules, packet.chain.slot(packet.family));
        self.count(leg.counter.unwrap_or(own), packet, world);
        let decision = match leg.policy {
            Policy::Accept => Decision::Accept,
            Policy::Drop => Decision::Drop,
        };
        Answer { decision, ..Answer::pass(mark) }
    }

    /// What the compiled ruleset must have in its words of state, one for each check that keeps something.
    pub(super) fn state(&self, now: u64, words: &[u64]) -> Vec<u64> {
        let mut words = words.iter();
        let mut expected = Vec::new();
        for check in programs(self.ruleset).flat_map(|(_, rules)| rules).flat_map(checks) {
            match check {
                Check::Limit { full, .. } => {
                    let full = full.0;
                    let word = *words.next().unwrap();
                    let credit = match self.buckets.get(&std::ptr::from_ref(check)) {
                        Some(bucket) => (bucket.credit + (now - bucket.before)).min(full),
                        None => full,
                    };
                    // A full bucket may have any time in the past.
                    expected.push(if credit == full { word.min(now) } else { now + full - credit });
                }
                Check::Nth { every, packet, .. } => {
                    let word = *words.next().unwrap();
                    let last = every.get() - 1;
                    let drawn = self.turns.get(&std::ptr::from_ref(check)).copied();
                    let count = u64::from(drawn.unwrap_or(last - packet.min(&last)));
                    // It counts on where the oracle begins anew.
                    let agrees = word.wrapping_sub(1) % u64::from(every.get()) == count;
                    expected.push(if agrees { word } else { count });
                }
                Check::Mark { .. }
                | Check::Mac { .. }
                | Check::TcpOption { .. }
                | Check::Random { .. }
                | Check::External(_) => {}
            }
        }
        expected
    }

    fn holds(&mut self, condition: &Condition, packet: &Packet, mark: u32, world: &mut World) -> bool {
        match condition {
            Condition::Field(dimension, values) => values.contains(packet.values[dimension]),
            Condition::Either(alternatives) => alternatives.iter().any(|fields| {
                fields.iter().all(|(dimension, values)| values.contains(packet.values[dimension]))
            }),
            Condition::Check(check) => self.check(check, mark, world),
        }
    }

    fn check(&mut self, check: &Check, mark: u32, world: &mut World) -> bool {
        match check {
            Check::Mark { value, mask, inverted } => (mark & mask == *value) != *inverted,
            Check::Mac { address, inverted } => {
                let bytes = |mac: u64| mac.to_be_bytes()[2..] == *address;
                world.source_mac().is_some_and(|mac| bytes(mac) != *inverted)
            }
            Check::TcpOption { kind, inverted } => {
                world.has_tcp_option(*kind).is_some_and(|has| has != *inverted)
            }
            Check::Random { threshold, inverted } => (world.random() & 0x7fff_ffff < *threshold) != *inverted,
            Check::Nth { every, packet, inverted } => {
                let every = every.get() - 1;
                let count = self.turns.entry(check).or_insert(every - packet.min(&every));
                *count = if *count == every { 0 } else { *count + 1 };
                (*count == 0) != *inverted
            }
            Check::Limit { cost, full } => {
                let full = full.0;
                let bucket = self.buckets.entry(check).or_insert(Bucket { credit: full, before: world.now });
                bucket.credit = (bucket.credit + (world.now - bucket.before)).min(full);
                bucket.before = world.now;
                let has = bucket.credit >= cost.0;
                if has {
                    bucket.credit -= cost.0;
                }
                has
            }
            Check::External(external) => {
                let asked =
                    External { kind: external.kind, id: external.id, parameters: external.parameters, mark };
                (world.external(&asked) == classify::Answer::Yes) != external.inverted
            }
        }
    }

    fn count(&mut self, counter: u32, packet: &Packet, world: &mut World) {
        let traffic = self.counters.entry(counter).or_default();
        traffic.packets += 1;
        traffic.bytes += u64::from(packet.length);
        world.counted(counter);
    }
}

fn programs(ruleset: &Ruleset) -> impl Iterator<Item = (Family, Vec<&Rule>)> {
    Family::ALL
        .into_iter()
        .filter_map(|family| ruleset.program(family).map(|program| (family, program.rules().collect())))
}

fn checks(rule: &Rule) -> impl Iterator<Item = &Check> {
    rule.conditions.iter().filter_map(|condition| match condition {
        Condition::Check(check) => Some(check),
        Condition::Field(..) | Condition::Either(_) => None,
    })
}

/// All built-in chains of all families that have rules.
pub(super) fn slots(ruleset: &Ruleset) -> Vec<(Family, BuiltIn)> {
    programs(ruleset).flat_map(|(family, _)| BuiltIn::ALL.map(|chain| (family, chain))).collect()
}

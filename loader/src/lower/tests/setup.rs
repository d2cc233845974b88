//! Rules from text, lowered, compiled, and held against the oracle.

use berth_common::{
    abi::rules::{BuiltIn, chain::SLOTS, counters, interface, target::Target},
    engine::classify::{State, classify},
    memory::Ruleset as Memory,
};

use super::{
    oracle::{Answer, JIFFY, Oracle},
    packet::Packet,
};
use crate::{
    compile::{
        compile,
        input::Family,
        tests::{agreement::BOUNDS, world::World},
    },
    lower::{LowerError, Lowered, Names, Place, Source, Spot, lower},
    rules::{self, chain::ChainName, hook::Hook, parse::parse, ruleset::Ruleset, table::TableName},
};

/// The interfaces and sets that there are.
pub(super) fn names() -> Names {
    let named =
        [("eth0", interface::OWN), ("lo", interface::LOOPBACK), ("eth1", 7), ("veth-long-name1", 900)];
    let sets =
        [("hosts", 7, None), ("pairs", 9, None), ("services", 10, None), ("v4", 11, Some(Family::Ipv4))];
    Names {
        interfaces: named.map(|(name, number)| (name.to_owned(), number)).to_vec(),
        sets: sets.map(|(name, number, family)| (name.to_owned(), number, family)).to_vec(),
    }
}

/// A text's ruleset.
pub(super) fn parsed(family: Family, text: &str) -> Ruleset {
    let family = match family {
        Family::Ipv4 => rules::family::Family::Ipv4,
        Family::Ipv6 => rules::family::Family::Ipv6,
    };
    parse(family, text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// A ruleset lowered alone.
pub(super) fn lowered(ruleset: &Ruleset) -> Result<Lowered, LowerError> {
    let source = match ruleset.family {
        rules::family::Family::Ipv4 => Source { ipv4: Some(ruleset), ipv6: None },
        rules::family::Family::Ipv6 => Source { ipv4: None, ipv6: Some(ruleset) },
    };
    lower(&source, &names())
}

/// A ruleset both ways.
pub(super) struct Both<'a> {
    pub(super) oracle: Oracle<'a>,
    pub(super) lowered: Lowered,
    pub(super) memory: Memory,
    names: Names,
}

impl<'a> Both<'a> {
    /// Nothing if the compiler finds the rules too many.
    pub(super) fn new(ruleset: &'a Ruleset, lowered: Lowered) -> Option<Self> {
        let compiled = compile(&lowered.ruleset, &BOUNDS).ok()?;
        let memory = Memory::new(&compiled.lines).unwrap();
        Some(Self { oracle: Oracle::new(ruleset), lowered, memory, names: names() })
    }

    /// What becomes of a packet, if both agree on it, on what was counted, and on what was reported.
    pub(super) fn ask(&mut self, packet: &Packet, now: u64, entropy: u64) -> Result<Answer, String> {
        let described = packet.described(&self.names);
        let world = World::new(&described, now, entropy);
        let (mut own, mut theirs) = (world.clone(), world);
        self.oracle.counted.clear();
        self.oracle.reported.clear();
        let expected = self.oracle.classify(packet, &mut theirs);
        let outcome = classify(&&self.memory, &mut own, &described.question(), &mut { State::EMPTY });
        let target = (outcome.target != 0).then(|| {
            self.memory.constant(outcome.target).and_then(Target::from_line).expect("a target's line")
        });
        let answer = Answer { decision: outcome.decision, code: outcome.code, mark: outcome.mark, target };
        if answer != expected {
            return Err(format!("{answer:?} instead of {expected:?} for {packet:?}"));
        }
        let counted: Vec<Place> = own.counted.iter().map(|counter| self.place(*counter)).collect();
        // Without a table filter there is no policy of it that anybody could read.
        let counted: Vec<Place> = counted.into_iter().filter(|place| self.is_there(place)).collect();
        if counted != self.oracle.counted {
            return Err(format!("{counted:?} instead of {:?} for {packet:?}", self.oracle.counted));
        }
        let reported = own.log.iter().map(|(id, mark)| {
            let spec = self.lowered.logs.get(*id as usize).unwrap();
            (spec.report.clone(), *mark)
        });
        if !reported.eq(self.oracle.reported.iter().cloned()) {
            return Err(format!("{:?} was reported of {packet:?}", own.log));
        }
        if own.entropy != theirs.entropy {
            return Err(format!("chance was asked more or less often of {packet:?}"));
        }
        Ok(answer)
    }

    /// How many packets and bytes each place has counted, if both agree on it.
    pub(super) fn compare_counters(&self) -> Result<(), String> {
        for counter in 0..self.memory.header().rules + SLOTS {
            let Some(traffic) = self.memory.counter(counter).filter(|traffic| traffic.packets > 0) else {
                continue;
            };
            let place = self.place(counter);
            let expected = self.oracle.counters.get(&place);
            if expected != Some(&traffic) && self.is_there(&place) {
                return Err(format!("{place} has {traffic:?} instead of {expected:?}"));
            }
        }
        Ok(())
    }

    /// What counts there: a rule or policy of the ruleset, or a policy of filter, whose counters the header has.
    fn place(&self, counter: u32) -> Place {
        if let Some(place) = self.lowered.counters.get(counter as usize) {
            return place.clone();
        }
        let rules = self.memory.header().rules;
        for family in Family::ALL {
            for (chain, hook) in BuiltIn::FILTER.into_iter().zip([Hook::Input, Hook::Output, Hook::Forward]) {
                if counter == counters::policy(rules, chain.slot(family)) {
                    let chain = ChainName::of(hook);
                    return Place { family, table: TableName::Filter, chain, spot: Spot::Policy };
                }
            }
        }
        panic!("nothing counts in {counter}");
    }

    fn is_there(&self, place: &Place) -> bool {
        self.oracle.has(place.table)
    }
}

/// Whether a packet agrees with a rule of filter, or of nat, which stands in the chain that the packet meets.
pub(super) fn agrees(rule: &str, packet: &Packet) -> bool {
    let chain = match packet.chain {
        BuiltIn::NatPrerouting => "PREROUTING",
        BuiltIn::Input | BuiltIn::NatInput => "INPUT",
        BuiltIn::Output | BuiltIn::NatOutput => "OUTPUT",
        BuiltIn::Forward => "FORWARD",
        BuiltIn::NatPostrouting => "POSTROUTING",
    };
    let table = if packet.chain.is_nat() { TableName::Nat } else { TableName::Filter };
    let ruleset = parsed(packet.family, &format!("*{table}\n-A {chain} {rule}\nCOMMIT\n"));
    let lowered = lowered(&ruleset).unwrap_or_else(|error| panic!("{rule}: {error}"));
    let mut both = Both::new(&ruleset, lowered).unwrap();
    both.ask(packet, 1_000 * JIFFY, 1).unwrap_or_else(|difference| panic!("{rule}: {difference}"));
    both.memory.counter(0).unwrap().packets > 0
}

/// What makes another packet of the usual one.
pub(super) type Change = fn(&mut Packet);

/// Asserts which packets agree with a rule: those that are made by changing the usual one.
pub(super) fn check(family: Family, rule: &str, packets: &[(Change, bool)]) {
    for ((change, expected), number) in packets.iter().zip(1..) {
        let mut packet = Packet::new(family);
        change(&mut packet);
        assert_eq!(agrees(rule, &packet), *expected, "{rule}: packet {number}: {packet:?}");
    }
}

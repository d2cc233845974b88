//! What rules cost a packet, by `BPF_PROG_TEST_RUN`.

use anyhow::{Context, Result, ensure};
use berth_common::abi::{container::Mode, rules::chain::SLOTS};
use serde::Serialize;

use super::super::samples::{Samples, Summary};
use super::super::tuple::Tuple;
use super::super::turnstile::{Target, Turnstile};
use super::guest::{Guest, Node, TO};
use super::ruleset::{self, Kind, Rules};

/// How many runs make one measurement.
const RUNS: u32 = 1 << 18;
/// Most different packets of a case.
const MANY: usize = 1 << 10;

/// One kind of packet and one number of rules, measured.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// Whether rules know of flows.
    pub kind: Kind,
    /// Which packets.
    #[serde(rename = "case")]
    pub name: &'static str,
    /// How many rules; of the container.
    pub rules: usize,
    /// Bytes of the compiled rules.
    pub bytes: usize,
    /// Nanoseconds above those of an empty program.
    pub ns: Summary,
    /// Nanoseconds of it that the rules add: above what the same packets cost without any.
    pub added: Summary,
}

/// Containers of one kind with some rules, and one without.
struct Column {
    rules: usize,
    bytes: usize,
    with: Guest,
    without: Guest,
    cases: Vec<Case>,
}

/// Packets, and who is to count them.
struct Case {
    name: &'static str,
    packets: Vec<Tuple>,
    /// Whether the container has answered before.
    answered: bool,
    counted: Counted,
    turnstile: Turnstile,
    total: Samples,
    added: Samples,
}

/// By whom packets are to be counted.
#[derive(Clone, Copy)]
enum Counted {
    Rule(usize),
    AnyRule,
    Policy,
}

/// Measures with each number of rules, of either kind.
pub fn measure(numbers: &[usize], rounds: u32, seed: u64) -> Result<Vec<Cost>> {
    let mut node = Node::load()?;
    let mut columns = Vec::new();
    for kind in [Kind::Stateless, Kind::Stateful, Kind::Kept] {
        for &number in numbers {
            columns.push((kind, Column::new(&mut node, kind, number, seed)?));
        }
    }
    for round in 0..=rounds {
        for (kind, column) in &mut columns {
            node.keep_verdicts(*kind == Kind::Kept)?;
            // The first round warms up.
            column.measure(&mut node, round > 0)?;
        }
    }
    Ok(columns.into_iter().flat_map(|(kind, column)| column.costs(kind)).collect())
}

impl Column {
    fn new(node: &mut Node, kind: Kind, number: usize, seed: u64) -> Result<Self> {
        let rules = Rules::new(kind, number, seed);
        let compiled = ruleset::compiled(&ruleset::lowered(&ruleset::read(&rules.text)?)?)?;
        let mode = match kind {
            Kind::Stateless => Mode::Stateless,
            Kind::Stateful | Kind::Kept => Mode::Stateful,
        };
        Ok(Self {
            rules: number,
            bytes: compiled.report.bytes,
            with: node.add(mode, &compiled.lines)?,
            without: node.add(mode, &[])?,
            cases: cases(node, kind, &rules)?,
        })
    }

    /// One round.
    fn measure(&mut self, node: &mut Node, counts: bool) -> Result<()> {
        for case in &mut self.cases {
            let frame = case.packets.first().context("no packets")?.frame()?;
            let empty = case.turnstile.run(Target::Empty, &frame, RUNS)?;
            let mut taken = [0.0; 2];
            for (taken, guest) in taken.iter_mut().zip([&self.without, &self.with]) {
                node.select(guest)?;
                case.prepare(node)?;
                let before = (guest.counted()?, node.flows(guest)?);
                *taken = case.turnstile.run(Target::Measured, &frame, RUNS)?;
                case.check(&before.0, &guest.counted()?)?;
                ensure!(node.flows(guest)? == before.1, "a flow was opened that should not have been");
            }
            let [without, with] = taken;
            if counts {
                case.total.add(with - empty);
                case.added.add(with - without);
            }
        }
        Ok(())
    }

    fn costs(self, kind: Kind) -> Vec<Cost> {
        let Self { rules, bytes, cases, .. } = self;
        let cost = |case: Case| {
            let (ns, added) = (case.total.summary()?, case.added.summary()?);
            Some(Cost { kind, name: case.name, rules, bytes, ns, added })
        };
        cases.into_iter().filter_map(cost).collect()
    }
}

/// What is measured: add a line for another kind of packets.
fn cases(node: &Node, kind: Kind, rules: &Rules) -> Result<Vec<Case>> {
    let states = kind.states();
    let aimed = rules.packets.len();
    let many = (0..MANY).filter_map(|number| rules.packets.get(number * aimed / MANY)).copied().collect();
    let one = |packet: Option<&Tuple>| packet.copied().context("no rules");
    let last = Counted::Rule(states + aimed - 1);
    let mut cases = vec![
        Case::new(node, "last rule", vec![one(rules.packets.last())?], last)?,
        Case::new(node, "none, policy", vec![ruleset::stranger()], Counted::Policy)?,
        Case::new(node, "any rule, 1,024 packets", many, Counted::AnyRule)?,
    ];
    let first = match kind {
        Kind::Stateless => {
            Case::new(node, "first rule", vec![one(rules.packets.first())?], Counted::Rule(0))?
        }
        // Not that packet: its flow is to be new in the case above.
        Kind::Stateful | Kind::Kept => Case::established(node)?,
    };
    cases.insert(0, first);
    Ok(cases)
}

impl Case {
    fn new(node: &Node, name: &'static str, packets: Vec<Tuple>, counted: Counted) -> Result<Self> {
        let turnstile = Turnstile::of(node.object().program(TO)?, &packets)?;
        let (total, added) = (Samples::default(), Samples::default());
        Ok(Self { name, packets, answered: false, counted, turnstile, total, added })
    }

    /// Packets of a flow that the container has answered.
    fn established(node: &Node) -> Result<Self> {
        let stranger = ruleset::stranger();
        let mut packet = stranger;
        packet.destination.set_port(stranger.destination.port() + 1);
        let case = Self::new(node, "first rule, established", vec![packet], Counted::Rule(0))?;
        Ok(Self { answered: true, ..case })
    }

    /// Opens the flows, where packets have some.
    fn prepare(&self, node: &Node) -> Result<()> {
        let frame = self.packets.first().context("no packets")?.frame()?;
        self.turnstile.run(Target::Measured, &frame, u32::try_from(self.packets.len())?)?;
        if self.answered {
            for packet in &self.packets {
                node.send(&packet.reversed())?;
            }
        }
        Ok(())
    }

    /// Whether all packets were counted by those who should.
    fn check(&self, before: &[u64], after: &[u64]) -> Result<()> {
        let counted: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
        let Some(rules) = counted.len().checked_sub(SLOTS as usize) else { return Ok(()) };
        let by = match self.counted {
            Counted::Rule(number) => counted.get(number).copied().unwrap_or(0),
            Counted::AnyRule => counted.iter().take(rules).sum(),
            Counted::Policy => counted.iter().skip(rules).sum(),
        };
        ensure!(by == u64::from(RUNS), "{}: {by} of {RUNS} packets were counted there", self.name);
        Ok(())
    }
}

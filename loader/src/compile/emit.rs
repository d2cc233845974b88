//! From rules to lines.

use berth_common::abi::rules::{
    self as abi, BuiltIn, Family, LINE_BYTES, WORDS, chain::SLOTS, check::CHECK_WORDS, counters,
    entry::ENTRY_WORDS, header::Header, node::MAX_DEPTH, reference::Reference,
};

use super::{
    Bounds, CompileError, Compiled, Origin, Report, Role, Root,
    blocks::{Bits, Vector},
    flatten::{self, Budget, Entry},
    graph,
    input::{Check, Leg, Policy, Program, Ruleset, Target},
    lines::Lines,
    partition::Space,
    plan::{self, Plan},
    prepare::Prepared,
    record,
    steps::{self, Choices},
    table,
    vector::Vectors,
};

/// Most counters of source rules.
const MAX_COUNTERS: u32 = 1 << 18;

/// Compiles a ruleset.
pub(super) fn emit(ruleset: &Ruleset, bounds: &Bounds) -> Result<Compiled, CompileError> {
    let mut checks = Vec::new();
    let mut programs = Vec::new();
    let mut rules = 0;
    for family in Family::ALL {
        let Some(program) = ruleset.program(family) else {
            continue;
        };
        graph::check(program)?;
        rules += program.rules().count();
        programs.push((family, Prepared::new(program, family, &mut checks)));
    }
    let counters = count_counters(ruleset)?;
    let mut emitter = Emitter::new(counters, checks, &ruleset.targets, *bounds);
    let mut budget = Budget { rules, limit: bounds.entries(rules), used: 0 };
    for (family, program) in &programs {
        for (chain, base) in &program.bases {
            let own = counters::policy(counters, chain.slot(*family));
            let entries = flatten::flatten(program, base, own, &mut budget)?;
            let policy =
                base.last().map_or((Policy::Accept, own), |leg| (leg.policy, leg.counter.unwrap_or(own)));
            emitter.root(*family, *chain, policy, &entries)?;
        }
    }
    emitter.finish(rules)
}

fn count_counters(ruleset: &Ruleset) -> Result<u32, CompileError> {
    let programs: Vec<&Program> =
        Family::ALL.into_iter().filter_map(|family| ruleset.program(family)).collect();
    let rules = programs.iter().flat_map(|program| program.rules()).map(|rule| rule.counter);
    let policies = programs.iter().flat_map(|program| program.legs()).filter_map(|leg: &Leg| leg.counter);
    let last = rules.chain(policies).max();
    let count = last.map_or(0, |last| u64::from(last) + 1);
    u32::try_from(count)
        .ok()
        .filter(|count| *count <= MAX_COUNTERS)
        .ok_or(CompileError::TooManyCounters { count, limit: MAX_COUNTERS })
}

struct Emitter<'a> {
    bounds: Bounds,
    lines: Lines,
    /// How many counters the rules have.
    counters: u32,
    checks: Vec<&'a Check>,
    /// Where targets are.
    targets: Vec<u32>,
    roots: [Option<abi::root::Root>; SLOTS as usize],
    report: Vec<Root>,
}

/// Behind the header come one line for each slot's root, and then the checks.
pub(super) const FIRST_CHECK: usize = 1 + SLOTS as usize;

impl<'a> Emitter<'a> {
    fn new(counters: u32, checks: Vec<&'a Check>, targets: &[Target], bounds: Bounds) -> Self {
        let reserved = FIRST_CHECK + (checks.len() * CHECK_WORDS).div_ceil(WORDS);
        let mut lines = Lines::new(reserved);
        let targets = targets.iter().map(|target| lines.share(&target.to_line())).collect();
        Self { bounds, lines, counters, checks, targets, roots: [None; SLOTS as usize], report: Vec::new() }
    }

    /// Everything of one built-in chain.
    fn root(
        &mut self,
        family: Family,
        chain: BuiltIn,
        (policy, counter): (Policy, u32),
        entries: &[Entry],
    ) -> Result<(), CompileError> {
        let mut space = Space::new(family, entries);
        let plans = plan::plan(&mut space);
        let tables = self.tables(&mut space, &plans)?;
        let limit = self.bounds.steps();
        let steps = steps(&space, &plans, &tables, limit);
        if steps > limit {
            return Err(CompileError::TooManySteps { family, chain, needed: steps, limit });
        }
        let slot = chain.slot(family);
        let mut words = Vec::with_capacity((entries.len() + 1) * ENTRY_WORDS);
        for entry in entries {
            words.extend(record::entry(entry, &self.targets)?);
        }
        words.extend(record::policy(policy, counter, entries.len()));
        let first = self.append(&words);
        if let Some(root) = self.roots.get_mut(slot as usize) {
            let starts = tables.iter().map(|table| table.start);
            *root = Some(record::root(entries.len(), &plans, starts, first));
        }
        let origins = entries.iter().map(|entry| Origin { counter: entry.counter, role: entry.role });
        self.report.push(Root {
            family,
            chain,
            steps,
            tables: plans.len(),
            lookups: tables.iter().map(|table| table.depth).sum(),
            origins: origins.chain([Origin { counter, role: Role::Policy }]).collect(),
        });
        Ok(())
    }

    fn tables(&mut self, space: &mut Space<'_>, plans: &[Plan]) -> Result<Vec<Table>, CompileError> {
        let mut tables = Vec::with_capacity(plans.len());
        for plan in plans {
            let mut vectors = Vectors::new(&mut self.lines, space, &plan.pivots);
            let node = table::build(&plan.dimensions, &mut vectors);
            let (start, depth) = node.map_or((Reference::NONE, 0), |node| (node.reference, node.depth));
            tables.push(Table { start, depth, vectors: vectors.into_written() });
            if depth > MAX_DEPTH {
                return Err(CompileError::TooManyLookups { needed: depth, limit: MAX_DEPTH });
            }
            self.check_size()?;
        }
        Ok(tables)
    }

    fn append(&mut self, words: &[u64]) -> u32 {
        let lines: Vec<_> = words.chunks(WORDS).map(|words| abi::line(words, &[])).collect();
        self.lines.append(&lines)
    }

    fn check_size(&self) -> Result<(), CompileError> {
        let (needed, limit) = (self.lines.count() * LINE_BYTES, self.bounds.bytes());
        if needed > limit { Err(CompileError::TooLarge { needed, limit }) } else { Ok(()) }
    }

    /// Counters, checks and their state, roots, and the header.
    fn finish(mut self, rules: usize) -> Result<Compiled, CompileError> {
        let counter_lines = vec![[0; WORDS]; counters::lines(self.counters) as usize];
        let base = self.lines.append(&counter_lines);
        let counters = self.lines.append(&counter_lines);
        self.write_checks();
        let mut header = Header {
            generation: 0,
            roots: [0; SLOTS as usize],
            base,
            counters,
            rules: self.counters,
            lines: self.lines.next(),
        };
        for ((number, root), place) in (1_u16..).zip(self.roots).zip(&mut header.roots) {
            if let Some(root) = root {
                let shape = abi::root::Shape { counters, ..root.shape };
                let root = abi::root::Root { shape, ..root };
                self.lines.put(number.into(), &root.to_line());
                *place = number;
            }
        }
        self.lines.put(0, &header.to_line());
        self.check_size()?;
        let report = Report { rules, bytes: self.lines.count() * LINE_BYTES, roots: self.report };
        Ok(Compiled { lines: self.lines.finish(), header, report })
    }

    /// Writes the checks to where room was left for them, and what they keep to the end.
    fn write_checks(&mut self) {
        let first_state = self.lines.count() * WORDS;
        let mut state = Vec::new();
        let mut words = Vec::new();
        for check in &self.checks {
            let (record, begins) = record::check(check, first_state + state.len());
            words.extend(record);
            state.extend(begins);
        }
        for (number, words) in words.chunks(WORDS).enumerate() {
            self.lines.put(FIRST_CHECK + number, words);
        }
        self.append(&state);
    }
}

/// A table that was written.
struct Table {
    start: Reference,
    depth: u32,
    vectors: Vec<Vector>,
}

fn steps(space: &Space<'_>, plans: &[Plan], tables: &[Table], limit: u32) -> u32 {
    let goes_on = Bits::of(space.entries, Entry::goes_on);
    if goes_on.count() == 0 {
        return 0;
    }
    let words = |vector: &Vector| space.blocks.words(vector).collect();
    let choices: Vec<Choices<'_>> = plans
        .iter()
        .zip(tables)
        .map(|(plan, table)| Choices {
            vectors: table.vectors.iter().map(words).collect(),
            pivots: &plan.pivots,
        })
        .collect();
    steps::bound(&goes_on, &choices, limit)
}

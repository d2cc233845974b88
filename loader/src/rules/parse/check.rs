//! Whether the rules of a table can stand where they are.

use std::collections::VecDeque;

use super::{
    draft::{ChainDraft, Draft, Placed, Spot},
    errors::Errors,
};
use crate::rules::{
    hook::{Hook, Hooks},
    piece::Piece,
    problem::Problem,
    table::TableName,
};

/// Checks every rule of a table against the table, and against the hooks from which packets come to it.
pub(super) fn check(draft: &Draft, errors: &mut Errors) {
    let graph = Graph::of(draft);
    circles(draft, &graph, errors);
    for (chain, hooks) in draft.chains.iter().zip(reached(draft, &graph)) {
        for placed in &chain.rules {
            interfaces(chain, placed, errors);
            modules(draft.name, hooks, placed, errors);
        }
    }
}

/// For each chain the chains that its rules lead to, with the place of the rule.
struct Graph(Vec<Vec<(usize, usize)>>);

impl Graph {
    fn of(draft: &Draft) -> Self {
        let edges = |chain: &ChainDraft| {
            let leads = |(index, placed): (usize, &Placed)| {
                Some((draft.place(placed.rule.leads_to()?.as_str())?, index))
            };
            chain.rules.iter().enumerate().filter_map(leads).collect()
        };
        Self(draft.chains.iter().map(edges).collect())
    }

    fn edges(&self, chain: usize) -> &[(usize, usize)] {
        self.0.get(chain).map_or(&[], Vec::as_slice)
    }
}

/// The hooks from which packets come to each chain.
fn reached(draft: &Draft, graph: &Graph) -> Vec<Hooks> {
    let hooks = |chain: &ChainDraft| chain.base.map_or(Hooks::default(), |base| Hooks::of(&[base.hook]));
    let mut reached: Vec<Hooks> = draft.chains.iter().map(hooks).collect();
    let mut waiting: VecDeque<usize> = (0..reached.len()).collect();
    while let Some(from) = waiting.pop_front() {
        let hooks = reached.get(from).copied().unwrap_or_default();
        for &(to, _) in graph.edges(from) {
            if let Some(known) = reached.get_mut(to).filter(|known| known.or(hooks) != **known) {
                *known = known.or(hooks);
                waiting.push_back(to);
            }
        }
    }
    reached
}

/// How far the search for circles has come with a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    New,
    Open,
    Done,
}

/// Tells each jump that closes a circle. Chains can be nested as deeply as there are chains, so that the search keeps its
/// way itself.
fn circles(draft: &Draft, graph: &Graph, errors: &mut Errors) {
    let mut visits = vec![Visit::New; draft.chains.len()];
    for start in 0..draft.chains.len() {
        if visits.get(start) != Some(&Visit::New) {
            continue;
        }
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        set(&mut visits, start, Visit::Open);
        while let Some((chain, next)) = way.last_mut() {
            let chain = *chain;
            let edge = graph.edges(chain).get(*next).copied();
            *next += 1;
            let Some((to, rule)) = edge else {
                set(&mut visits, chain, Visit::Done);
                way.pop();
                continue;
            };
            match visits.get(to) {
                Some(Visit::New) => {
                    set(&mut visits, to, Visit::Open);
                    way.push((to, 0));
                }
                Some(Visit::Open) => circle(draft, &way, to, (chain, rule), errors),
                Some(Visit::Done) | None => {}
            }
        }
    }
}

fn set(visits: &mut [Visit], chain: usize, visit: Visit) {
    if let Some(known) = visits.get_mut(chain) {
        *known = visit;
    }
}

fn circle(
    draft: &Draft,
    way: &[(usize, usize)],
    to: usize,
    (chain, rule): (usize, usize),
    errors: &mut Errors,
) {
    const MOST_TOLD: usize = 8;
    let name = |chain: usize| draft.chains.get(chain).map_or("", |chain| chain.name.as_str());
    let mut names: Vec<&str> =
        way.iter().map(|&(chain, _)| chain).skip_while(|&chain| chain != to).map(name).collect();
    if names.len() > MOST_TOLD {
        names.truncate(MOST_TOLD);
        names.push("…");
    }
    names.push(name(to));
    let placed = draft.chains.get(chain).and_then(|chain| chain.rules.get(rule));
    let spot = placed.and_then(|placed| placed.origin.as_ref()).and_then(|origin| origin.target.as_ref());
    let problem = Problem::Loop { way: names.join(" → ") };
    tell(placed, spot, name(to), problem, errors);
}

/// Interfaces that packets of a base chain cannot have.
fn interfaces(chain: &ChainDraft, placed: &Placed, errors: &mut Errors) {
    let Some(base) = chain.base else { return };
    let origin = placed.origin.as_deref();
    let input = || (origin.and_then(|origin| origin.input.as_ref()), "-i");
    let output = || (origin.and_then(|origin| origin.output.as_ref()), "-o");
    let header = &placed.rule.header;
    let (spot, option) = match base.hook {
        Hook::Prerouting | Hook::Input if header.output.is_some() => output(),
        Hook::Output | Hook::Postrouting if header.input.is_some() => input(),
        Hook::Prerouting | Hook::Input | Hook::Forward | Hook::Output | Hook::Postrouting => return,
    };
    tell(Some(placed), spot, option, Problem::NoInterface { hook: base.hook }, errors);
}

/// Matches and targets that are not for the table, or not for a hook from which packets come.
fn modules(table: TableName, hooks: Hooks, placed: &Placed, errors: &mut Errors) {
    let origin = placed.origin.as_deref();
    for (index, one) in placed.rule.matches.iter().enumerate() {
        let spot = origin.and_then(|origin| origin.matches.get(index));
        if let Some(problem) = misplaced((table, one.tables()), (hooks, one.hooks())) {
            tell(Some(placed), spot, one.name(), problem, errors);
        }
    }
    if let Some(target) = &placed.rule.target {
        let spot = origin.and_then(|origin| origin.target.as_ref());
        if let Some(problem) = misplaced((table, target.tables()), (hooks, target.hooks())) {
            tell(Some(placed), spot, target.name(), problem, errors);
        }
    }
}

fn misplaced((table, tables): (TableName, &[TableName]), (come, allowed): (Hooks, Hooks)) -> Option<Problem> {
    if !tables.contains(&table) {
        let tables = tables.iter().map(|table| table.name()).collect::<Vec<_>>().join(" and ");
        return Some(Problem::WrongTable { table, tables });
    }
    let hook = come.without(allowed).iter().next()?;
    let hooks = allowed.iter().filter(|hook| table.hooks().contains(hook));
    let hooks = hooks.map(Hook::name).collect::<Vec<_>>().join(", ");
    Some(Problem::WrongHook { hook, hooks })
}

/// Adds the error of a rule: where the text has it, or without a place if the rule was there before.
fn tell(placed: Option<&Placed>, spot: Option<&Spot>, name: &str, problem: Problem, errors: &mut Errors) {
    let line = placed.map_or(0, |placed| placed.rule.line);
    let piece = match spot {
        Some(spot) => Piece { text: &spot.text, column: spot.column },
        None => Piece { text: name, column: 1 },
    };
    errors.push(piece.wrong(problem), line);
}

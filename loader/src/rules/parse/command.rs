//! What a line does to a table.

use super::{
    draft::{ChainDraft, Draft, Placed, Spot},
    errors::Errors,
    line::{Command, Line},
    make,
    modules::Loaded,
    reader,
};
use crate::rules::{
    chain::Policy,
    counters::Counters,
    error::RuleError,
    family::Family,
    piece::{Piece, number},
    problem::Problem,
    rule::Rule,
    suggest::nearest,
    table::TableName,
    words::Word,
};

/// Runs the command of a line on a table.
pub(super) fn run(
    words: &[Word],
    number: u32,
    counters: Option<Counters>,
    family: Family,
    draft: &mut Draft,
    errors: &mut Errors,
) {
    let (line, mut wrong) = reader::read(words, family);
    if line.only.is_some_and(|only| only != family) {
        return;
    }
    let Some((option, command)) = line.command else {
        let first = words.first().filter(|_| wrong.is_empty());
        wrong.extend(first.map(|word| word.piece().wrong(Problem::NoCommand)));
        errors.extend(wrong, number);
        return;
    };
    match chain_of_rules(command) {
        Some(chain) => {
            let rules = make::rules(&line, number, counters, family, draft, &mut wrong);
            // Where the rule is wrong the chain may be too.
            let done = if wrong.is_empty() {
                edit(draft, option, command, rules)
            } else {
                draft.named(chain).map(|_| ())
            };
            wrong.extend(done.err());
        }
        None if wrong.is_empty() => {
            wrong.extend(lone(&line).and_then(|()| edit(draft, option, command, Vec::new())).err());
        }
        None => {}
    }
    errors.extend(wrong, number);
}

/// The chain whose rules a command changes by a rule beside it.
fn chain_of_rules(command: Command<'_>) -> Option<Piece<'_>> {
    match command {
        Command::Append(chain)
        | Command::Insert(chain, _)
        | Command::Delete(chain)
        | Command::Replace(chain, _) => Some(chain),
        Command::DeleteNumber(..)
        | Command::NewChain(_)
        | Command::DeleteChain(_)
        | Command::Policy(..)
        | Command::Flush(_)
        | Command::Zero(..) => None,
    }
}

fn edit(
    draft: &mut Draft,
    option: Piece<'_>,
    command: Command<'_>,
    rules: Vec<Placed>,
) -> Result<(), RuleError> {
    match command {
        Command::Append(chain) => draft.insert(chain, None, rules),
        Command::Insert(chain, None) => insert(draft, chain, 1, rules),
        Command::Insert(chain, Some(at)) => {
            let count = draft.named(chain)?.rules.len();
            // One behind the last is the end.
            insert(draft, chain, rule_number(at, count + 1, count)?, rules)
        }
        Command::Delete(chain) => rules.iter().try_for_each(|placed| remove(draft, chain, &placed.rule)),
        Command::DeleteNumber(chain, at) => {
            let number = existing(draft, chain, at)?;
            draft.take(chain, number)
        }
        Command::Replace(chain, at) => {
            let number = existing(draft, chain, at)?;
            if rules.len() > 1 {
                return Err(at.wrong(Problem::ReplaceBySeveral));
            }
            draft.take(chain, number)?;
            draft.insert(chain, Some(number), rules)
        }
        Command::NewChain(chain) => draft.add(chain),
        Command::DeleteChain(Some(chain)) => draft.remove(chain),
        Command::DeleteChain(None) => {
            let own: Vec<Spot> = draft
                .chains
                .iter()
                .filter(|chain| chain.base.is_none())
                .map(|chain| Spot { text: chain.name.as_str().to_owned(), column: 1 })
                .collect();
            own.iter().try_for_each(|chain| draft.remove(Piece { text: &chain.text, column: chain.column }))
        }
        Command::Policy(chain, policy) => set_policy(draft, chain, policy, None),
        Command::Flush(chain) => draft.flush(option, chain),
        Command::Zero(None, _) => {
            draft.spend(option, draft.chains.len() + draft.count)?;
            draft.chains.iter_mut().for_each(zero);
            Ok(())
        }
        Command::Zero(Some(chain), None) => {
            draft.spend(option, draft.count)?;
            zero(draft.named(chain)?);
            Ok(())
        }
        Command::Zero(Some(chain), Some(at)) => {
            let number = existing(draft, chain, at)?;
            if let Some(placed) = draft.named(chain)?.rules.get_mut(number - 1) {
                placed.rule.counters = Some(Counters::default());
            }
            Ok(())
        }
    }
}

/// Sets a base chain's policy, and what it has counted if that is said.
pub(super) fn set_policy(
    draft: &mut Draft,
    name: Piece<'_>,
    policy: Piece<'_>,
    counters: Option<Counters>,
) -> Result<(), RuleError> {
    let table = draft.name;
    let Some(base) = &mut draft.named(name)?.base else {
        let chains = table.hooks().iter().map(|hook| hook.name()).collect::<Vec<_>>().join(", ");
        return Err(name.wrong(Problem::PolicyOfUserChain { table, chains }));
    };
    base.policy = Policy::by_name(policy.text)
        .ok_or_else(|| policy.wrong(Problem::UnknownPolicy).or(nearest(policy.text, ["ACCEPT", "DROP"])))?;
    base.counters = counters.unwrap_or(base.counters);
    if table == TableName::Nat && base.policy == Policy::Drop {
        return Err(policy.wrong(Problem::DropInNat));
    }
    Ok(())
}

/// Whether nothing stands beside the command.
fn lone(line: &Line<'_>) -> Result<(), RuleError> {
    let stray = [
        line.sources.as_ref().map(|networks| networks.option),
        line.destinations.as_ref().map(|networks| networks.option),
        line.input.as_ref().map(|(option, _)| *option),
        line.output.as_ref().map(|(option, _)| *option),
        line.protocol.as_ref().map(|(option, _)| *option),
        line.target.as_ref().map(|(_, name)| *name),
        line.loaded.first().map(name),
    ];
    let command = line.command.as_ref().map(|(option, _)| *option);
    match (stray.into_iter().flatten().next(), command) {
        (Some(_), Some(command)) => Err(command.wrong(Problem::NotWithCommand)),
        (Some(_) | None, _) => Ok(()),
    }
}

fn name<'a>(loaded: &Loaded<'a>) -> Piece<'a> {
    match loaded {
        Loaded::Match(asked) => asked.requested.name,
        Loaded::Target(asked) => asked.requested.name,
    }
}

/// Each rule of a list goes to the same place, so that the last comes first, as for iptables.
fn insert(
    draft: &mut Draft,
    chain: Piece<'_>,
    number: usize,
    mut rules: Vec<Placed>,
) -> Result<(), RuleError> {
    rules.reverse();
    draft.insert(chain, Some(number), rules)
}

fn remove(draft: &mut Draft, chain: Piece<'_>, rule: &Rule) -> Result<(), RuleError> {
    let number = draft.find(chain, rule)?;
    draft.take(chain, number)
}

/// The number of a rule that the chain has.
fn existing(draft: &mut Draft, chain: Piece<'_>, at: Piece<'_>) -> Result<usize, RuleError> {
    let count = draft.named(chain)?.rules.len();
    rule_number(at, count, count)
}

fn rule_number(piece: Piece<'_>, last: usize, count: usize) -> Result<usize, RuleError> {
    number(piece.text)
        .and_then(|number| usize::try_from(number).ok())
        .filter(|number| (1..=last).contains(number))
        .ok_or_else(|| piece.wrong(Problem::NoSuchRule { count }))
}

fn zero(chain: &mut ChainDraft) {
    if let Some(base) = &mut chain.base {
        base.counters = Counters::default();
    }
    for placed in &mut chain.rules {
        placed.rule.counters = Some(Counters::default());
    }
}

//! Records: roots, entries and checks as words.
#![allow(
    clippy::cast_possible_truncation,
    reason = "all numbers are far below what their places hold, by the bounds on tables, entries, checks and lines"
)]

use berth_common::abi::rules::{
    self as abi, WORDS,
    check::{self, CHECK_WORDS},
    entry::{self, ENTRY_WORDS, NO_COUNTER},
    reference::Reference,
    root::{MAX_TABLES, Root, Shape},
};

use super::{
    CompileError,
    emit::FIRST_CHECK,
    flatten::Entry,
    input::{Action, Check, Policy},
    plan::Plan,
    vector::SMALL,
};

/// The root of a chain; where the counters are is found out later.
pub(super) fn root(
    entries: usize,
    plans: &[Plan],
    tables: impl Iterator<Item = Reference>,
    first: u32,
) -> Root {
    let mut starts = [Reference::NONE; MAX_TABLES as usize];
    for (place, start) in starts.iter_mut().zip(tables) {
        *place = start;
    }
    let shape = Shape {
        tables: plans.len() as u8,
        constant: plans.iter().filter(|plan| plan.constant).count() as u8,
        small: entries <= SMALL,
        entries: entries as u32,
        first,
        counters: 0,
    };
    Root { shape, starts }
}

/// An entry; `targets` is where targets are.
pub(super) fn entry(entry: &Entry, targets: &[u32]) -> Result<[u64; ENTRY_WORDS], CompileError> {
    let (kind, code, argument) = match entry.action {
        Action::Accept => (entry::ACCEPT, 0, 0),
        Action::Drop => (entry::DROP, 0, 0),
        Action::Reject(code) => (entry::REJECT, code, 0),
        Action::Return | Action::Jump(_) | Action::Goto(_) | Action::Continue => (entry::CONTINUE, 0, 0),
        Action::Log(id) => (entry::LOG, 0, u64::from(id)),
        Action::SetMark { value, mask } => (entry::MARK, 0, abi::pair(value, mask)),
        Action::Translate(target) => {
            let place = targets.get(target as usize).ok_or(CompileError::NoTarget(target))?;
            (entry::TRANSLATE, 0, u64::from(*place))
        }
    };
    let entry = entry::Entry {
        kind,
        code,
        flags: if entry.varies() { entry::VARIES } else { 0 },
        checks: entry.checks.count as u8,
        next: entry.next as u16,
        otherwise: entry.otherwise as u16,
        counter: if entry.role.counts() { entry.counter } else { NO_COUNTER },
        first_check: (FIRST_CHECK * WORDS / CHECK_WORDS + entry.checks.first) as u32,
        argument,
    };
    Ok(entry.to_words())
}

/// The policy, which stands behind so many entries.
pub(super) fn policy(policy: Policy, counter: u32, entries: usize) -> [u64; ENTRY_WORDS] {
    entry::Entry {
        kind: match policy {
            Policy::Accept => entry::ACCEPT,
            Policy::Drop => entry::DROP,
        },
        code: 0,
        flags: 0,
        checks: 0,
        next: entries as u16,
        otherwise: entries as u16,
        counter,
        first_check: 0,
        argument: 0,
    }
    .to_words()
}

/// A check whose state, if it has any, is at the word `place`; and what the state begins with.
pub(super) fn check(check: &Check, place: usize) -> ([u64; CHECK_WORDS], Option<u64>) {
    let (kind, inverted, [first, second], state) = match check {
        Check::Mark { value, mask, inverted } => {
            (check::MARK, *inverted, [abi::pair(*value, *mask), 0], None)
        }
        Check::Mac { address, inverted } => {
            let number = address.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            (check::MAC, *inverted, [number, 0], None)
        }
        Check::TcpOption { kind, inverted } => (check::TCP_OPTION, *inverted, [u64::from(*kind), 0], None),
        Check::Random { threshold, inverted } => (check::RANDOM, *inverted, [u64::from(*threshold), 0], None),
        Check::Nth { every, packet, inverted } => {
            let every = u64::from(every.get());
            (check::NTH, *inverted, [every, 0], Some(every - u64::from(*packet).min(every - 1)))
        }
        Check::Limit { cost, full } => {
            (check::LIMIT, false, [cost.0, full.0.saturating_sub(cost.0)], Some(0))
        }
        Check::External(external) => {
            let record = check::Check {
                kind: check::EXTERNAL,
                inverted: external.inverted,
                external: external.kind,
                place: external.id,
                parameters: external.parameters,
            };
            return (record.to_words(), None);
        }
    };
    let record = check::Check {
        kind,
        inverted,
        external: 0,
        place: if state.is_some() { place as u32 } else { 0 },
        parameters: [first, second, 0],
    };
    (record.to_words(), state)
}

//! Rules of what a line said.

use std::sync::Arc;

use super::{
    MAX_RULES,
    draft::{Draft, Origin, Placed},
    errors::Errors,
    line::{Line, Networks, Way},
    modules::{self, Loaded},
    reader,
};
use crate::rules::{
    condition::Condition,
    counters::Counters,
    error::RuleError,
    extension::Needs,
    family::Family,
    header::Header,
    piece::Piece,
    problem::Problem,
    rule::Rule,
    suggest::nearest,
    table::TableName,
    targets::{self, Target},
    unsupported,
    values::{network::Network, protocol::Protocol},
    words::Word,
};

/// The rules of words without a command.
pub(super) fn alone(words: &[Word], family: Family, draft: &Draft, errors: &mut Errors) -> Vec<Rule> {
    let (line, mut wrong) = reader::read(words, family);
    if line.only.is_some_and(|only| only != family) {
        return Vec::new();
    }
    if let Some((option, _)) = line.command {
        wrong.push(option.wrong(Problem::SecondCommand));
    }
    let placed = rules(&line, 0, None, family, draft, &mut wrong);
    errors.extend(wrong, 1);
    placed.into_iter().map(|placed| placed.rule).collect()
}

/// The rules that a line means: one for each pair of source and destination.
pub(super) fn rules(
    line: &Line<'_>,
    number: u32,
    counters: Option<Counters>,
    family: Family,
    draft: &Draft,
    errors: &mut Vec<RuleError>,
) -> Vec<Placed> {
    let mut origin = Origin::default();
    let mut matches = Vec::new();
    let mut module = None;
    for loaded in &line.loaded {
        match loaded {
            Loaded::Match(asked) => {
                if let Some(built) = asked.build(errors) {
                    errors.extend(needed(built.protocols(family), asked.requested.name, line).err());
                    matches.push(built);
                    origin.matches.push(asked.requested.name.into());
                }
            }
            Loaded::Target(asked) => {
                if let Some(built) = asked.build(errors) {
                    errors.extend(needed(built.protocols(family), asked.requested.name, line).err());
                    module = Some(built);
                }
            }
        }
    }
    let target = match line.target {
        None => None,
        Some((way, name)) => {
            origin.target = Some(name.into());
            match target(way, name, module, draft) {
                Ok(target) => target,
                Err(error) => {
                    errors.push(error);
                    None
                }
            }
        }
    };
    origin.input = line.input.as_ref().map(|(option, _)| (*option).into());
    origin.output = line.output.as_ref().map(|(option, _)| (*option).into());
    let counters = match line.counters {
        None => counters,
        Some((packets, bytes)) => match (count(packets), count(bytes)) {
            (Ok(packets), Ok(bytes)) => Some(Counters { packets, bytes }),
            (packets, bytes) => {
                errors.extend([packets.err(), bytes.err()].into_iter().flatten());
                None
            }
        },
    };
    // A short line can mean more rules than there is room for.
    let lists =
        [&line.sources, &line.destinations].map(|list| list.as_ref().map_or(1, |list| list.list.len()));
    if lists.iter().product::<usize>() > MAX_RULES {
        let option = line.sources.as_ref().map(|list| list.option);
        errors.extend(option.map(|option| option.wrong(Problem::TooManyRules { max: MAX_RULES })));
        return Vec::new();
    }
    let origin = Arc::new(origin);
    let header = Header {
        source: None,
        destination: None,
        input: line.input.as_ref().map(|(_, input)| input.clone()).filter(|input| !input.value.is_any()),
        output: line
            .output
            .as_ref()
            .map(|(_, output)| output.clone())
            .filter(|output| !output.value.is_any()),
        protocol: line.protocol.as_ref().map(|(_, protocol)| *protocol).filter(|p| p.value != Protocol::ALL),
        fragment: line.fragment,
    };
    let rule = Rule { line: number, counters, header, matches, target };
    spread(&rule, line, &origin)
}

fn spread(rule: &Rule, line: &Line<'_>, origin: &Arc<Origin>) -> Vec<Placed> {
    let mut all = Vec::new();
    for source in addresses(line.sources.as_ref()) {
        for destination in addresses(line.destinations.as_ref()) {
            let header = Header { source, destination, ..rule.header.clone() };
            let rule = Rule { header, ..rule.clone() };
            all.push(Placed { rule, origin: Some(Arc::clone(origin)) });
        }
    }
    all
}

/// The conditions of a list; one that is none if there is no list. Every address is no condition.
fn addresses(networks: Option<&Networks<'_>>) -> Vec<Option<Condition<Network>>> {
    match networks {
        None => vec![None],
        Some(networks) => {
            let condition = |&value: &Network| Condition { negated: networks.negated, value };
            networks.list.iter().map(|network| (!network.is_any()).then(|| condition(network))).collect()
        }
    }
}

fn count(piece: Piece<'_>) -> Result<u64, RuleError> {
    piece.number("counter", 0, u64::MAX)
}

/// Whether the rule names a protocol that a match or target needs.
fn needed(needs: Needs, name: Piece<'_>, line: &Line<'_>) -> Result<(), RuleError> {
    let named = line.protocol.as_ref().map(|(_, protocol)| *protocol);
    let met = named.is_some_and(|named| !named.negated && needs.protocols.contains(&named.value));
    if needs.protocols.is_empty() || met {
        return Ok(());
    }
    Err(name.wrong(Problem::NeedsProtocol { protocols: needs.options }))
}

/// What `-j` or `-g` means.
fn target(
    way: Way,
    name: Piece<'_>,
    module: Option<Target>,
    draft: &Draft,
) -> Result<Option<Target>, RuleError> {
    let chain = draft.chain(name.text);
    match chain {
        Some(chain) if chain.base.is_some() => return Err(name.wrong(Problem::BaseChain)),
        Some(chain) if way == Way::Goto => return Ok(Some(Target::Goto(chain.name.clone()))),
        Some(chain) => return Ok(Some(Target::Jump(chain.name.clone()))),
        None => {}
    }
    let own = || draft.chains.iter().filter(|chain| chain.base.is_none()).map(|chain| chain.name.as_str());
    if way == Way::Goto {
        return Err(name.wrong(Problem::GotoTarget).or(nearest(name.text, own())));
    }
    if modules::target_named(name.text).is_some() {
        return Ok(module);
    }
    if let Some((_, verdict)) = targets::VERDICTS.into_iter().find(|(known, _)| *known == name.text) {
        if draft.name == TableName::Nat && verdict == Target::Drop {
            return Err(name.wrong(Problem::DropInNat));
        }
        return Ok(Some(verdict));
    }
    if let Some(instead) = unsupported::of_target(name.text) {
        return Err(name.wrong(Problem::Unsupported { instead }));
    }
    let verdicts = targets::VERDICTS.iter().map(|(known, _)| *known);
    let modules = targets::MODULES.iter().map(|module| module.name);
    let near = nearest(name.text, own().chain(verdicts).chain(modules));
    Err(name.wrong(Problem::UnknownTarget { table: draft.name }).or(near))
}

//! A table while it is put together.

use std::{collections::HashMap, sync::Arc};

use super::{MAX_CHAINS, MAX_WORK};
use crate::rules::{
    chain::{Base, Chain, ChainName},
    error::RuleError,
    piece::Piece,
    problem::Problem,
    rule::Rule,
    suggest::nearest,
    table::{Table, TableName},
};

/// A table while it is put together: base chains first, those of the user in the order in which they came.
pub(super) struct Draft {
    /// Its name.
    pub name: TableName,
    /// Its chains.
    pub chains: Vec<ChainDraft>,
    /// How many rules they have.
    pub count: usize,
    places: HashMap<String, usize>,
    /// How many rules and chains its commands have moved or looked through.
    work: usize,
}

/// A chain while it is put together.
pub(super) struct ChainDraft {
    /// Its name.
    pub name: ChainName,
    /// What makes it a base chain.
    pub base: Option<Base>,
    /// Its rules.
    pub rules: Vec<Placed>,
}

/// A rule, and where its parts stand in the text.
#[derive(Clone)]
pub(super) struct Placed {
    /// The rule.
    pub rule: Rule,
    /// Where it stands; nothing for a rule that was there before.
    pub origin: Option<Arc<Origin>>,
}

/// Where the parts of a rule stand in the text.
#[derive(Debug, Default)]
pub(super) struct Origin {
    /// `-i`.
    pub input: Option<Spot>,
    /// `-o`.
    pub output: Option<Spot>,
    /// The names of the matches, in order.
    pub matches: Vec<Spot>,
    /// The name of the target.
    pub target: Option<Spot>,
}

/// A word and its column.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// The word.
    pub text: String,
    /// Its column.
    pub column: u32,
}

impl From<Piece<'_>> for Spot {
    fn from(piece: Piece<'_>) -> Self {
        Self { text: piece.text.to_owned(), column: piece.column }
    }
}

impl Draft {
    /// A table without rules.
    pub fn new(name: TableName) -> Self {
        Self::of(name, &Table::empty(name))
    }

    /// A table that is there already.
    pub fn of(name: TableName, table: &Table) -> Self {
        let placed = |rule: &Rule| Placed { rule: rule.clone(), origin: None };
        let chain = |chain: &Chain| ChainDraft {
            name: chain.name.clone(),
            base: chain.base,
            rules: chain.rules.iter().map(placed).collect(),
        };
        let chains = table.chains.iter().map(chain).collect();
        let mut draft = Self { name, chains, count: table.entries(), places: HashMap::new(), work: 0 };
        draft.find_places();
        draft
    }

    fn find_places(&mut self) {
        let names = self.chains.iter().map(|chain| chain.name.as_str().to_owned());
        self.places = names.zip(0..).collect();
    }

    /// The table: the user's chains by name, as iptables-save writes them.
    pub fn finish(self) -> Table {
        let finish = |chain: ChainDraft| Chain {
            name: chain.name,
            base: chain.base,
            rules: chain.rules.into_iter().map(|placed| placed.rule).collect(),
        };
        let mut chains: Vec<Chain> = self.chains.into_iter().map(finish).collect();
        let base = self.name.hooks().len();
        if let Some(own) = chains.get_mut(base..) {
            own.sort_by(|left, right| left.name.cmp(&right.name));
        }
        Table { chains }
    }

    /// The place of a chain.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// A chain by name.
    pub fn chain(&self, name: &str) -> Option<&ChainDraft> {
        self.chains.get(self.place(name)?)
    }

    /// A chain by the word that names it.
    pub fn named(&mut self, piece: Piece<'_>) -> Result<&mut ChainDraft, RuleError> {
        let Some(place) = self.place(piece.text) else {
            return Err(self.unknown(piece));
        };
        let name = self.name;
        let missing = || piece.wrong(Problem::UnknownChain { table: name });
        self.chains.get_mut(place).ok_or_else(missing)
    }

    fn unknown(&self, piece: Piece<'_>) -> RuleError {
        let names = self.chains.iter().map(|chain| chain.name.as_str());
        piece.wrong(Problem::UnknownChain { table: self.name }).or(nearest(piece.text, names))
    }

    /// Puts rules into a chain: before the rule of this number (from 1), or at the end.
    pub fn insert(
        &mut self,
        chain: Piece<'_>,
        before: Option<usize>,
        rules: Vec<Placed>,
    ) -> Result<(), RuleError> {
        let added = rules.len();
        let count = self.named(chain)?.rules.len();
        let place = before.map_or(count, |number| number.saturating_sub(1)).min(count);
        self.spend(chain, count - place)?;
        self.named(chain)?.rules.splice(place..place, rules);
        self.count += added;
        Ok(())
    }

    /// Takes the rule of this number (from 1) out of a chain.
    pub fn take(&mut self, chain: Piece<'_>, number: usize) -> Result<(), RuleError> {
        let count = self.named(chain)?.rules.len();
        let place = number.saturating_sub(1);
        if place < count {
            self.spend(chain, count - place)?;
            self.named(chain)?.rules.remove(place);
            self.count -= 1;
        }
        Ok(())
    }

    /// The number of the first rule that is the same as `rule`.
    pub fn find(&mut self, chain: Piece<'_>, rule: &Rule) -> Result<usize, RuleError> {
        let rules = &self.named(chain)?.rules;
        let place = rules.iter().position(|placed| placed.rule.same(rule));
        let looked = place.unwrap_or(rules.len());
        self.spend(chain, looked)?;
        place.map(|place| place + 1).ok_or_else(|| chain.wrong(Problem::NoSameRule))
    }

    /// Counts work that a command makes, where it may be made too often.
    pub fn spend(&mut self, command: Piece<'_>, work: usize) -> Result<(), RuleError> {
        self.work = self.work.saturating_add(work);
        if self.work > MAX_WORK { Err(command.wrong(Problem::TooMuchWork)) } else { Ok(()) }
    }

    /// Empties a chain, or all.
    pub fn flush(&mut self, command: Piece<'_>, chain: Option<Piece<'_>>) -> Result<(), RuleError> {
        self.spend(command, self.chains.len())?;
        match chain {
            Some(chain) => self.named(chain)?.rules.clear(),
            None => self.chains.iter_mut().for_each(|chain| chain.rules.clear()),
        }
        self.count = self.chains.iter().map(|chain| chain.rules.len()).sum();
        Ok(())
    }

    /// Adds a chain of the user's.
    pub fn add(&mut self, piece: Piece<'_>) -> Result<(), RuleError> {
        if self.place(piece.text).is_some() {
            return Err(piece.wrong(Problem::ChainExists));
        }
        if self.chains.len() >= MAX_CHAINS {
            return Err(piece.wrong(Problem::TooManyChains { max: MAX_CHAINS }));
        }
        let name = ChainName::new(piece.text).map_err(|problem| piece.wrong(problem))?;
        self.places.insert(piece.text.to_owned(), self.chains.len());
        self.chains.push(ChainDraft { name, base: None, rules: Vec::new() });
        Ok(())
    }

    /// Takes a chain of the user's away, which must be empty and nobody's target.
    pub fn remove(&mut self, piece: Piece<'_>) -> Result<(), RuleError> {
        self.spend(piece, self.chains.len() + self.count)?;
        let chain = self.named(piece)?;
        if chain.base.is_some() {
            return Err(piece.wrong(Problem::BaseChain));
        }
        if !chain.rules.is_empty() || self.is_target(piece.text) {
            return Err(piece.wrong(Problem::ChainInUse));
        }
        self.chains.retain(|chain| chain.name.as_str() != piece.text);
        self.find_places();
        Ok(())
    }

    fn is_target(&self, name: &str) -> bool {
        let rules = self.chains.iter().flat_map(|chain| &chain.rules);
        rules.filter_map(|placed| placed.rule.leads_to()).any(|target| target.as_str() == name)
    }
}

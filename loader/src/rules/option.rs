//! Options of matches and targets: one table row says how each is read and written.

use super::{
    condition::Condition, error::RuleError, extension::Extension, family::Family, piece::Piece,
    problem::Problem, values::Literal,
};

/// How many words follow an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arity {
    /// None: the option says it all.
    None,
    /// One.
    One,
    /// Two.
    Two,
}

/// What an option looks like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// The name under which it is written.
    pub name: &'static str,
    /// Other names under which it is read.
    pub aliases: &'static [&'static str],
    /// How many words follow.
    pub arity: Arity,
    /// Whether `!` may stand before it.
    pub negatable: bool,
    /// Why it is refused, if it is one of iptables' that is not supported.
    pub refused: Option<&'static str>,
}

impl Shape {
    /// All names, the written one first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

/// One option of the extension `X`.
pub(super) struct Opt<X: Extension> {
    /// What it looks like.
    pub shape: Shape,
    /// Puts what was given into the draft.
    pub read: fn(&mut X::Draft, &Given<'_>) -> Result<(), RuleError>,
    /// How the extension writes it; nothing if it does not.
    pub write: fn(&X) -> Option<Written>,
}

impl<X: Extension> Opt<X> {
    /// An option without words behind it.
    pub const fn flag(
        name: &'static str,
        read: fn(&mut X::Draft, &Given<'_>) -> Result<(), RuleError>,
        write: fn(&X) -> Option<Written>,
    ) -> Self {
        let shape = Shape { name, aliases: &[], arity: Arity::None, negatable: false, refused: None };
        Self { shape, read, write }
    }

    /// An option with one word behind it.
    pub const fn one(
        name: &'static str,
        read: fn(&mut X::Draft, &Given<'_>) -> Result<(), RuleError>,
        write: fn(&X) -> Option<Written>,
    ) -> Self {
        let mut option = Self::flag(name, read, write);
        option.shape.arity = Arity::One;
        option
    }

    /// An option with two words behind it.
    pub const fn two(
        name: &'static str,
        read: fn(&mut X::Draft, &Given<'_>) -> Result<(), RuleError>,
        write: fn(&X) -> Option<Written>,
    ) -> Self {
        let mut option = Self::flag(name, read, write);
        option.shape.arity = Arity::Two;
        option
    }

    /// An option that iptables has and berth has not.
    pub const fn refused(name: &'static str, arity: Arity, instead: &'static str) -> Self {
        let shape = Shape { name, aliases: &[], arity, negatable: true, refused: Some(instead) };
        Self { shape, read: |_, _| Ok(()), write: |_| None }
    }

    /// The same with other names.
    pub const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.shape.aliases = aliases;
        self
    }

    /// The same with `!` allowed before it.
    pub const fn negatable(mut self) -> Self {
        self.shape.negatable = true;
        self
    }
}

/// An option as it was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    /// The ruleset's family.
    pub family: Family,
    /// Whether `!` stands before it.
    pub negated: bool,
    /// The option itself.
    pub option: Piece<'a>,
    /// The first word behind it; the option if there is none.
    pub first: Piece<'a>,
    /// The second word behind it; the option if there is none.
    pub second: Piece<'a>,
}

impl Given<'_> {
    /// Fills `slot`, which no other option may have filled.
    pub fn fill<T>(&self, slot: &mut Option<T>, value: T) -> Result<(), RuleError> {
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(self.option.wrong(Problem::Conflict { with: "the options before it" })),
        }
    }

    /// Reads the word into `slot`.
    pub fn put<T: Literal>(&self, slot: &mut Option<T>) -> Result<(), RuleError> {
        self.fill(slot, T::read(self.first, self.family)?)
    }

    /// Reads the word and its negation into `slot`.
    pub fn put_condition<T: Literal>(&self, slot: &mut Option<Condition<T>>) -> Result<(), RuleError> {
        self.fill(slot, self.condition(T::read(self.first, self.family)?))
    }

    /// `value` as it was given: negated or not.
    pub const fn condition<T>(&self, value: T) -> Condition<T> {
        Condition { negated: self.negated, value }
    }
}

/// What an option is written with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Whether `!` stands before it.
    pub negated: bool,
    /// What stands behind it, ready to be written.
    pub words: String,
}

impl Written {
    /// Nothing behind it, if `there` is.
    pub fn flag(there: bool) -> Option<Self> {
        there.then(Self::default)
    }

    /// A value behind it, if there is one.
    pub fn option(value: Option<impl ToString>) -> Option<Self> {
        value.map(|value| Self { negated: false, words: value.to_string() })
    }

    /// A condition's value behind it, with its negation before, if there is one.
    pub fn conditional<T: ToString>(condition: Option<&Condition<T>>) -> Option<Self> {
        condition.map(|condition| Self { negated: condition.negated, words: condition.value.to_string() })
    }
}

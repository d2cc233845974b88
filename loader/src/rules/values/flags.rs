//! Sets of named things, written as a list.

use std::{fmt, marker::PhantomData};

use super::Literal;
use crate::rules::{
    error::RuleError,
    family::Family,
    piece::{Case, Piece},
};

/// Something with a name that can be in a [`Flags`].
pub trait Flag: Copy + PartialEq + 'static {
    /// What kind of thing it is.
    const WHAT: &'static str;
    /// Every name, in the order in which iptables-save writes them; at most 16.
    const NAMES: &'static [(&'static str, Self)];
}

/// A set of flags.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Flags<F>(u16, PhantomData<F>);

impl<F: Flag> Flags<F> {
    /// None of them.
    pub const EMPTY: Self = Self(0, PhantomData);

    /// Those of `flags`.
    pub fn of(flags: &[F]) -> Self {
        let mut set = Self::EMPTY;
        for &flag in flags {
            set.insert(flag);
        }
        set
    }

    /// Adds one.
    pub fn insert(&mut self, flag: F) {
        self.0 |= bit(flag);
    }

    /// Whether `flag` is among them.
    pub fn contains(self, flag: F) -> bool {
        self.0 & bit(flag) != 0
    }

    /// Whether none is.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The flags, in the order of [`Flag::NAMES`].
    pub fn iter(self) -> impl Iterator<Item = F> {
        F::NAMES.iter().map(|&(_, flag)| flag).filter(move |&flag| self.contains(flag))
    }

    /// From a list of names.
    pub(in crate::rules) fn list(piece: Piece<'_>, case: Case) -> Result<Self, RuleError> {
        let mut flags = Self::EMPTY;
        for part in piece.split(',') {
            flags.insert(part.choose(F::WHAT, case, F::NAMES)?);
        }
        Ok(flags)
    }
}

fn bit<F: Flag>(flag: F) -> u16 {
    F::NAMES.iter().zip(0..).find(|((_, other), _)| *other == flag).map_or(0, |(_, index)| 1 << index)
}

impl<F: Flag> Literal for Flags<F> {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        Self::list(piece, Case::Any)
    }
}

impl<F: Flag> Default for Flags<F> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<F: Flag> fmt::Display for Flags<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = F::NAMES.iter().filter(|(_, flag)| self.contains(*flag));
        for (index, (name, _)) in names.enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl<F: Flag> fmt::Debug for Flags<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

//! What stands behind options: addresses, ports, numbers, names.

pub mod flags;
pub mod interface;
pub mod mac;
pub mod mark;
pub mod name;
pub mod network;
pub mod number;
pub mod ports;
pub mod protocol;
pub mod range;
pub mod rate;
pub(super) mod services;
pub(super) mod text;
pub(super) mod text6;

use std::fmt::Display;

use super::{error::RuleError, family::Family, piece::Piece};

/// A value of one word. Its [`Display`] is iptables-save's form of it.
pub(super) trait Literal: Display + Sized {
    /// The value of a word in a rule of `family`.
    fn read(piece: Piece<'_>, family: Family) -> Result<Self, RuleError>;
}

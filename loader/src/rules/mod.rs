//! The rule language: iptables-save's and ip6tables-save's.
//!
//! A [`ruleset::Ruleset`] is what a text means, [`parse`] makes one of a text or changes one by a command, and
//! [`save::to_save`] writes one in the form that iptables-save would, so that parsing that again gives the same. Nothing
//! here does input or output, or knows the kernel.
//!
//! Each match and target is a file under [`matches`](mod@matches) or [`targets`] whose table of options says how each is read and
//! written, and one line in that directory's `mod.rs`.

pub mod chain;
pub mod condition;
pub mod counters;
pub mod error;
mod extension;
pub mod family;
pub mod feature;
#[cfg(any(test, feature = "generate"))]
pub mod generate;
pub mod header;
pub mod hook;
pub mod matches;
mod option;
pub mod parse;
mod piece;
pub mod problem;
pub mod rule;
pub mod ruleset;
pub mod save;
mod suggest;
pub mod table;
pub mod targets;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "generate"))]
pub mod trial;
mod unsupported;
pub mod values;
mod words;

//! Classification: what a container's rules say of a packet, at a cost that does not grow with rules that do not match.
//!
//! The rules come compiled ([`crate::abi::rules`]). A walk looks up what the packet has in each table once; that gives a
//! bit vector of matching entries for each. It then goes from match to match: an entry either ends the walk, or does
//! something (counts, marks, logs) and says at which entry to go on. Only checks that must be asked for each packet
//! (`checks`) are evaluated at the entry itself.
//!
//! Nothing here can panic or run on: tables that make no sense give [`Decision::Corrupt`], a walk without an end
//! [`Decision::Exhausted`]; both mean that the packet is dropped.

mod candidates;
mod checks;
pub mod fields;
pub(super) mod limit;
pub mod lines;
pub mod lookup;
pub mod outcome;
pub mod state;
pub mod surroundings;
mod walk;

pub use fields::{Fields, Question};
pub use lines::Lines;
pub use outcome::{Decision, Outcome};
pub use state::State;
pub use surroundings::{Answer, External, Surroundings};
pub use walk::{MAX_STEPS, Walk, begin, classify};

//! Compiles rules into the bit-vector tables that the classifier walks ([`berth_common::abi::rules`]).
//!
//! Pure: no I/O, no clock. The stages, one file each:
//!
//! 1. [`input`]: the rules, as far as classification goes;
//! 2. `stages`: a rule's conditions as boxes in the space of all [`Dimension`](input::Dimension)s, and what must be
//!    checked for each packet;
//! 3. `flatten`: one list of entries for each built-in chain; jumps become copies, intersected with what was jumped on;
//! 4. `partition`: for each dimension, which values satisfy the same entries;
//! 5. `plan`: which dimensions share a table, and in which order the tables are looked up;
//! 6. `table`, `node`, `vector`: the tables;
//! 7. `steps`: how many entries a packet can meet at most;
//! 8. `emit`, `record`: everything into lines.

mod blocks;
mod bounds;
mod emit;
mod error;
mod flatten;
mod graph;
mod hash;
pub mod input;
mod lines;
mod node;
mod partition;
mod plan;
mod prepare;
mod record;
mod region;
mod report;
mod stages;
mod steps;
mod table;
mod values;
mod vector;

#[cfg(test)]
pub(crate) mod tests;

#[cfg(test)]
use berth_common::memory::Ruleset as Memory;

pub use bounds::Bounds;
pub use error::CompileError;
pub use report::{Compiled, Origin, Report, Role, Root};
pub use values::Values;

/// Compiles a ruleset, or says why it cannot be within these bounds.
pub fn compile(ruleset: &input::Ruleset, bounds: &Bounds) -> Result<Compiled, CompileError> {
    emit::emit(ruleset, bounds)
}

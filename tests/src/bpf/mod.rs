//! BPF without berth and without its libraries: what judges berth's counts must not share its mistakes.

pub mod asm;
pub mod clsact;
pub mod counter;
mod counting;
pub mod pair;
pub mod query;
mod requests;
pub mod sys;
pub mod wipe;

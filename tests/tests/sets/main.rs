//! Named sets: what rules make of them, and what becomes of them.

mod changes;
mod helpers;
mod matching;

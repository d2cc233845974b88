//! The engine's tables in plain memory: for tests, for fuzzing, for `berth explain`, and to hold the loaded program
//! against.
//!
//! [`MemoryTables`] is to the engine what the maps are: the same capacity limits, the same ways to fail, entries that
//! are deleted and used again. It may be shared between threads. [`Snapshot`] is all of it as plain values, which can
//! as well be read from the maps. [`Bytes`] is a packet in memory, [`generate`] makes packets, and
//! [`trial`] holds any bytes against what must hold of all.

mod arena;
mod bytes;
mod cells;
mod control;
mod faults;
mod flow;
mod flow_table;
mod fragments;
pub mod generate;
mod guards;
mod nat;
mod rules;
mod ruleset;
mod sets;
mod snapshot;
mod sockets;
mod tables;
pub mod trial;
mod usage;
mod word;

pub use bytes::Bytes;
pub use flow::{FlowCell, MemoryHalf};
pub use flow_table::{FlowArrays, SideArrays};
pub use ruleset::Ruleset;
pub use sets::holds;
pub use snapshot::Snapshot;
pub use sockets::Socket;
pub use tables::{Capacity, MemoryTables};
pub use word::MemoryWord;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, also when another thread has panicked with it: every change made under these locks is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

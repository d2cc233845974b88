//! The flow table: who gets entries, how many, for how long, and in which state.

mod begin;
mod expiry;
mod modes;
mod quota;
mod state;
mod threads;

//! The parts of the `berth` binary.
//!
//! [`containers`] observes the system, [`control`] alone changes what is in the kernel, [`node`] carries out requests
//! ([`api`]) with both and keeps the [`state`], as [`config`] says; [`daemon`] keeps that running, [`doctor`] tells
//! whether all that can work here, and only [`cli`] prints.

pub mod api;
pub mod cli;
pub mod compile;
pub mod config;
pub mod containers;
pub mod control;
pub mod daemon;
pub mod doctor;
pub mod lower;
pub mod node;
pub mod rules;
pub mod sets;
pub mod state;

//! The per-packet decision: parse → attribute → track → classify → verdict.
//!
//! Every function here is pure but for the [`Tables`] it is given, which are maps in the kernel and plain memory in
//! tests and in `berth explain`. The engine returns values and never writes a packet.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod address;
pub mod association;
pub mod attribute;
pub mod bare;
pub mod cached;
pub mod classify;
pub mod connection;
pub mod echo;
pub mod egress;
pub mod exempt;
pub mod external;
pub mod facts;
pub mod fast;
pub mod flow;
pub mod flow_table;
pub mod fragments;
pub mod ftp;
pub mod headers;
pub mod ingress;
pub mod lock;
pub mod nat;
pub mod notice;
pub mod parse;
pub mod places;
pub mod ports;
pub mod question;
pub mod quota;
pub mod rules;
pub mod sctp;
pub mod set;
pub mod spoof;
pub mod state;
pub mod tables;
pub mod tcp;
pub mod trace;
pub mod track;
pub mod verdict;

pub use headers::Headers;
pub use tables::Tables;
pub use trace::Trace;
pub use verdict::{Verdict, Way};

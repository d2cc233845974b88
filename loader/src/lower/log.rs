//! What is reported about packets.

use super::Place;
use crate::rules::targets::{log::Log, nflog::Nflog};

/// What a rule reports about packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSpec {
    /// The rule.
    pub place: Place,
    /// What, and to whom.
    pub report: Report,
}

/// What is reported, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// To the log.
    Log(Log),
    /// To a listener of a group.
    Nflog(Nflog),
}

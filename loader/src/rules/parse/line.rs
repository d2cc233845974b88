//! What a line says: its command, its options, its matches and its target.

use super::modules::Loaded;
use crate::rules::{
    condition::Condition,
    family::Family,
    piece::Piece,
    values::{interface::Interface, network::Network, protocol::Protocol},
};

/// What a line said.
#[derive(Default)]
pub(super) struct Line<'a> {
    /// The command, and the option that gave it.
    pub command: Option<(Piece<'a>, Command<'a>)>,
    /// The families it is for: `-4` and `-6`.
    pub only: Option<Family>,
    /// `-c`.
    pub counters: Option<(Piece<'a>, Piece<'a>)>,
    /// `-s`.
    pub sources: Option<Networks<'a>>,
    /// `-d`.
    pub destinations: Option<Networks<'a>>,
    /// `-i`.
    pub input: Option<(Piece<'a>, Condition<Interface>)>,
    /// `-o`.
    pub output: Option<(Piece<'a>, Condition<Interface>)>,
    /// `-p`.
    pub protocol: Option<(Piece<'a>, Condition<Protocol>)>,
    /// `-f`.
    pub fragment: Option<Condition<()>>,
    /// Matches, and the target if it is a module's, in the order in which they were loaded.
    pub loaded: Vec<Loaded<'a>>,
    /// `-j` or `-g`, and what stands behind it.
    pub target: Option<(Way, Piece<'a>)>,
}

/// What is done to a table, and the words that say where.
#[derive(Clone, Copy)]
pub(super) enum Command<'a> {
    /// `-A CHAIN`.
    Append(Piece<'a>),
    /// `-I CHAIN [NUMBER]`.
    Insert(Piece<'a>, Option<Piece<'a>>),
    /// `-D CHAIN` with a rule.
    Delete(Piece<'a>),
    /// `-D CHAIN NUMBER`.
    DeleteNumber(Piece<'a>, Piece<'a>),
    /// `-R CHAIN NUMBER`.
    Replace(Piece<'a>, Piece<'a>),
    /// `-N CHAIN`.
    NewChain(Piece<'a>),
    /// `-X [CHAIN]`.
    DeleteChain(Option<Piece<'a>>),
    /// `-P CHAIN POLICY`.
    Policy(Piece<'a>, Piece<'a>),
    /// `-F [CHAIN]`.
    Flush(Option<Piece<'a>>),
    /// `-Z [CHAIN [NUMBER]]`.
    Zero(Option<Piece<'a>>, Option<Piece<'a>>),
}

/// How a rule sends packets on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// `-j`.
    Jump,
    /// `-g`.
    Goto,
}

/// A list of addresses and its option.
pub(super) struct Networks<'a> {
    /// The option.
    pub option: Piece<'a>,
    /// Whether `!` stands before it.
    pub negated: bool,
    /// The addresses; at least one.
    pub list: Vec<Network>,
}

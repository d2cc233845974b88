//! The options that are no match's and no target's.

use crate::rules::option::Arity;

/// An option that is no match's and no target's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Core {
    /// `-A`.
    Append,
    /// `-I`.
    Insert,
    /// `-D`.
    Delete,
    /// `-R`.
    Replace,
    /// `-N`.
    NewChain,
    /// `-X`.
    DeleteChain,
    /// `-P`.
    Policy,
    /// `-F`.
    Flush,
    /// `-Z`.
    Zero,
    /// Commands that change nothing, or not what is in a ruleset.
    OtherCommand,
    /// `-s`.
    Source,
    /// `-d`.
    Destination,
    /// `-i`.
    Input,
    /// `-o`.
    Output,
    /// `-p`.
    Protocol,
    /// `-f`.
    Fragment,
    /// `-m`.
    Match,
    /// `-j`.
    Jump,
    /// `-g`.
    Goto,
    /// `-c`.
    Counters,
    /// `-4`.
    Ipv4,
    /// `-6`.
    Ipv6,
    /// `-t`.
    Table,
}

/// What a [`Core`] looks like.
pub(super) struct Row {
    /// Which it is.
    pub core: Core,
    /// Its names, the one for suggestions first.
    pub names: &'static [&'static str],
    /// How many words must follow.
    pub arity: Arity,
    /// Whether `!` may stand before it.
    pub negatable: bool,
}

const fn row(core: Core, names: &'static [&'static str], arity: Arity) -> Row {
    Row { core, names, arity, negatable: false }
}

const fn negatable(core: Core, names: &'static [&'static str], arity: Arity) -> Row {
    Row { core, names, arity, negatable: true }
}

/// All of them (iptables(8)).
pub(super) const ROWS: &[Row] = &[
    row(Core::Append, &["-A", "--append"], Arity::One),
    row(Core::Insert, &["-I", "--insert"], Arity::One),
    row(Core::Delete, &["-D", "--delete"], Arity::One),
    row(Core::Replace, &["-R", "--replace"], Arity::Two),
    row(Core::NewChain, &["-N", "--new-chain"], Arity::One),
    row(Core::DeleteChain, &["-X", "--delete-chain"], Arity::None),
    row(Core::Policy, &["-P", "--policy"], Arity::Two),
    row(Core::Flush, &["-F", "--flush"], Arity::None),
    row(Core::Zero, &["-Z", "--zero"], Arity::None),
    row(Core::OtherCommand, &["-C", "--check"], Arity::One),
    row(Core::OtherCommand, &["-E", "--rename-chain"], Arity::Two),
    row(Core::OtherCommand, &["-L", "--list"], Arity::None),
    row(Core::OtherCommand, &["-S", "--list-rules"], Arity::None),
    negatable(Core::Source, &["-s", "--source", "--src"], Arity::One),
    negatable(Core::Destination, &["-d", "--destination", "--dst"], Arity::One),
    negatable(Core::Input, &["-i", "--in-interface"], Arity::One),
    negatable(Core::Output, &["-o", "--out-interface"], Arity::One),
    negatable(Core::Protocol, &["-p", "--protocol"], Arity::One),
    negatable(Core::Fragment, &["-f", "--fragments"], Arity::None),
    row(Core::Match, &["-m", "--match"], Arity::One),
    row(Core::Jump, &["-j", "--jump"], Arity::One),
    row(Core::Goto, &["-g", "--goto"], Arity::One),
    row(Core::Counters, &["-c", "--set-counters"], Arity::Two),
    row(Core::Ipv4, &["-4", "--ipv4"], Arity::None),
    row(Core::Ipv6, &["-6", "--ipv6"], Arity::None),
    row(Core::Table, &["-t", "--table"], Arity::One),
];

/// The row of an option that has this name.
pub(super) fn named(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.names.contains(&name))
}

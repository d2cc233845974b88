//! `-m tcp`.

use std::fmt;

use crate::rules::{
    condition::Condition,
    error::RuleError,
    extension::{Extension, Needs},
    family::Family,
    feature::Feature,
    option::{Given, Opt, Written},
    piece::{Case, Piece},
    problem::Problem,
    values::{
        flags::{Flag, Flags},
        number::between,
        ports::PortRange,
        protocol::Protocol,
    },
};

/// Ports, flags and options of TCP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// `--sport`.
    pub source: Option<Condition<PortRange>>,
    /// `--dport`.
    pub destination: Option<Condition<PortRange>>,
    /// `--tcp-option`: the kind of an option that the header has; never zero.
    pub option: Option<Condition<u8>>,
    /// `--tcp-flags`.
    pub flags: Option<Condition<TcpFlags>>,
}

impl Extension for Tcp {
    type Draft = Self;
    const NAME: &'static str = "tcp";
    const FEATURE: Feature = Feature::Filter;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--sport",
            |draft, given| PortRange::put(&mut draft.source, given),
            |tcp| Written::conditional(tcp.source.as_ref()),
        )
        .alias(&["--source-port"])
        .negatable(),
        Opt::<Self>::one(
            "--dport",
            |draft, given| PortRange::put(&mut draft.destination, given),
            |tcp| Written::conditional(tcp.destination.as_ref()),
        )
        .alias(&["--destination-port"])
        .negatable(),
        Opt::<Self>::one(
            "--tcp-option",
            |draft, given| {
                let kind = between(given.first, "kind of a TCP option", 1, 255)?;
                given.fill(&mut draft.option, given.condition(kind))
            },
            |tcp| Written::conditional(tcp.option.as_ref()),
        )
        .negatable(),
        Opt::<Self>::two(
            "--tcp-flags",
            |draft, given| {
                let flags = TcpFlags { mask: flags(given.first)?, set: flags(given.second)? };
                match (flags.mask.is_empty() && flags.set.is_empty(), given.negated) {
                    (true, true) => Err(given.first.wrong(Problem::Never)),
                    (true, false) => Ok(()),
                    (false, _) => given.fill(&mut draft.flags, given.condition(flags)),
                }
            },
            |tcp| Written::conditional(tcp.flags.as_ref()),
        )
        .negatable(),
        Opt::<Self>::flag("--syn", syn, |_| None).negatable(),
    ];

    fn finish(draft: Self, _: Family) -> Result<Self, Problem> {
        Ok(draft)
    }

    fn protocols(&self, _: Family) -> Needs {
        Needs { protocols: &[Protocol::TCP], options: "-p tcp" }
    }
}

/// `--syn` stands for a packet that opens a connection, and is written as what it stands for.
fn syn(draft: &mut Tcp, given: &Given<'_>) -> Result<(), RuleError> {
    let mask = Flags::of(&[TcpFlag::Fin, TcpFlag::Syn, TcpFlag::Rst, TcpFlag::Ack]);
    let flags = TcpFlags { mask, set: Flags::of(&[TcpFlag::Syn]) };
    given.fill(&mut draft.flags, given.condition(flags))
}

/// A list of flags in which ALL and NONE may stand too.
fn flags(piece: Piece<'_>) -> Result<Flags<TcpFlag>, RuleError> {
    let mut flags = Flags::EMPTY;
    for part in piece.split(',') {
        for flag in part.choose(TcpFlag::WHAT, Case::Any, WORDS)? {
            flags.insert(*flag);
        }
    }
    Ok(flags)
}

/// The words of `--tcp-flags`.
const WORDS: &[(&str, &[TcpFlag])] = &[
    ("FIN", &[TcpFlag::Fin]),
    ("SYN", &[TcpFlag::Syn]),
    ("RST", &[TcpFlag::Rst]),
    ("PSH", &[TcpFlag::Psh]),
    ("ACK", &[TcpFlag::Ack]),
    ("URG", &[TcpFlag::Urg]),
    ("ALL", &[TcpFlag::Fin, TcpFlag::Syn, TcpFlag::Rst, TcpFlag::Psh, TcpFlag::Ack, TcpFlag::Urg]),
    ("NONE", &[]),
];

/// Which flags are looked at, and which of them must be set. Flags that must be set without being looked at agree with
/// no packet, as in iptables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFlags {
    /// The flags that are looked at.
    pub mask: Flags<TcpFlag>,
    /// Those that must be set; the others that are looked at must not.
    pub set: Flags<TcpFlag>,
}

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Listed(self.mask), Listed(self.set))
    }
}

struct Listed(Flags<TcpFlag>);

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("NONE") } else { write!(f, "{}", self.0) }
    }
}

/// A flag of the TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpFlag {
    /// No more data.
    Fin,
    /// Opens.
    Syn,
    /// Breaks off.
    Rst,
    /// To be handed on at once.
    Psh,
    /// Acknowledges.
    Ack,
    /// Has urgent data.
    Urg,
}

impl TcpFlag {
    /// Its bit in the header's octet of flags (RFC 9293, 3.1).
    pub const fn bit(self) -> u8 {
        match self {
            Self::Fin => 0x01,
            Self::Syn => 0x02,
            Self::Rst => 0x04,
            Self::Psh => 0x08,
            Self::Ack => 0x10,
            Self::Urg => 0x20,
        }
    }
}

impl Flag for TcpFlag {
    const WHAT: &'static str = "TCP flag";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("FIN", Self::Fin),
        ("SYN", Self::Syn),
        ("RST", Self::Rst),
        ("PSH", Self::Psh),
        ("ACK", Self::Ack),
        ("URG", Self::Urg),
    ];
}

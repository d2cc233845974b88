//! `-m addrtype`.

use crate::rules::{
    condition::Condition,
    error::RuleError,
    extension::Extension,
    family::Family,
    feature::Feature,
    hook::{Hook, Hooks},
    option::{Given, Opt, Written},
    piece::Piece,
    problem::Problem,
    values::flags::{Flag, Flags},
};

/// Kinds of addresses; at least one end is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addrtype {
    /// `--src-type`; never empty.
    pub source: Option<Condition<Flags<AddressType>>>,
    /// `--dst-type`; never empty.
    pub destination: Option<Condition<Flags<AddressType>>>,
    /// Which interface's addresses are meant; none is all interfaces'.
    pub interface: Option<Side>,
}

/// A kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressType {
    /// One host's.
    Unicast,
    /// One of this node's.
    Local,
    /// Every host's of a network; not of IPv6.
    Broadcast,
    /// A group's.
    Multicast,
}

/// An interface of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `--limit-iface-in`: that by which it came.
    Input,
    /// `--limit-iface-out`: that by which it goes.
    Output,
}

impl Flag for AddressType {
    const WHAT: &'static str = "type of address";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("UNICAST", Self::Unicast),
        ("LOCAL", Self::Local),
        ("BROADCAST", Self::Broadcast),
        ("MULTICAST", Self::Multicast),
    ];
}

/// Types that are answers of the routing table.
const ROUTES: [&str; 8] =
    ["UNSPEC", "ANYCAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT", "THROW", "NAT", "XRESOLVE"];

impl Extension for Addrtype {
    type Draft = Self;
    const NAME: &'static str = "addrtype";
    const FEATURE: Feature = Feature::Addrtype;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--src-type",
            |draft, given| put(&mut draft.source, given),
            |addrtype| Written::conditional(addrtype.source.as_ref()),
        )
        .negatable(),
        Opt::<Self>::one(
            "--dst-type",
            |draft, given| put(&mut draft.destination, given),
            |addrtype| Written::conditional(addrtype.destination.as_ref()),
        )
        .negatable(),
        Opt::<Self>::flag(
            "--limit-iface-in",
            |draft, given| given.fill(&mut draft.interface, Side::Input),
            |addrtype| Written::flag(addrtype.interface == Some(Side::Input)),
        ),
        Opt::<Self>::flag(
            "--limit-iface-out",
            |draft, given| given.fill(&mut draft.interface, Side::Output),
            |addrtype| Written::flag(addrtype.interface == Some(Side::Output)),
        ),
    ];

    fn finish(draft: Self, _: Family) -> Result<Self, Problem> {
        match draft {
            Self { source: None, destination: None, .. } => {
                Err(Problem::Required { option: "--src-type or --dst-type" })
            }
            Self { .. } => Ok(draft),
        }
    }

    fn hooks(&self) -> Hooks {
        match self.interface {
            None => Hooks::ALL,
            Some(Side::Input) => Hooks::of(&[Hook::Prerouting, Hook::Input, Hook::Forward]),
            Some(Side::Output) => Hooks::of(&[Hook::Forward, Hook::Output, Hook::Postrouting]),
        }
    }
}

fn put(slot: &mut Option<Condition<Flags<AddressType>>>, given: &Given<'_>) -> Result<(), RuleError> {
    let mut types = Flags::EMPTY;
    for part in given.first.split(',') {
        types.insert(kind(part, given.family)?);
    }
    given.fill(slot, given.condition(types))
}

fn kind(piece: Piece<'_>, family: Family) -> Result<AddressType, RuleError> {
    if ROUTES.iter().any(|name| name.eq_ignore_ascii_case(piece.text)) {
        let instead = "no routing table is asked; UNICAST, LOCAL, BROADCAST and MULTICAST are";
        return Err(piece.wrong(Problem::Unsupported { instead }));
    }
    let kind = piece.choose(AddressType::WHAT, crate::rules::piece::Case::Any, AddressType::NAMES)?;
    if kind == AddressType::Broadcast && family == Family::Ipv6 {
        return Err(piece.wrong(Problem::WrongFamily { family, instead: "use MULTICAST" }));
    }
    Ok(kind)
}

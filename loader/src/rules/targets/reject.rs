//! REJECT.

use crate::rules::{
    error::RuleError,
    extension::{Extension, Needs},
    family::Family,
    feature::Feature,
    hook::{Hook, Hooks},
    option::{Given, Opt, Written},
    piece::Piece,
    problem::Problem,
    suggest::nearest,
    table::TableName,
    values::protocol::Protocol,
};

/// A packet is dropped, and its sender told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// `--reject-with`.
    pub with: RejectWith,
}

/// What the sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectWith {
    /// ICMP of type 3, "destination unreachable".
    Icmp(Unreachable),
    /// ICMPv6 of type 1, "destination unreachable".
    Icmp6(Unreachable6),
    /// RST, for TCP alone.
    TcpReset,
}

/// A code of ICMP's "destination unreachable" (RFC 792, 1812).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// 0.
    Network,
    /// 1.
    Host,
    /// 2.
    Protocol,
    /// 3.
    Port,
    /// 9.
    NetworkProhibited,
    /// 10.
    HostProhibited,
    /// 13.
    AdministrativelyProhibited,
}

/// A code of ICMPv6's "destination unreachable" (RFC 4443, 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable6 {
    /// 0.
    NoRoute,
    /// 1.
    AdministrativelyProhibited,
    /// 3.
    Address,
    /// 4.
    Port,
    /// 5.
    PolicyFail,
    /// 6.
    RejectRoute,
}

/// A kind by its name and by the short one.
type Row = (&'static str, &'static str, RejectWith);

const ICMP: &[Row] = &[
    ("icmp-net-unreachable", "net-unreach", RejectWith::Icmp(Unreachable::Network)),
    ("icmp-host-unreachable", "host-unreach", RejectWith::Icmp(Unreachable::Host)),
    ("icmp-proto-unreachable", "proto-unreach", RejectWith::Icmp(Unreachable::Protocol)),
    ("icmp-port-unreachable", "port-unreach", RejectWith::Icmp(Unreachable::Port)),
    ("icmp-net-prohibited", "net-prohib", RejectWith::Icmp(Unreachable::NetworkProhibited)),
    ("icmp-host-prohibited", "host-prohib", RejectWith::Icmp(Unreachable::HostProhibited)),
    ("icmp-admin-prohibited", "admin-prohib", RejectWith::Icmp(Unreachable::AdministrativelyProhibited)),
    ("tcp-reset", "tcp-rst", RejectWith::TcpReset),
];

const ICMP6: &[Row] = &[
    ("icmp6-no-route", "no-route", RejectWith::Icmp6(Unreachable6::NoRoute)),
    ("icmp6-adm-prohibited", "adm-prohibited", RejectWith::Icmp6(Unreachable6::AdministrativelyProhibited)),
    ("icmp6-addr-unreachable", "addr-unreach", RejectWith::Icmp6(Unreachable6::Address)),
    ("icmp6-port-unreachable", "port-unreach", RejectWith::Icmp6(Unreachable6::Port)),
    ("icmp6-policy-fail", "policy-fail", RejectWith::Icmp6(Unreachable6::PolicyFail)),
    ("icmp6-reject-route", "reject-route", RejectWith::Icmp6(Unreachable6::RejectRoute)),
    ("tcp-reset", "tcp-reset", RejectWith::TcpReset),
];

impl Extension for Reject {
    type Draft = Option<RejectWith>;
    const NAME: &'static str = "REJECT";
    const TABLES: &'static [TableName] = &[TableName::Filter];
    const FEATURE: Feature = Feature::Reject;
    const OPTIONS: &'static [Opt<Self>] = &[Opt::<Self>::one(
        "--reject-with",
        |draft, given| given.fill(draft, kind(given)?),
        |reject| Written::option(Some(reject.with.name())),
    )];

    fn finish(draft: Self::Draft, family: Family) -> Result<Self, Problem> {
        let usual = match family {
            Family::Ipv4 => RejectWith::Icmp(Unreachable::Port),
            Family::Ipv6 => RejectWith::Icmp6(Unreachable6::Port),
        };
        Ok(Self { with: draft.unwrap_or(usual) })
    }

    fn protocols(&self, _: Family) -> Needs {
        match self.with {
            RejectWith::TcpReset => Needs { protocols: &[Protocol::TCP], options: "-p tcp" },
            RejectWith::Icmp(_) | RejectWith::Icmp6(_) => Needs::NOTHING,
        }
    }

    /// net/ipv4/netfilter/ipt_REJECT.c.
    fn hooks(&self) -> Hooks {
        Hooks::of(&[Hook::Input, Hook::Forward, Hook::Output])
    }
}

fn kind(given: &Given<'_>) -> Result<RejectWith, RuleError> {
    let (own, other) = match given.family {
        Family::Ipv4 => (ICMP, ICMP6),
        Family::Ipv6 => (ICMP6, ICMP),
    };
    let piece = given.first;
    if let Some(kind) = find(piece, own) {
        return Ok(kind);
    }
    let names = own.iter().flat_map(|&(long, short, _)| [long, short]);
    let problem = match find(piece, other) {
        Some(_) => {
            Problem::WrongFamily { family: given.family, instead: "see the kinds of iptables-extensions(8)" }
        }
        None => Problem::NotA { what: "kind of rejection" },
    };
    Err(piece.wrong(problem).or(nearest(piece.text, names)))
}

/// The first row of which `piece` is a name or the beginning of one, as iptables looks it up.
fn find(piece: Piece<'_>, rows: &[Row]) -> Option<RejectWith> {
    let text = piece.text;
    let begins = |name: &str| name.get(..text.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(text));
    let row = rows.iter().find(|(long, short, _)| !text.is_empty() && (begins(long) || begins(short)))?;
    Some(row.2)
}

impl RejectWith {
    /// The name under which it is written.
    pub fn name(self) -> &'static str {
        let row = ICMP.iter().chain(ICMP6).find(|(_, _, kind)| *kind == self);
        row.map_or("", |(name, _, _)| name)
    }
}

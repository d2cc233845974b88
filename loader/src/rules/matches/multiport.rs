//! `-m multiport`.

use std::fmt;

use crate::rules::{
    condition::Condition,
    error::RuleError,
    extension::{Extension, Needs},
    family::Family,
    feature::Feature,
    option::{Given, Opt, Written},
    problem::Problem,
    values::{ports::PortRange, protocol::Protocol},
};

/// Most ports of one match, a range counting as two: `XT_MULTI_PORTS`
/// (include/uapi/linux/netfilter/xt_multiport.h).
pub const MAX_PORTS: usize = 15;

/// Several ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multiport {
    /// Which end's ports are looked at.
    pub side: Side,
    /// The ports; negated, all others.
    pub ports: Condition<Ports>,
}

/// Which end's ports are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The sender's: `--sports`.
    Source,
    /// The receiver's: `--dports`.
    Destination,
    /// Either's: `--ports`.
    Either,
}

/// A list of ports and ranges, as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(pub Vec<PortRange>);

impl Extension for Multiport {
    type Draft = Option<Self>;
    const NAME: &'static str = "multiport";
    const FEATURE: Feature = Feature::Multiport;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--sports",
            |draft, given| put(draft, given, Side::Source),
            |multiport| multiport.written(Side::Source),
        )
        .alias(&["--source-ports"])
        .negatable(),
        Opt::<Self>::one(
            "--dports",
            |draft, given| put(draft, given, Side::Destination),
            |multiport| multiport.written(Side::Destination),
        )
        .alias(&["--destination-ports"])
        .negatable(),
        Opt::<Self>::one(
            "--ports",
            |draft, given| put(draft, given, Side::Either),
            |multiport| multiport.written(Side::Either),
        )
        .negatable(),
    ];

    fn finish(draft: Option<Self>, _: Family) -> Result<Self, Problem> {
        draft.ok_or(Problem::Required { option: "--sports, --dports or --ports" })
    }

    fn protocols(&self, _: Family) -> Needs {
        Needs {
            protocols: &[Protocol::TCP, Protocol::UDP, Protocol::UDPLITE, Protocol::SCTP, Protocol::DCCP],
            options: "-p tcp, udp, udplite, sctp or dccp",
        }
    }
}

impl Multiport {
    fn written(&self, side: Side) -> Option<Written> {
        Written::conditional((self.side == side).then_some(&self.ports))
    }
}

fn put(draft: &mut Option<Multiport>, given: &Given<'_>, side: Side) -> Result<(), RuleError> {
    let mut left = MAX_PORTS;
    let mut ports = Vec::new();
    for part in given.first.split(',') {
        let range = PortRange::whole(part)?;
        let is_range = part.text.contains(':');
        if is_range && range.first == range.last {
            return Err(part.wrong(Problem::Backwards));
        }
        left = left
            .checked_sub(if is_range { 2 } else { 1 })
            .ok_or_else(|| part.wrong(Problem::TooManyPorts { max: MAX_PORTS }))?;
        ports.push(range);
    }
    given.fill(draft, Multiport { side, ports: given.condition(Ports(ports)) })
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{range}")?;
        }
        Ok(())
    }
}

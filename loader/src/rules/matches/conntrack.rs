//! `-m conntrack`.

use crate::rules::{
    condition::Condition,
    error::RuleError,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Arity, Given, Opt, Written},
    piece::Case,
    problem::Problem,
    values::{
        Literal,
        flags::{Flag, Flags},
        network::Network,
        ports::PortRange,
        protocol::Protocol,
    },
};

/// State and ends of the flow; at least one is asked for. Source and destination are those of the flow's first packet
/// (`orig`) and of the packets that answer it (`repl`), which differ where addresses are translated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conntrack {
    /// `--ctstate`; never empty.
    pub state: Option<Condition<Flags<CtState>>>,
    /// `--ctproto`.
    pub protocol: Option<Condition<Protocol>>,
    /// `--ctorigsrc`, and `--ctorigsrcport`.
    pub original_source: End,
    /// `--ctorigdst`, and `--ctorigdstport`.
    pub original_destination: End,
    /// `--ctreplsrc`, and `--ctreplsrcport`.
    pub reply_source: End,
    /// `--ctrepldst`, and `--ctrepldstport`.
    pub reply_destination: End,
    /// `--ctstatus`; empty is NONE.
    pub status: Option<Condition<Flags<CtStatus>>>,
    /// `--ctdir`.
    pub direction: Option<Direction>,
}

/// One end of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Its address; the mask has no holes.
    pub address: Option<Condition<Network>>,
    /// Its port.
    pub port: Option<Condition<PortRange>>,
}

/// A state of the packet's flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CtState {
    /// The packet makes no sense to any flow.
    Invalid,
    /// It begins one.
    New,
    /// It begins one that another brought about, or is an error about another.
    Related,
    /// It belongs to one that both ends have taken part in.
    Established,
    /// Its flow is not tracked.
    Untracked,
    /// Its flow's source is translated.
    Snat,
    /// Its flow's destination is translated.
    Dnat,
}

impl Flag for CtState {
    const WHAT: &'static str = "state of a flow";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("INVALID", Self::Invalid),
        ("NEW", Self::New),
        ("RELATED", Self::Related),
        ("ESTABLISHED", Self::Established),
        ("UNTRACKED", Self::Untracked),
        ("SNAT", Self::Snat),
        ("DNAT", Self::Dnat),
    ];
}

/// What is known about a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CtStatus {
    /// Another flow announced it.
    Expected,
    /// Both directions had packets.
    SeenReply,
    /// It is not to be given up early.
    Assured,
    /// Its first packet has left.
    Confirmed,
}

impl Flag for CtStatus {
    const WHAT: &'static str = "status of a flow";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("EXPECTED", Self::Expected),
        ("SEEN_REPLY", Self::SeenReply),
        ("ASSURED", Self::Assured),
        ("CONFIRMED", Self::Confirmed),
    ];
}

/// A direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// That of its first packet.
    Original,
    /// The other.
    Reply,
}

const DIRECTIONS: &[(&str, Direction)] = &[("ORIGINAL", Direction::Original), ("REPLY", Direction::Reply)];

impl Direction {
    const fn name(self) -> &'static str {
        match self {
            Self::Original => "ORIGINAL",
            Self::Reply => "REPLY",
        }
    }
}

/// The option for an address of an end.
macro_rules! address {
    ($name:literal, $end:ident) => {
        Opt::<Self>::one(
            $name,
            |draft, given| network(&mut draft.$end.address, given),
            |conntrack| written(conntrack.$end.address.as_ref()),
        )
        .negatable()
    };
}

/// The option for a port of an end.
macro_rules! port {
    ($name:literal, $end:ident) => {
        Opt::<Self>::one(
            $name,
            |draft, given| given.put_condition(&mut draft.$end.port),
            |conntrack| Written::conditional(conntrack.$end.port.as_ref()),
        )
        .negatable()
    };
}

impl Extension for Conntrack {
    type Draft = Self;
    const NAME: &'static str = "conntrack";
    const FEATURE: Feature = Feature::Conntrack;
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::<Self>::one(
            "--ctstate",
            |draft, given| given.put_condition(&mut draft.state),
            |conntrack| Written::conditional(conntrack.state.as_ref()),
        )
        .negatable(),
        Opt::<Self>::one(
            "--ctproto",
            |draft, given| given.put_condition(&mut draft.protocol),
            |conntrack| {
                let Condition { negated, value } = conntrack.protocol?;
                Written::conditional(Some(&Condition { negated, value: value.0 }))
            },
        )
        .negatable(),
        address!("--ctorigsrc", original_source),
        address!("--ctorigdst", original_destination),
        address!("--ctreplsrc", reply_source),
        address!("--ctrepldst", reply_destination),
        port!("--ctorigsrcport", original_source),
        port!("--ctorigdstport", original_destination),
        port!("--ctreplsrcport", reply_source),
        port!("--ctrepldstport", reply_destination),
        Opt::<Self>::one("--ctstatus", status, |conntrack| {
            let Condition { negated, value } = conntrack.status?;
            let value = if value.is_empty() { NONE.to_owned() } else { value.to_string() };
            Written::conditional(Some(&Condition { negated, value }))
        })
        .negatable(),
        Opt::<Self>::refused(
            "--ctexpire",
            Arity::One,
            "what is left of a flow's time is berth's own; match --ctstate or --ctstatus",
        ),
        Opt::<Self>::one(
            "--ctdir",
            |draft, given| {
                let direction = given.first.choose("direction of a flow", Case::Any, DIRECTIONS)?;
                given.fill(&mut draft.direction, direction)
            },
            |conntrack| Written::option(conntrack.direction.map(Direction::name)),
        ),
    ];

    fn finish(draft: Self, _: Family) -> Result<Self, Problem> {
        if draft == Self::default() {
            Err(Problem::Required { option: "--ctstate or another option" })
        } else {
            Ok(draft)
        }
    }
}

/// The word for a flow without any status.
const NONE: &str = "NONE";

fn status(draft: &mut Conntrack, given: &Given<'_>) -> Result<(), RuleError> {
    let mut status = Flags::EMPTY;
    for part in given.first.split(',') {
        if !part.text.eq_ignore_ascii_case(NONE) {
            status.insert(part.choose(CtStatus::WHAT, Case::Any, CtStatus::NAMES)?);
        }
    }
    given.fill(&mut draft.status, given.condition(status))
}

fn network(slot: &mut Option<Condition<Network>>, given: &Given<'_>) -> Result<(), RuleError> {
    let network = Network::read(given.first, given.family)?;
    if network.prefix().is_none() {
        return Err(given.first.wrong(Problem::MaskWithHoles));
    }
    given.fill(slot, given.condition(network))
}

fn written(network: Option<&Condition<Network>>) -> Option<Written> {
    let Condition { negated, value } = network?;
    Written::conditional(Some(&Condition { negated: *negated, value: value.short() }))
}

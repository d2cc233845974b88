//! `-m pkttype`.

use std::fmt;

use crate::rules::{
    condition::Condition,
    error::RuleError,
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Opt, Written},
    piece::{Case, Piece},
    problem::Problem,
    values::Literal,
};

/// To whom the link layer sent the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pkttype {
    /// `--pkt-type`.
    pub kind: Condition<PacketType>,
}

/// To whom the link layer sent a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketType {
    /// To this host.
    Unicast,
    /// To all.
    Broadcast,
    /// To a group.
    Multicast,
}

const NAMES: &[(&str, PacketType)] = &[
    ("unicast", PacketType::Unicast),
    ("host", PacketType::Unicast),
    ("broadcast", PacketType::Broadcast),
    ("bcast", PacketType::Broadcast),
    ("multicast", PacketType::Multicast),
    ("mcast", PacketType::Multicast),
];

impl Extension for Pkttype {
    type Draft = Option<Condition<PacketType>>;
    const NAME: &'static str = "pkttype";
    const FEATURE: Feature = Feature::Pkttype;
    const OPTIONS: &'static [Opt<Self>] = &[Opt::<Self>::one(
        "--pkt-type",
        |draft, given| given.put_condition(draft),
        |pkttype| Written::conditional(Some(&pkttype.kind)),
    )
    .negatable()];

    fn finish(draft: Self::Draft, _: Family) -> Result<Self, Problem> {
        draft.map(|kind| Self { kind }).ok_or(Problem::Required { option: "--pkt-type" })
    }
}

impl Literal for PacketType {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        if piece.text.eq_ignore_ascii_case("otherhost") {
            let instead =
                "packets for other hosts are nobody's here; unicast, broadcast and multicast can be matched";
            return Err(piece.wrong(Problem::Unsupported { instead }));
        }
        piece.choose("type of packet", Case::Any, NAMES)
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unicast => "unicast",
            Self::Broadcast => "broadcast",
            Self::Multicast => "multicast",
        })
    }
}

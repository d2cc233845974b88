//! What comes of an act, told so that both worlds can be compared.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use berth_tests::notice::Notice;

use super::reflector::Told;
use super::targets::STRANGERS;

/// Ranges of ports from which rules let choose. Beside them only what clients have, or ask for, is in there.
pub const RANGES: [RangeInclusive<u16>; 6] = [OPEN, CLOSED, LOW, SNAT, MASQUERADE, INPUT];
/// To which destinations are translated: where somebody listens, and where nobody does.
pub const OPEN: RangeInclusive<u16> = 9_100..=9_109;
/// See [`OPEN`].
pub const CLOSED: RangeInclusive<u16> = 9_200..=9_204;
/// To which sources are translated. Half of the clients are in the first one, and stay as they are.
pub const LOW: RangeInclusive<u16> = 20_000..=29_999;
/// See [`LOW`].
pub const SNAT: RangeInclusive<u16> = 50_000..=50_999;
/// See [`LOW`].
pub const MASQUERADE: RangeInclusive<u16> = 51_000..=51_999;
/// See [`LOW`].
pub const INPUT: RangeInclusive<u16> = 52_000..=52_999;

/// What comes of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server has answered with what it was sent.
    Served {
        /// Whom it has seen.
        peer: End,
        /// Where it was reached.
        reached: End,
        /// By whom the client was answered.
        heard: SocketAddr,
    },
    /// An echo request was answered.
    Echoed {
        /// Whom the host that was asked has seen, [up to choice](up_to_choice).
        peer: IpAddr,
        /// By which of its addresses.
        reached: IpAddr,
        /// With which id.
        id: u16,
    },
    /// The client was told that it cannot be.
    Failed(ErrorKind),
    /// The client was told why.
    Told(ErrorKind, Notice),
}

/// An end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Its address; where a rule lets choose among several, the first of them.
    pub address: IpAddr,
    /// Its port.
    pub port: Port,
}

/// A port, up to what rules let choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// It is the one that the client has, or has asked for.
    Kept,
    /// It is one of a range, which begins here.
    Among(u16),
    /// It is another.
    Exactly(u16),
}

impl End {
    /// What has become of an end.
    fn of(now: SocketAddr, before: SocketAddr) -> Self {
        let port = match RANGES.into_iter().find(|range| range.contains(&now.port())) {
            _ if now.port() == before.port() => Port::Kept,
            Some(range) => Port::Among(*range.start()),
            None => Port::Exactly(now.port()),
        };
        Self { address: up_to_choice(now.ip()), port }
    }
}

/// The address itself, or the first one of those among which a rule lets choose.
pub fn up_to_choice(address: IpAddr) -> IpAddr {
    let range = STRANGERS.into_iter().find(|[first, last]| (first..=last).contains(&&address));
    range.map_or(address, |[first, _]| first)
}

impl Outcome {
    /// What the server has told, and the client knows: itself, and whom it has asked.
    pub fn served(told: Told, (own, asked): (SocketAddr, SocketAddr), heard: SocketAddr) -> Self {
        Self::Served { peer: End::of(told.peer, own), reached: End::of(told.reached, asked), heard }
    }

    /// What the client was told, and by whom if it was by somebody.
    pub fn told(error: &io::Error, notice: Option<Notice>) -> Self {
        notice.map_or_else(|| Self::failed(error), |notice| Self::Told(error.kind(), notice))
    }

    /// What the client was told, however long it has waited.
    pub fn failed(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock => Self::Failed(ErrorKind::TimedOut),
            kind => Self::Failed(kind),
        }
    }
}

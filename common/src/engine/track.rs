//! Stage 3: where a packet stands in its flow, and the flow that it begins.

use super::{
    flow::{Hit, Parties},
    headers::{Headers, Kind, Place},
    state,
    tables::{FlowEntry, Which},
};
use crate::{
    abi::{
        flow::{Flow, State},
        rules::{
            dimension::{direction, state as ct},
            status,
        },
        units::{ContainerId, Protocol, Zone},
    },
    wire::icmp,
};

/// Where a packet stands in its flow.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In none that there was before it.
    Outside = 0,
    /// It comes from the opener, whom nobody has answered yet.
    Unanswered = 1,
    /// It comes from the opener, who has been answered.
    Onward = 2,
    /// It comes from the other end.
    Answer = 3,
    /// As an ICMP error it is about a packet of the flow.
    Related = 4,
    /// It tells the sender of a rejected packet so: nf_conntrack takes it for related to that packet's flow, which is not
    /// confirmed.
    Notice = 5,
}

/// The flow that a packet begins if it goes through: rules are asked first, so that what they drop leaves no entry, as
/// nf_conntrack confirms an entry after all rules.
///
/// (Not an `Option`: what stands in the place of nothing would be undefined, and the kernel's verifier would find it to
/// be half of a pointer.)
#[derive(Clone, Copy)]
pub struct Opening {
    /// Whether there is one.
    pub wanted: bool,
    /// Where its entry is to be.
    pub place: Place,
    /// Whose it is.
    pub parties: Parties,
}

impl Opening {
    /// There is none.
    const NONE: Self = Self {
        wanted: false,
        place: Place::in_zone(Zone::LOCAL),
        parties: Parties::new(ContainerId::HOST, ContainerId::HOST),
    };
}

/// A packet's flow.
#[derive(Clone, Copy)]
pub struct Track {
    /// Where the packet stands in it.
    pub standing: Standing,
    /// [`Flow`]'s state and flags that rules may ask for, as the bits of [`status`]; and [`Self::ENDS`].
    pub status: u8,
    /// The flow that is to be made for it.
    pub opening: Opening,
}

impl Track {
    /// Of the status: the flow has come to its end, and rules have counted it. A bit there takes no room on a small stack.
    pub const ENDS: u8 = 0x80;

    /// No flow, and none to be made.
    pub const NONE: Self = Self { standing: Standing::Outside, status: 0, opening: Opening::NONE };

    /// About a packet of a flow.
    pub const RELATED: Self = Self { standing: Standing::Related, status: status::CONFIRMED, ..Self::NONE };

    /// A [notice](super::notice).
    pub const NOTICE: Self = Self { standing: Standing::Notice, ..Self::NONE };

    /// A flow is to be made.
    #[inline(always)]
    pub const fn opening(place: Place, parties: Parties) -> Self {
        Self { opening: Opening { wanted: true, place, parties }, ..Self::NONE }
    }

    /// In a flow, which the packet has moved on.
    #[inline(always)]
    pub fn of<F: FlowEntry>(hit: &Hit<F>) -> Self {
        let replied = hit.entry.flags() & Flow::REPLIED != 0;
        let standing = match (hit.from_opener, replied) {
            (false, _) => Standing::Answer,
            (true, true) => Standing::Onward,
            (true, false) => Standing::Unanswered,
        };
        let mut bits = status::CONFIRMED;
        if replied {
            bits |= status::SEEN_REPLY;
        }
        if is_assured(hit.entry.state(), replied) {
            bits |= status::ASSURED;
        }
        if hit.entry.flags() & Flow::COUNTED != 0 && hit.entry.state().is_closed() {
            bits |= Self::ENDS;
        }
        Self { standing, status: bits, ..Self::NONE }
    }

    /// The state that rules ask for, and the direction: [`ct`] and [`direction`].
    #[inline(always)]
    pub fn state(&self, headers: &Headers) -> (u32, u32) {
        match self.standing {
            Standing::Outside => (outside(headers), direction::ORIGINAL),
            Standing::Unanswered => (ct::NEW, direction::ORIGINAL),
            Standing::Onward => (ct::ESTABLISHED, direction::ORIGINAL),
            Standing::Answer => (ct::ESTABLISHED, direction::REPLY),
            Standing::Related | Standing::Notice => (ct::RELATED, direction::REPLY),
        }
    }
}

/// Whether nf_conntrack takes a packet for the beginning of a flow.
#[inline(always)]
pub fn begins(headers: &Headers) -> bool {
    outside(headers) == ct::NEW
}

/// The state of a packet without a flow.
#[inline(always)]
fn outside(headers: &Headers) -> u32 {
    match headers.kind {
        Kind::Link if headers.protocol == Protocol::ICMPV6 => of_link(headers.detail),
        Kind::Link | Kind::IcmpError => ct::INVALID,
        // An answer to nothing.
        Kind::Query if !headers.is_requester(Which::Source) => ct::INVALID,
        Kind::Ports if headers.protocol == Protocol::TCP && !state::may_begin(headers.detail) => ct::INVALID,
        _ => ct::NEW,
    }
}

/// nf_conntrack leaves discovery and group membership of IPv6 alone, and knows queries of node information (RFC 4620)
/// for what they are (net/netfilter/nf_conntrack_proto_icmpv6.c).
#[inline(always)]
const fn of_link(kind: u8) -> u32 {
    match kind {
        icmp::ROUTER_SOLICITATION..=icmp::NEIGHBOUR_ADVERTISEMENT => ct::UNTRACKED,
        kind if icmp::is_mld(kind) => ct::UNTRACKED,
        icmp::NODE_INFORMATION_QUERY => ct::NEW,
        _ => ct::INVALID,
    }
}

/// Whether a flow has gone far enough to be worth keeping (`IPS_ASSURED`).
#[inline(always)]
const fn is_assured(state: State, replied: bool) -> bool {
    match state {
        State::Replied => true,
        State::Established | State::FinWait | State::TimeWait => replied,
        State::Unreplied | State::SynSent | State::SynRecv | State::Close => false,
    }
}

//! Stage 3: where a packet stands in its flow, and the flow that it begins.

use super::{
    connection::Meeting,
    flow::{self, Hit, Parties},
    headers::{Headers, Kind, Place},
    state,
    tables::{FlowEntry, Tables, Which},
    trace::Trace,
};
use crate::{
    abi::{
        counters::Traffic,
        flow::State,
        rules::{
            dimension::{direction, state as ct},
            status,
        },
        units::{ContainerId, Protocol, Zone},
    },
    wire::{Packet, icmp},
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
    /// It is between the ends of a flow, but makes no sense there.
    Invalid = 6,
    /// In none that there was before it, but another has announced it: see [`super::ftp`].
    Expected = 7,
}

/// The flow that a packet begins if it goes through: rules are asked first, so that what they drop leaves no entry, as
/// nf_conntrack confirms an entry after all rules.
///
/// Bits, and not what they stand for, which would take most of a small stack until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening(u8);

impl Opening {
    /// There is none.
    pub const NONE: Self = Self(0);
    /// By the packet's owner, who sends it.
    pub const SENT: Self = Self(1);
    /// By whoever sends the packet to its owner.
    pub const RECEIVED: Self = Self(1 | 2);
    /// As [`Self::SENT`], beside a flow of another between the same addresses.
    pub const BESIDE: Self = Self(1 | 4);
    /// As [`Self::SENT`], to whoever is at the other end of the node.
    pub const INSIDE: Self = Self(1 | 8);

    /// None for it, but one for the connection that it announces: see [`super::ftp`].
    pub const ANNOUNCED: Self = Self(32);

    /// Whether it is one that the packet announces.
    #[inline(always)]
    pub const fn is_announced(self) -> bool {
        self.0 & Self::ANNOUNCED.0 != 0
    }

    /// The same in the place of a live flow, whose port is the owner's now.
    #[inline(always)]
    pub const fn taking_over(self) -> Self {
        Self(self.0 | 16)
    }

    /// Whether there is one.
    #[inline(always)]
    pub const fn is_wanted(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether it is by whoever sends to the packet's owner.
    #[inline(always)]
    pub const fn is_received(self) -> bool {
        self.0 & 2 != 0
    }

    /// Where its entry is to be.
    #[inline(always)]
    pub const fn place(self, zone: Zone, owner: ContainerId) -> Place {
        if self.0 & 4 != 0 { Place::shared(zone, owner) } else { Place::in_zone(zone) }
    }

    /// Whether its other end is to be looked for on this node.
    #[inline(always)]
    pub const fn is_inside(self) -> bool {
        self.0 & 8 != 0
    }

    /// Whose it is, with another at the other end.
    #[inline(always)]
    pub const fn parties(self, owner: ContainerId, other: ContainerId) -> Parties {
        let parties = if self.0 & 2 != 0 { Parties::new(other, owner) } else { Parties::new(owner, other) };
        if self.0 & 16 != 0 { parties.taking_over() } else { parties }
    }
}

/// A packet's flow.
#[derive(Clone, Copy)]
pub struct Track<F> {
    /// Where the packet stands in it.
    pub standing: Standing,
    /// What of its flow's [`State`] rules may ask for, as the bits of [`status`]; and [`Self::ENDS`].
    pub status: u8,
    /// The flow that it is in, if that keeps verdicts.
    pub flow: Option<F>,
    /// The flow that is to be made for it.
    pub opening: Opening,
}

impl<F: FlowEntry> Track<F> {
    /// Of the status: the flow has come to its end, and rules have counted it. A bit there takes no room on a small stack.
    pub const ENDS: u8 = 0x80;

    /// No flow, and none to be made.
    pub const NONE: Self =
        Self { standing: Standing::Outside, status: 0, flow: None, opening: Opening::NONE };

    /// About a packet of a flow.
    pub const RELATED: Self = Self { standing: Standing::Related, status: status::CONFIRMED, ..Self::NONE };

    /// A [notice](super::notice).
    pub const NOTICE: Self = Self { standing: Standing::Notice, ..Self::NONE };

    /// It makes no sense in its flow.
    pub const INVALID: Self = Self { standing: Standing::Invalid, ..Self::NONE };

    /// A flow is to be made.
    #[inline(always)]
    pub const fn opening(opening: Opening) -> Self {
        Self { opening, ..Self::NONE }
    }

    /// Now that it is known whose the packet is: a flow of this container's that is to be made may have been announced.
    #[inline(always)]
    pub fn look_for_announcement<T: Tables>(
        &mut self,
        tables: &T,
        headers: &Headers,
        (id, zone): (ContainerId, Zone),
    ) {
        let sends = !self.opening.is_received();
        if self.opening.is_wanted() && tables.claim_awaited(headers, zone, (id, sends)) {
            self.standing = Standing::Expected;
            self.status = status::EXPECTED;
        }
    }

    /// In a flow, which the packet has moved on.
    #[inline(always)]
    fn of(hit: &Hit<F>) -> Self {
        let state = hit.entry.state();
        let replied = state.has(State::REPLIED);
        let standing = match (hit.from_opener, replied) {
            (false, _) => Standing::Answer,
            (true, true) => Standing::Onward,
            (true, false) => Standing::Unanswered,
        };
        let mut bits = status::CONFIRMED;
        if replied {
            bits |= status::SEEN_REPLY;
        }
        if state.has(State::ASSURED) {
            bits |= status::ASSURED;
        }
        if state.has(State::EXPECTED) {
            bits |= status::EXPECTED;
        }
        if state.has(State::COUNTED) && state.is_closed() {
            bits |= Self::ENDS;
        }
        let flow = if state.has(State::HEARD) { None } else { Some(hit.entry) };
        Self { standing, status: bits, flow, ..Self::NONE }
    }

    /// The state that rules ask for, and the direction: [`ct`] and [`direction`]. `policy` is [`Tables::tcp`].
    #[inline(always)]
    pub fn state(&self, headers: &Headers, policy: u32) -> (u32, u32) {
        match self.standing {
            Standing::Outside => (outside(headers, policy), direction::ORIGINAL),
            Standing::Unanswered if self.status & status::EXPECTED != 0 => (ct::RELATED, direction::ORIGINAL),
            Standing::Expected => (ct::RELATED, direction::ORIGINAL),
            Standing::Unanswered => (ct::NEW, direction::ORIGINAL),
            Standing::Onward => (ct::ESTABLISHED, direction::ORIGINAL),
            Standing::Answer => (ct::ESTABLISHED, direction::REPLY),
            Standing::Related | Standing::Notice => (ct::RELATED, direction::REPLY),
            Standing::Invalid => (ct::INVALID, direction::ORIGINAL),
        }
    }
}

/// A packet goes on in the flow that it was found to be in, as [`flow::touch`] has it. What begins another flow there has
/// `opening` for it.
#[inline(always)]
pub fn go_on<T: Tables, P: Packet>(
    tables: &T,
    hit: &Hit<T::Flow>,
    packet: (&P, &Headers),
    seen: (Trace, Option<Traffic>),
    opening: Opening,
) -> Track<T::Flow> {
    match flow::touch(tables, hit, packet, seen) {
        Meeting::GoesOn if seen.0 == Trace::None && hit.entry.state().has(State::HEARD) => {
            let (packet, headers) = packet;
            let announces = tables.hear(packet, headers, hit.entry, hit.from_opener);
            Track { opening: if announces { Opening::ANNOUNCED } else { Opening::NONE }, ..Track::of(hit) }
        }
        Meeting::GoesOn => Track::of(hit),
        Meeting::Invalid => Track::INVALID,
        Meeting::BeginsAnew => Track::opening(opening.taking_over()),
    }
}

/// Whether nf_conntrack takes a packet for the beginning of a flow.
#[inline(always)]
pub fn begins(headers: &Headers, policy: u32) -> bool {
    outside(headers, policy) == ct::NEW
}

/// The state of a packet without a flow.
#[inline(always)]
fn outside(headers: &Headers, policy: u32) -> u32 {
    match headers.kind {
        Kind::Link if headers.protocol == Protocol::ICMPV6 => of_link(headers.detail),
        Kind::Link | Kind::IcmpError => ct::INVALID,
        // An answer to nothing.
        Kind::Query if !headers.is_requester(Which::Source) => ct::INVALID,
        Kind::Ports if !state::may_begin(headers, policy) => ct::INVALID,
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

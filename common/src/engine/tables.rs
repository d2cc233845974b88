//! What the engine asks of the tables: maps in the kernel, plain memory elsewhere.

use super::{
    association, attribute,
    connection::{self, Meeting},
    flow::{self, Parties},
    flow_table::{FlowTable, Half, Slot, index},
    fragments::{self, FragmentPlace},
    ftp,
    headers::{Headers, Place},
    ports,
    rules::{Case, Ruling},
    sctp::Chunks,
    spoof::{self, Course},
    tcp::{Segment, Whole},
};
use crate::abi::{
    address::Address,
    container::Container,
    counters::Traffic,
    flow::{FlowKey, State},
    fragment::Fragment,
    port::{Claim, PortKey},
    reason::Reason,
    timeout::Timeout,
    units::{ContainerId, Nanos, Port, Protocol, Ticks, Zone},
};
use crate::wire::{self, Packet, ether::EtherType};

/// One word that several processors change at once.
pub trait Word: Copy {
    /// Its value now.
    fn load(&self) -> u64;
    /// Sets it to `new` if it is still `old`; tells whether it was.
    fn swap(&self, old: u64, new: u64) -> bool;
    /// Adds `value` (wrapping) and returns what it was before.
    fn add(&self, value: u64) -> u64;
}

/// What a flow begins with.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    /// When it begins.
    pub created: Ticks,
    /// Its first packet.
    pub out: Traffic,
    /// Who opens it.
    pub opener: ContainerId,
    /// Who holds the other end.
    pub responder: ContainerId,
    /// The epoch of the reservations that it was last held against.
    pub port_epoch: u32,
    /// Where it stands.
    pub state: State,
}

/// One flow, as several processors see it at once.
pub trait FlowEntry: Copy {
    /// Half a word.
    type Half: Half;

    /// A word of its key.
    fn key_word(&self, place: usize) -> u32;
    /// Gives it another key; only who has claimed it does so.
    fn set_key(&self, key: &FlowKey);
    /// Whether its key has these words.
    #[inline(always)]
    fn has_key(&self, word: impl Fn(usize) -> u32) -> bool {
        // Word by word: there is no stack in the kernel to load them all.
        for place in 0..FlowKey::WORDS {
            if self.key_word(place) != word(place) {
                return false;
            }
        }
        true
    }
    /// Which node follows in its ring.
    fn next(&self) -> Self::Half;
    /// When it ends; zero if it is being deleted. Never, as long as somebody [holds](FlowEntry::hold) it.
    fn expires(&self) -> Nanos;
    /// Sets the end to `new` if it is `old`; tells whether it was.
    fn swap_expires(&self, old: Nanos, new: Nanos) -> bool;
    /// Moves the end from `old` to `new`; tells whether nobody else did before, and nobody holds it.
    #[inline(always)]
    fn claim(&self, old: Nanos, new: Nanos) -> bool {
        !old.is_held() && self.swap_expires(old, new)
    }
    /// Moves the end from `old` to `new`, whether or not somebody holds it; tells whether nobody else did before.
    #[inline(always)]
    fn change_expires(&self, old: Nanos, new: Nanos) -> bool {
        self.swap_expires(old, if old.is_held() { new.held() } else { new })
    }
    /// Keeps others from claiming it, while it goes on; tells whether that could be: nobody has it in hand.
    #[inline(always)]
    fn hold(&self) -> bool {
        let old = self.expires();
        old.0 != 0 && !old.is_held() && self.swap_expires(old, old.held())
    }
    /// Lets others claim it again; only who holds it does so. Nothing that others do to it at the same time can get in the way.
    fn release(&self);
    /// Who opened it.
    fn opener(&self) -> ContainerId;
    /// Who holds the other end.
    fn responder(&self) -> ContainerId;
    /// Changes who holds the other end from `old` to `new`, for whom other rules hold.
    fn change_responder(&self, old: ContainerId, new: ContainerId);
    /// When it began.
    fn created(&self) -> Ticks;
    /// It has ended then; only who has claimed it says so.
    fn set_ended(&self, at: Ticks);
    /// Its state is [`State::GONE`] and nothing else; only who has claimed it says so.
    fn set_gone(&self);
    /// Where it stands.
    fn state(&self) -> State;
    /// Changes where it stands from `old` to `new`; tells whether nobody else did before.
    fn change_state(&self, old: State, new: State) -> bool;
    /// A word of its TCP connection.
    fn number(&self, place: usize) -> u64;
    /// Sets such a word; only who has locked the connection does so.
    fn set_number(&self, place: usize, number: u64);
    /// The epoch of the reservations that it was last held against.
    fn port_epoch(&self) -> u32;
    /// It was held against the reservations of this epoch.
    fn set_port_epoch(&self, epoch: u32);
    /// A word of what its container's rules say of packets to it (zero) or from it (one).
    fn verdict(&self, place: usize, word: usize) -> u64;
    /// Changes such a word.
    fn set_verdict(&self, place: usize, word: usize, value: u64);
    /// A packet is counted in it: from the opener, or to it.
    fn count(&self, from_opener: bool, traffic: Traffic);
    /// Begins; only who has claimed it has it do so. When it ends is left as it is.
    fn begin(&self, beginning: &Beginning);
}

/// Why there is no new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertError {
    /// Somebody else was faster.
    Exists,
    /// The table is full.
    Full,
}

/// An end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
}

/// Whose socket a lookup found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is none.
    Nothing,
    /// One of this container.
    Container(ContainerId),
    /// The host's, or one that has no owner any more (TIME_WAIT).
    Other,
}

/// A word of [`crate::abi::container::Usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageWord {
    /// Flows held.
    FlowsHeld,
    /// Most flows held.
    FlowsMax,
    /// Flows refused.
    FlowsFailed,
    /// Flows that had to go for others.
    FlowsEvicted,
    /// Reservations held.
    PortsHeld,
    /// Most reservations held.
    PortsMax,
    /// Reservations refused.
    PortsFailed,
    /// What rules remember.
    GuardsHeld,
    /// Most that rules remembered.
    GuardsMax,
    /// What rules were to remember, and was refused.
    GuardsFailed,
    /// Control packets sent in this second.
    Control,
    /// When the bucket of notices is full again.
    Notices,
    /// When the bucket of new flows is full again.
    NewFlows,
}

impl UsageWord {
    /// All but [`Self::FlowsHeld`], which outlives the container: each flow gives back what was counted for it.
    pub const FORGOTTEN: [Self; 12] = [
        Self::FlowsMax,
        Self::FlowsFailed,
        Self::FlowsEvicted,
        Self::PortsHeld,
        Self::PortsMax,
        Self::PortsFailed,
        Self::GuardsHeld,
        Self::GuardsMax,
        Self::GuardsFailed,
        Self::Control,
        Self::Notices,
        Self::NewFlows,
    ];
}

/// All tables.
pub trait Tables: FlowTable + Sized {
    /// Handle to a place of the table of fragments.
    type FragmentPlace: FragmentPlace;

    /// A container that exists.
    fn container(&self, id: ContainerId) -> Option<Container>;
    /// How long the flows of a container last.
    fn timeout(&self, id: ContainerId, timeout: Timeout) -> Nanos;
    /// Whether the node drops what arrives for nobody.
    fn drops_unowned(&self) -> bool;
    /// How strictly TCP is looked at: bits of [`Config::TCP_LIBERAL`](crate::abi::config::Config::TCP_LIBERAL) and its
    /// neighbours.
    fn tcp(&self) -> u32;

    /// Whose a local address is: the host's (all may use it) or one container's; nothing if it is not local.
    fn address(&self, address: &Address) -> Option<ContainerId>;
    /// Whether a container has this address on its own interface; for its hardware addresses, the link-local ones made of them.
    fn has_address(&self, id: ContainerId, address: &Address) -> bool;
    /// Whether any address belongs to one container alone.
    fn has_container_addresses(&self) -> bool;

    /// The claim of a reservation.
    fn port(&self, key: &PortKey) -> Option<Self::Word>;
    /// A new reservation.
    fn insert_port(&self, key: &PortKey, claim: Claim) -> Result<(), InsertError>;
    /// The summary of all reservations with one protocol, family and port.
    fn port_summary(&self, index: u32) -> Option<Self::Word>;
    /// How many reservations were ever made: the lower half is the epoch.
    fn port_epoch(&self) -> Option<Self::Word>;

    /// A place of the table of fragments.
    fn fragment_place(&self, number: u32) -> Option<Self::FragmentPlace>;

    /// Who has reserved the port at one end of the packet.
    ///
    /// This and the other methods with a body are places where the kernel's tables may cut the engine in two for the
    /// verifier's sake. They do nothing else than the body.
    #[inline(always)]
    fn port_holder(&self, headers: &Headers, end: Which) -> Option<ContainerId> {
        ports::holder(self, headers, end)
    }

    /// What was decided for the first fragment of the packet, if it still holds.
    #[inline(always)]
    fn first_fragment(&self, headers: &Headers, zone: Zone) -> Option<Fragment> {
        fragments::find(self, &headers.fragment_key(zone))
    }

    /// Remembers what was decided for the first fragment of a packet.
    #[inline(always)]
    fn remember_fragment(&self, headers: &Headers, zone: Zone, fragment: &Fragment) {
        fragments::remember(self, &headers.fragment_key(zone), fragment);
    }

    /// The flow with this key, expired or not.
    #[inline(always)]
    fn flow(&self, key: &FlowKey) -> Option<Slot<Self::Flow>> {
        index::find(self, |place| key.word(place))
    }

    /// The flow at `place` for the packet `headers`, expired or not.
    #[inline(always)]
    fn find(&self, headers: &Headers, place: Place) -> Option<Slot<Self::Flow>> {
        self.flow(&place.any_key(headers))
    }

    /// Writes into a slot, which the caller has claimed, what a flow begins with.
    #[inline(always)]
    fn fill(&self, number: u32, at: (&Headers, Place), parties: &Parties, traffic: (Traffic, bool)) {
        flow::fill(self, number, at, parties, traffic);
    }

    /// Makes the flow at `place` for the packet `headers`, which it counts, or says why not. Rules may have counted the flow
    /// ([`Ruling::is_counted`]).
    #[inline(always)]
    fn open_flow(
        &self,
        headers: &Headers,
        place: Place,
        parties: &Parties,
        traffic: (Traffic, bool),
    ) -> Reason {
        flow::open(self, headers, place, parties, traffic)
    }

    /// How many flows a container may have, if it may begin one more in this second.
    #[inline(always)]
    fn admit(&self, id: ContainerId) -> Option<u32> {
        flow::admit(self, id)
    }

    /// Moves a flow of a protocol without phases on.
    #[inline(always)]
    fn refresh(&self, flow: Self::Flow, protocol: Protocol, from_opener: bool) {
        flow::refresh(self, &flow, protocol, from_opener);
    }

    /// What a packet whose protocol [has phases](super::state::has_phases) is to the flow that it is in, which it moves on.
    #[inline(always)]
    fn meet<P: Packet>(&self, packet: &P, headers: &Headers, flow: Self::Flow, from_opener: bool) -> Meeting {
        let flow = (&flow, from_opener);
        if headers.protocol == Protocol::SCTP {
            let chunks = Chunks::read(packet, headers, 0);
            return chunks.map_or(Meeting::Invalid, |chunks| {
                association::meet(self, &association::Whole, (headers, &chunks), flow)
            });
        }
        let segment = Segment::read(packet, headers, 0);
        segment.map_or(Meeting::Invalid, |segment| connection::meet(self, &Whole, (headers, segment), flow))
    }

    /// Whether a segment of a connection that is [heard](State::HEARD) announces another, which is noted there.
    #[inline(always)]
    fn hear<P: Packet>(&self, packet: &P, headers: &Headers, flow: Self::Flow, from_opener: bool) -> bool {
        ftp::hear(packet, headers, 0, (&flow, from_opener), |line, speaker| {
            wire::ftp::announced(packet, line, speaker, &headers.source)
        })
    }

    /// Between whom a connection is to be awaited, and at which port, now that the packet has announced it; nothing if it is awaited
    /// already.
    #[inline(always)]
    fn make_way(&self, headers: &Headers, zone: Zone) -> Option<(Parties, Port)> {
        ftp::make_way(self, headers, zone)
    }

    /// What the packet has announced is awaited now.
    #[inline(always)]
    fn note_awaited(&self, headers: &Headers, zone: Zone) {
        ftp::note(self, headers, zone);
    }

    /// Whether a container sends (or is sent) the first packet of a connection that was announced between its ends. It is not awaited
    /// any more then.
    #[inline(always)]
    fn claim_awaited(&self, headers: &Headers, zone: Zone, whose: (ContainerId, bool)) -> bool {
        ftp::claim(self, headers, zone, whose)
    }

    /// Whose one end (the local one) is of the packet that an ICMP error quotes.
    #[inline(always)]
    fn quoted_end<P: Packet>(&self, packet: &P, headers: &Headers, zone: Zone, end: Which) -> ContainerId {
        attribute::quoted_end(self, packet, headers, zone, end)
    }

    /// What a packet on a container's own interface is to it.
    #[inline(always)]
    fn course<P: Packet>(
        &self,
        packet: &P,
        headers: &Headers,
        whose: (ContainerId, bool),
    ) -> Result<Course, Reason> {
        spoof::course(self, (packet, headers), whose)
    }

    /// Why a frame on a container's own interface that is of no IP goes no further.
    #[inline(always)]
    fn refuses_frame<P: Packet>(
        &self,
        packet: &P,
        frame: (EtherType, u32),
        whose: (ContainerId, bool),
    ) -> Reason {
        spoof::refuses_frame(self, packet, frame, whose)
    }

    /// What the rules of the case's container say of the packet, whose flow may keep it for others like it.
    fn rule<P: Packet>(&self, packet: &P, headers: &Headers, case: &Case, flow: Option<Self::Flow>)
    -> Ruling;

    /// Whose TCP or UDP socket is at one end of the packet: the one that would get it, or that would get its answer.
    fn socket(&self, headers: &Headers, end: Which) -> Found;
}

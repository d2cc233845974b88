//! What translation asks of the tables.

use super::{
    super::{
        headers::Headers,
        tables::{InsertError, Tables, Which, Word},
    },
    Answer, Beginning, Ends, Look, Naming, Path, Proposal, Sender, Taken, fragments, inward, name, outward,
    own,
    pending::{self, PendingPlace},
    reflect,
};
use crate::abi::{
    address::Address,
    flow::{End, FlowKey},
    fragment::FragmentKey,
    nat::{NatEnd, NatFragment, NatOwner, NatPending, NatSource, Published},
    port::PortKey,
    reason::Reason,
    units::{ContainerId, Zone},
};

/// How a flow is translated, as several processors see it at once.
pub trait TranslationEntry: Copy {
    /// A word of it.
    type Word: Word;

    /// Which flow's it is.
    fn stamp(&self) -> Self::Word;
    /// The flow's key outside.
    fn outer(&self) -> FlowKey;
    /// Whether that is it.
    #[inline(always)]
    fn has_outer(&self, key: &FlowKey) -> bool {
        self.outer() == *key
    }
    /// The end that is another there.
    fn outer_end(&self) -> End;
    /// Whether the other end, which is the same, has this address, and packets that bear the name are in this zone.
    fn faces(&self, address: &Address, zone: Zone) -> bool;
    /// Sets both; only who has the stamp at [`BUSY`](crate::abi::nat::Translation::BUSY) does so.
    fn set_outer(&self, key: &FlowKey, is_low: bool);
}

/// The tables of translation.
pub trait NatTables: Tables {
    /// Handle to a translation.
    type Translation: TranslationEntry;
    /// Handle to a place of what is pending.
    type PendingPlace: PendingPlace;

    /// Who has the name: its [number](Naming::number), and above it some bits that another time would be others.
    fn name(&self, outer: &FlowKey) -> Option<Self::Word>;
    /// A new name.
    fn insert_name(&self, outer: &FlowKey, word: u64) -> Result<(), InsertError>;
    /// Deletes a name; only who has marked it does so.
    fn remove_name(&self, outer: &FlowKey);
    /// How a flow is translated.
    fn translation(&self, number: u32) -> Option<Self::Translation>;
    /// The same, made if there is none; nothing if the table is full.
    fn make_translation(&self, number: u32) -> Option<Self::Translation>;
    /// What has been published there.
    fn publication(&self, key: &PortKey) -> Option<Published>;
    /// Whose a source address is.
    fn source(&self, source: &NatSource) -> Option<NatOwner>;
    /// The address of each family that flows come from which leave by an uplink, or by a container's own interface.
    fn interface_address(&self, ifindex: u32, is_v4: bool) -> Option<Address>;
    /// A place of what is pending.
    fn pending_place(&self, number: u32) -> Option<Self::PendingPlace>;
    /// What was done with the first fragment of a packet.
    fn fragment(&self, key: &FragmentKey) -> Option<NatFragment>;
    /// Remembers that.
    fn keep_fragment(&self, key: &FragmentKey, fragment: &NatFragment);
    /// The ports that masquerading takes: the first and the last.
    fn ports(&self) -> [u16; 2];
    /// Some number.
    fn random(&self) -> u32;
    /// Whether containers' own rules translate flows.
    fn is_own_on(&self) -> bool;

    /// Notes what the flow with this key, in its container's zone, is to be called outside.
    #[inline(always)]
    fn note_pending(&self, key: &FlowKey, pending: &NatPending) {
        if let Some(number) = pending::choose(self, key, pending.owner) {
            pending::keep(self, number, key, pending);
        }
    }

    /// Who sends from an address by an interface, if it is somebody whose flows may be translated. As in [`Tables`], methods with a body
    /// are there for the kernel's tables to cut the engine in two.
    #[inline(always)]
    fn sender(&self, address: &Address, came_by: u32) -> Option<Sender> {
        outward::sender(self, address, came_by)
    }

    /// The address that a later fragment gets in the place of the container's, as the first one has: it is written to `end`.
    #[inline(always)]
    fn follow_first(&self, headers: &Headers, zone: Zone, end: &mut NatEnd) -> bool {
        fragments::follow_first(self, headers, zone, end)
    }

    /// Remembers for later fragments what the first one gets.
    #[inline(always)]
    fn note_first(&self, headers: &Headers, zone: Zone, end: &NatEnd) {
        fragments::note_first(self, headers, zone, end);
    }

    /// Whose flow a packet's end outside is the name of, if it is; then its end inside is written to `inner`.
    #[inline(always)]
    fn translated(&self, headers: &Headers, local: Which, inner: &mut NatEnd) -> ContainerId {
        inward::translated(self, headers, local, inner)
    }

    /// Whether a packet that comes from container `from`, or from outside, bears an address of the node's or of another container. Routing
    /// would find that out later, but then what is noted of it would have renamed a flow of theirs.
    #[inline(always)]
    fn is_forged(&self, headers: &Headers, from: ContainerId) -> bool {
        inward::is_forged(self, headers, from)
    }

    /// Whose published port a packet is for, if it is for one; then the end that it goes to is written to `inner`.
    #[inline(always)]
    fn published(&self, headers: &Headers, inner: &mut NatEnd) -> ContainerId {
        inward::published(self, headers, inner)
    }

    /// A packet goes to a container by a published port.
    #[inline(always)]
    fn go_in(&self, headers: &mut Headers, inner: &NatEnd, id: ContainerId) -> Answer {
        inward::go_in(self, headers, inner, id)
    }

    /// What a packet of `sender`'s that leaves is to come from, as far as that is known: then it is written to `outer`.
    #[inline(always)]
    fn outside(&self, headers: &Headers, sender: Sender, outer: &mut NatEnd) -> Look {
        outward::outside(self, headers, sender, outer)
    }

    /// The ends that a packet of container `id` has when it goes back to it, as far as that is known: they are written to `ends`.
    #[inline(always)]
    fn reflection(&self, headers: &mut Headers, id: ContainerId, ends: &mut Ends) -> Look {
        reflect::reflection(self, headers, id, ends)
    }

    /// Whether a flow of a container's has come by a published port and is to be called after that, which is written to `outer`.
    #[inline(always)]
    fn awaits(&self, headers: &Headers, id: ContainerId, outer: &mut NatEnd) -> bool {
        outward::awaits(self, headers, id, outer)
    }

    /// Puts into a packet of the flow in a slot, which has no name, what it is to be named after.
    #[inline(always)]
    fn propose(&self, headers: &mut Headers, slot: u32, path: Path) -> Proposal {
        outward::propose(self, headers, slot, path)
    }

    /// Names a flow after the end that stands in its packet, or (unless that is given) the same address and another port.
    #[inline(always)]
    fn name_flow(&self, outer: &mut Headers, naming: Naming) -> Reason {
        name::name_flow(self, outer, naming)
    }

    /// A flow is to be named: it has the name already, or nobody else gives it one until [that is said](Self::end_name).
    #[inline(always)]
    fn begin_name(&self, outer: &mut Headers, naming: Naming) -> Beginning {
        name::begin(self, outer, naming)
    }

    /// The flow with this stamp has got its name, or, if that is zero, none has.
    #[inline(always)]
    fn end_name(&self, number: u32, stamp: u64) {
        name::end(self, number, stamp);
    }

    /// Whether a flow still has the name that one with the same key had there before.
    #[inline(always)]
    fn keeps_name(&self, number: u32) -> bool {
        name::keeps(self, number)
    }

    /// Gives up the name that the flow before has had.
    #[inline(always)]
    fn retire(&self, number: u32) {
        name::retire(self, number);
    }

    /// Takes the name that `outer` has, if nobody else has anything there.
    #[inline(always)]
    fn take(&self, outer: &Headers, naming: Naming) -> Taken {
        name::take(self, outer, naming)
    }

    /// The end by which the flow in a slot goes in a zone of names, where its other end is `remote`, if it has been decided about: it is
    /// written to `end`. It may be its own.
    #[inline(always)]
    fn own_end(&self, slot: u32, remote: &Address, zone: Zone, end: &mut NatEnd) -> bool {
        own::end_of(self, slot, remote, zone, end)
    }

    /// Whether nobody is called as a packet is going to be, which begins a flow, behind the translation of its destination. What is there
    /// unanswered may be what an earlier packet of the same flow has left.
    #[inline(always)]
    fn own_is_free(&self, headers: &Headers, whose: own::Whose) -> bool {
        own::is_free(self, headers, whose)
    }

    /// Takes the name that `outer` has on a container's own interface, if no other flow goes by it.
    #[inline(always)]
    fn own_take(&self, outer: &Headers, naming: Naming) -> Taken {
        name::seize(self, outer, naming)
    }

    /// Has it noted that a flow goes by its own, which is nobody else's name.
    #[inline(always)]
    fn own_keep(&self, outer: &Headers, naming: Naming) -> Taken {
        own::keep(self, outer, naming)
    }

    /// Whether another flow of the container's goes by what a flow is to be named.
    #[inline(always)]
    fn own_is_live(&self, outer: &Headers, naming: Naming) -> bool {
        own::is_live(self, outer, naming)
    }

    /// The [number](Naming::number) of the name that a packet bears in a zone of names; none that there is, if it bears none.
    #[inline(always)]
    fn own_number(&self, headers: &Headers, zone: Zone) -> u32 {
        own::number_by_name(self, headers, zone)
    }
}

//! The tables of translation, which are maps; and functions that the verifier proves each by itself, as in [`crate::seams`].

use aya_ebpf::{
    bindings::{__sk_buff, BPF_ANY, BPF_NOEXIST},
    helpers::generated::bpf_get_prandom_u32,
};
use berth_common::{
    abi::{
        address::Address,
        config::Config,
        flow::{End, FlowKey},
        fragment::FragmentKey,
        nat::{NatEnd, NatFragment, NatOwner, NatPending, NatSource, Published, Translation},
        port::PortKey,
        reason::Reason,
        units::{ContainerId, Zone},
    },
    engine::{
        Headers,
        nat::{
            self, Answer, Beginning, Ends, Look, Naming, NatTables, Path, Proposal, Sender, Taken,
            TranslationEntry, own::Whose,
        },
        tables::{InsertError, Which},
    },
};

use crate::{
    atomic::MapWord,
    maps::{NAT_ADDRESSES, NAT_FLOWS, NAT_FRAGMENTS, NAT_OUTER, NAT_PENDING, NAT_PUBLISHED, NAT_SOURCES},
    own,
    packet::Skb,
    pending::{self, MapPending},
    seams::{BySkb, NoContext},
    tables::{Context, Maps, config, insert_error},
};

/// What the seams return: none, or a reason and a container, above these bits.
const AS_IT_IS: u64 = 0;
const TRANSLATED: u64 = 1;
const DROPPED: u64 = 2;
const NAMELESS: u64 = 3;

/// What [`seam_begin_name`] returns, beside a reason or alone, if no stamp; of those this bit is none.
const NAMED: u64 = 1 << 63;

/// What [`seam_sender`] returns beside a container's id, or in its place.
const MASQUERADED: u64 = 1 << 32;
const NOBODY: u64 = 1 << 33;

/// A value of `NAT_FLOWS`.
#[derive(Clone, Copy)]
pub struct MapTranslation(*mut Translation);

impl TranslationEntry for MapTranslation {
    type Word = MapWord;

    #[inline(always)]
    fn stamp(&self) -> MapWord {
        // SAFETY: A value of the map, whose first field is an aligned word.
        unsafe { MapWord::new(&raw mut (*self.0).stamp) }
    }

    #[inline(always)]
    fn outer(&self) -> FlowKey {
        // SAFETY: As above. Others may write meanwhile, which the stamp tells.
        unsafe { (&raw const (*self.0).outer).read_volatile() }
    }

    #[inline(always)]
    fn has_outer(&self, key: &FlowKey) -> bool {
        for place in 0..FlowKey::WORDS {
            // SAFETY: As above; the key is so many aligned halves of words.
            let word = unsafe { (&raw const (*self.0).outer).cast::<u32>().add(place).read_volatile() };
            if word != key.word(place) {
                return false;
            }
        }
        true
    }

    #[inline(always)]
    fn outer_end(&self) -> End {
        // SAFETY: As above.
        unsafe {
            if (&raw const (*self.0).is_low).read_volatile() != 0 {
                let address = (&raw const (*self.0).outer.low).read_volatile();
                End { address, port: (&raw const (*self.0).outer.low_port).read_volatile() }
            } else {
                let address = (&raw const (*self.0).outer.high).read_volatile();
                End { address, port: (&raw const (*self.0).outer.high_port).read_volatile() }
            }
        }
    }

    #[inline(always)]
    fn faces(&self, address: &Address, zone: Zone) -> bool {
        // SAFETY: As above; the key is so many aligned halves of words.
        unsafe {
            let words = (&raw const (*self.0).outer).cast::<u32>();
            let is_low = (&raw const (*self.0).is_low).read_volatile() != 0;
            let other = words.add(if is_low { 4 } else { 0 });
            let mut differs = words.add(FlowKey::ZONE_PROTOCOL).read_volatile() >> 8 ^ zone.0;
            for (place, word) in address.0.iter().enumerate() {
                differs |= other.add(place).read_volatile() ^ word;
            }
            differs == 0
        }
    }

    #[inline(always)]
    fn set_outer(&self, key: &FlowKey, is_low: bool) {
        // SAFETY: As above.
        unsafe {
            (&raw mut (*self.0).outer).write_volatile(*key);
            (&raw mut (*self.0).is_low).write_volatile(is_low as u32);
        }
    }
}

/// With a context only what asks for sockets needs one.
impl<C: Context> NatTables for Maps<C> {
    type Translation = MapTranslation;
    type PendingPlace = MapPending;

    #[inline(always)]
    fn name(&self, outer: &FlowKey) -> Option<MapWord> {
        // SAFETY: The value is one aligned word.
        NAT_OUTER.get_ptr_mut(outer).map(|word| unsafe { MapWord::new(word) })
    }

    #[inline(always)]
    fn insert_name(&self, outer: &FlowKey, word: u64) -> Result<(), InsertError> {
        NAT_OUTER.insert(outer, word, BPF_NOEXIST.into()).map_err(insert_error)
    }

    #[inline(always)]
    fn remove_name(&self, outer: &FlowKey) {
        let _ = NAT_OUTER.remove(outer);
    }

    #[inline(always)]
    fn translation(&self, number: u32) -> Option<MapTranslation> {
        NAT_FLOWS.get_ptr_mut(number).map(MapTranslation)
    }

    #[inline(always)]
    fn make_translation(&self, number: u32) -> Option<MapTranslation> {
        if let Some(there) = self.translation(number) {
            return Some(there);
        }
        // Whoever was faster has made the same.
        let _ = NAT_FLOWS.insert(number, Translation::NONE, BPF_NOEXIST.into());
        self.translation(number)
    }

    #[inline(always)]
    fn publication(&self, key: &PortKey) -> Option<Published> {
        // SAFETY: Only the loader writes these values.
        unsafe { NAT_PUBLISHED.get(key) }.copied()
    }

    #[inline(always)]
    fn source(&self, source: &NatSource) -> Option<NatOwner> {
        // SAFETY: As above.
        unsafe { NAT_SOURCES.get(source) }.copied()
    }

    #[inline(always)]
    fn interface_address(&self, ifindex: u32, is_v4: bool) -> Option<Address> {
        // SAFETY: As above.
        let addresses = unsafe { NAT_ADDRESSES.get(ifindex) }?;
        let address = if is_v4 { addresses.v4 } else { addresses.v6 };
        if address.is_wildcard() { None } else { Some(address) }
    }

    #[inline(always)]
    fn pending_place(&self, number: u32) -> Option<MapPending> {
        // SAFETY: A value of the map.
        NAT_PENDING.get_ptr_mut(number).map(|place| unsafe { MapPending::new(place) })
    }

    #[inline(always)]
    fn note_pending(&self, key: &FlowKey, pending: &NatPending) {
        pending::note(key, pending, self.now());
    }

    #[inline(always)]
    fn fragment(&self, key: &FragmentKey) -> Option<NatFragment> {
        // SAFETY: As above.
        unsafe { NAT_FRAGMENTS.get(key) }.copied()
    }

    #[inline(always)]
    fn keep_fragment(&self, key: &FragmentKey, fragment: &NatFragment) {
        let _ = NAT_FRAGMENTS.insert(key, fragment, BPF_ANY.into());
    }

    #[inline(always)]
    fn ports(&self) -> [u16; 2] {
        config().map_or([0; 2], |config| config.nat_ports)
    }

    #[inline(always)]
    fn random(&self) -> u32 {
        // SAFETY: The helper has no preconditions.
        unsafe { bpf_get_prandom_u32() }
    }

    #[inline(always)]
    fn is_own_on(&self) -> bool {
        config().is_some_and(|config| config.nat & Config::NAT_OWN != 0)
    }

    #[inline(always)]
    fn own_end(&self, slot: u32, remote: &Address, zone: Zone, end: &mut NatEnd) -> bool {
        own::seam_own_end(slot, remote, zone.0, end) != 0
    }

    #[inline(always)]
    fn own_number(&self, headers: &Headers, zone: Zone) -> u32 {
        own::seam_own_number(headers, zone.0)
    }

    #[inline(always)]
    fn own_is_free(&self, headers: &Headers, whose: Whose) -> bool {
        own::seam_own_is_free(headers, whose.to_number()) != 0
    }

    #[inline(always)]
    fn own_take(&self, outer: &Headers, naming: Naming) -> Taken {
        Taken::from_number(own::seam_own_take(outer, naming.to_number()))
    }

    #[inline(always)]
    fn own_keep(&self, outer: &Headers, naming: Naming) -> Taken {
        Taken::from_number(own::seam_own_keep(outer, naming.to_number()))
    }

    #[inline(always)]
    fn own_is_live(&self, outer: &Headers, naming: Naming) -> bool {
        own::seam_own_is_live(outer, naming.to_number()) != 0
    }

    #[inline(always)]
    fn sender(&self, address: &Address, came_by: u32) -> Option<Sender> {
        match seam_sender(address, came_by) {
            NOBODY => None,
            sender => {
                Some(Sender { id: ContainerId(sender as u32), is_masqueraded: sender & MASQUERADED != 0 })
            }
        }
    }

    #[inline(always)]
    fn follow_first(&self, headers: &Headers, zone: Zone, end: &mut NatEnd) -> bool {
        seam_follow_first(headers, zone.0, end) != 0
    }

    #[inline(always)]
    fn note_first(&self, headers: &Headers, zone: Zone, end: &NatEnd) {
        seam_note_first(headers, zone.0, end);
    }

    #[inline(always)]
    fn keeps_name(&self, number: u32) -> bool {
        seam_keeps_name(number) != 0
    }

    #[inline(always)]
    fn translated(&self, headers: &Headers, local: Which, inner: &mut NatEnd) -> ContainerId {
        ContainerId(seam_translated(headers, inner, (local == Which::Source) as u32))
    }

    #[inline(always)]
    fn is_forged(&self, headers: &Headers, from: ContainerId) -> bool {
        seam_is_forged(headers, from.0) != 0
    }

    #[inline(always)]
    fn published(&self, headers: &Headers, inner: &mut NatEnd) -> ContainerId {
        ContainerId(seam_published(headers, inner))
    }

    #[inline(always)]
    fn go_in(&self, headers: &mut Headers, inner: &NatEnd, id: ContainerId) -> Answer {
        unpack(seam_go_in(headers, inner, id.0))
    }

    #[inline(always)]
    fn outside(&self, headers: &Headers, sender: Sender, outer: &mut NatEnd) -> Look {
        unpack_look(seam_outside(headers, sender.id.0, sender.is_masqueraded as u32, outer))
    }

    #[inline(always)]
    fn reflection(&self, headers: &mut Headers, id: ContainerId, ends: &mut Ends) -> Look {
        unpack_look(seam_reflection(headers, id.0, ends))
    }

    #[inline(always)]
    fn awaits(&self, headers: &Headers, id: ContainerId, outer: &mut NatEnd) -> bool {
        seam_awaits(headers, id.0, outer) != 0
    }

    #[inline(always)]
    fn propose(&self, headers: &mut Headers, slot: u32, Path { came_by, uplink }: Path) -> Proposal {
        Proposal::from_number(seam_propose(headers, slot, came_by, uplink))
    }

    #[inline(always)]
    fn name_flow(&self, outer: &mut Headers, naming: Naming) -> Reason {
        Reason::from_number(seam_name_flow(self.context().skb(), outer, naming.to_number()) as u8)
    }

    #[inline(always)]
    fn begin_name(&self, outer: &mut Headers, naming: Naming) -> Beginning {
        match seam_begin_name(outer, naming.to_number()) {
            NAMED => Beginning::Named,
            refused if refused & NAMED != 0 => Beginning::Refused(Reason::from_number(refused as u8)),
            stamp => Beginning::Nameless(stamp),
        }
    }

    #[inline(always)]
    fn end_name(&self, number: u32, stamp: u64) {
        seam_end_name(number, stamp);
    }

    #[inline(always)]
    fn retire(&self, number: u32) {
        seam_retire_name(number);
    }

    #[inline(always)]
    fn take(&self, outer: &Headers, naming: Naming) -> Taken {
        Taken::from_number(seam_take(self.context().skb(), outer, naming.to_number()))
    }
}

/// As [`nat::by_node`].
#[inline(always)]
pub fn by_node(headers: &Headers) -> Reason {
    Reason::from_number(seam_by_node(headers) as u8)
}

/// As [`nat::leave_about`].
#[inline(always)]
pub fn leave_about(quoted: &Headers, id: ContainerId, outer: &mut NatEnd) -> bool {
    seam_leave_about(quoted, id.0, outer) != 0
}

#[inline(always)]
fn pack(answer: Answer) -> u64 {
    match answer {
        Answer::AsItIs => AS_IT_IS,
        Answer::Translated => TRANSLATED,
        Answer::Dropped(id, reason) => DROPPED | (reason as u64) << 8 | (id.0 as u64) << 32,
    }
}

#[inline(always)]
fn unpack(answer: u64) -> Answer {
    match answer & 0xff {
        AS_IT_IS => Answer::AsItIs,
        TRANSLATED => Answer::Translated,
        _ => Answer::Dropped(ContainerId((answer >> 32) as u32), Reason::from_number((answer >> 8) as u8)),
    }
}

#[inline(always)]
fn pack_look(look: Look) -> u64 {
    match look {
        Look::Known(answer) => pack(answer),
        Look::Nameless(slot) => NAMELESS | (slot as u64) << 32,
    }
}

#[inline(always)]
fn unpack_look(look: u64) -> Look {
    if look & 0xff == NAMELESS { Look::Nameless((look >> 32) as u32) } else { Look::Known(unpack(look)) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_sender(address: *const Address, came_by: u32) -> u64 {
    if address.is_null() {
        return NOBODY;
    }
    // SAFETY: The verifier holds callers to valid memory of the types' sizes.
    match nat::sender(&Maps::new(NoContext), unsafe { &*address }, came_by) {
        Some(Sender { id, is_masqueraded }) => id.0 as u64 | if is_masqueraded { MASQUERADED } else { 0 },
        None => NOBODY,
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_follow_first(headers: *const Headers, zone: u32, end: *mut NatEnd) -> u32 {
    if headers.is_null() || end.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let (headers, end) = unsafe { (&*headers, &mut *end) };
    nat::follow_first(&Maps::new(NoContext), headers, Zone(zone), end) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_note_first(headers: *const Headers, zone: u32, end: *const NatEnd) -> u32 {
    if headers.is_null() || end.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let (headers, end) = unsafe { (&*headers, &*end) };
    nat::note_first(&Maps::new(NoContext), headers, Zone(zone), end);
    1
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_keeps_name(number: u32) -> u32 {
    nat::keeps(&Maps::new(NoContext), number) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_translated(headers: *const Headers, inner: *mut NatEnd, source: u32) -> u32 {
    if headers.is_null() || inner.is_null() {
        return ContainerId::UNOWNED.0;
    }
    let local = if source != 0 { Which::Source } else { Which::Destination };
    // SAFETY: As above.
    let (headers, inner) = unsafe { (&*headers, &mut *inner) };
    nat::translated(&Maps::new(NoContext), headers, local, inner).0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_is_forged(headers: *const Headers, from: u32) -> u32 {
    if headers.is_null() {
        return 0;
    }
    // SAFETY: As above.
    nat::is_forged(&Maps::new(NoContext), unsafe { &*headers }, ContainerId(from)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_published(headers: *const Headers, inner: *mut NatEnd) -> u32 {
    if headers.is_null() || inner.is_null() {
        return ContainerId::UNOWNED.0;
    }
    // SAFETY: As above.
    let (headers, inner) = unsafe { (&*headers, &mut *inner) };
    nat::published(&Maps::new(NoContext), headers, inner).0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_go_in(headers: *mut Headers, inner: *const NatEnd, id: u32) -> u64 {
    if headers.is_null() || inner.is_null() {
        return AS_IT_IS;
    }
    // SAFETY: As above.
    let (headers, inner) = unsafe { (&mut *headers, &*inner) };
    pack(nat::go_in(&Maps::new(NoContext), headers, inner, ContainerId(id)))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_outside(headers: *const Headers, id: u32, masqueraded: u32, outer: *mut NatEnd) -> u64 {
    if headers.is_null() || outer.is_null() {
        return AS_IT_IS;
    }
    let sender = Sender { id: ContainerId(id), is_masqueraded: masqueraded != 0 };
    // SAFETY: As above.
    let (headers, outer) = unsafe { (&*headers, &mut *outer) };
    pack_look(nat::outside(&Maps::new(NoContext), headers, sender, outer))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_propose(headers: *mut Headers, slot: u32, came_by: u32, uplink: u32) -> u32 {
    if headers.is_null() {
        return Proposal::Nothing as u32;
    }
    // SAFETY: As above.
    let headers = unsafe { &mut *headers };
    nat::propose(&Maps::new(NoContext), headers, slot, Path { came_by, uplink }) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_awaits(headers: *const Headers, id: u32, outer: *mut NatEnd) -> u32 {
    if headers.is_null() || outer.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let (headers, outer) = unsafe { (&*headers, &mut *outer) };
    nat::awaits(&Maps::new(NoContext), headers, ContainerId(id), outer) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_name_flow(skb: *mut __sk_buff, outer: *mut Headers, naming: u64) -> u32 {
    if outer.is_null() {
        return Reason::Malformed as u32;
    }
    // SAFETY: As above.
    nat::name_flow(&Maps::new(BySkb(Skb(skb))), unsafe { &mut *outer }, Naming::from_number(naming)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_begin_name(outer: *mut Headers, naming: u64) -> u64 {
    if outer.is_null() {
        return NAMED | Reason::Malformed as u64;
    }
    // SAFETY: As above.
    match nat::begin(&Maps::new(NoContext), unsafe { &mut *outer }, Naming::from_number(naming)) {
        Beginning::Named => NAMED,
        Beginning::Nameless(stamp) => stamp,
        Beginning::Refused(reason) => NAMED | reason as u64,
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_end_name(number: u32, stamp: u64) -> u32 {
    nat::end(&Maps::new(NoContext), number, stamp);
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_retire_name(number: u32) -> u32 {
    nat::retire(&Maps::new(NoContext), number);
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_leave_about(quoted: *const Headers, id: u32, outer: *mut NatEnd) -> u32 {
    if quoted.is_null() || outer.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let (quoted, outer) = unsafe { (&*quoted, &mut *outer) };
    nat::leave_about(&Maps::new(NoContext), quoted, ContainerId(id), outer) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_by_node(headers: *const Headers) -> u32 {
    if headers.is_null() {
        return Reason::None as u32;
    }
    // SAFETY: As above.
    nat::by_node(&Maps::new(NoContext), unsafe { &*headers }) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_take(skb: *mut __sk_buff, outer: *const Headers, naming: u64) -> u32 {
    if outer.is_null() {
        return Taken::No as u32;
    }
    // SAFETY: As above.
    nat::take(&Maps::new(BySkb(Skb(skb))), unsafe { &*outer }, Naming::from_number(naming)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_reflection(headers: *mut Headers, id: u32, ends: *mut Ends) -> u64 {
    if headers.is_null() || ends.is_null() {
        return AS_IT_IS;
    }
    // SAFETY: As above.
    let (headers, ends) = unsafe { (&mut *headers, &mut *ends) };
    pack_look(nat::reflection(&Maps::new(NoContext), headers, ContainerId(id), ends))
}

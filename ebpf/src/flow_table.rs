//! What the flow table is made of, and functions of it that the verifier proves each by itself, as in [`crate::seams`]. None is
//! inlined: the compiler would put frames together that there is no stack for, and, where it knows what numbers there are, leave
//! out what the verifier wants to see.

use core::ptr::NonNull;

use aya_ebpf::{bindings::BPF_F_INNER_MAP, btf_maps::Array};
use berth_common::{
    abi::{
        flow::{Flow, FlowKey},
        flow_event::Change,
        flow_table::{IndexBucket, PLACES, Pool, Queue, Ring, SEGMENT, SIDES, Shape},
        timeout::{Timeout, Timeouts},
        units::{ContainerId, Nanos, Protocol},
    },
    engine::{
        Headers, flow,
        flow_table::{
            FlowTable, Grant, Hash, Places, PoolWord, RingWords, Slot,
            account::{self, Charge},
            growth::{self, Carried},
            index::{self, Entered, Looked, Made},
            pool,
            reclaim::{self, Look},
        },
        headers::Place,
        tables::{FlowEntry as _, UsageWord},
    },
};

use crate::{
    atomic::{MapHalf, MapWord},
    flow::MapFlow,
    maps::{
        FLOW_FREE, FLOW_INDEX, FLOW_INDEXES, FLOW_MORE, FLOW_POOL, FLOW_QUEUES, FLOW_RINGS, FLOWS, TIMEOUTS,
    },
    seams::{self, Roomy},
    tables::{Context, Maps, config, usage},
    told,
};

// What maps in maps have is named without structures: to Linux 6.1 a map that BTF says has a structure in it, where timers could be,
// is not like one without BTF, as the loader makes them (`bpf_map_meta_equal`).

/// Some of the slots, as many in each: so lookups need no call.
pub type Segment = Array<[u64; size_of::<Flow>() / size_of::<u64>()], { SEGMENT as usize }>;
/// The index of a side.
pub type Index = Array<[u32; PLACES], 1, { BPF_F_INNER_MAP as usize }>;
/// The queue of free slots of a side.
pub type FreeSlots = Array<u32, 1, { BPF_F_INNER_MAP as usize }>;

/// No slot has this number.
pub const NO_SLOT: u32 = u32::MAX;

/// Nor this, which is for [`Looked::Elsewhere`].
const ELSEWHERE: u32 = NO_SLOT - 1;

/// A value of an index.
#[derive(Clone, Copy)]
pub struct MapPlaces(*mut IndexBucket);

impl Places for MapPlaces {
    type Half = MapHalf;

    #[inline(always)]
    fn entry(&self, place: usize) -> Option<MapHalf> {
        if place >= PLACES {
            return None;
        }
        // SAFETY: A value of the map, of so many aligned halves of words.
        Some(unsafe { MapHalf::new(self.0.cast::<u32>().add(place)) })
    }
}

/// The slot of this number.
#[inline(always)]
pub fn slot(number: u32) -> Option<MapFlow> {
    // SAFETY: A value of the map.
    find_slot(number).map(|flow| unsafe { MapFlow::new(flow.as_ptr()) })
}

/// Not inlined: lookups want their keys on the stack, and there is little of it where slots are looked up.
#[inline(never)]
fn find_slot(number: u32) -> Option<NonNull<Flow>> {
    slot_here(number).and_then(|flow| NonNull::new(flow.pointer()))
}

/// As [`slot`], with a call for those alone that the table has got since it was made.
#[inline(always)]
fn slot_nearby(number: u32) -> Option<MapFlow> {
    match FLOWS.get_ptr_mut(number) {
        // SAFETY: A value of the map.
        Some(flow) => Some(unsafe { MapFlow::new(flow) }),
        None => slot(number),
    }
}

/// As [`slot`], without a call.
#[inline(always)]
fn slot_here(number: u32) -> Option<MapFlow> {
    let flow = if let Some(flow) = FLOWS.get_ptr_mut(number) {
        flow
    } else {
        // One that the table has got since it was made.
        let (segment, place) = config()?.flows.place(number);
        FLOW_MORE.get(segment)?.get_ptr_mut(place)?.cast()
    };
    // SAFETY: As above.
    Some(unsafe { MapFlow::new(flow) })
}

/// The slot at `place` for the packet `headers`.
#[inline(always)]
pub fn find(headers: &Headers, place: Place) -> Option<Slot<MapFlow>> {
    let packed = seams::pack(place);
    // Two, since the keys of both kinds have no room on one's stack.
    let number = if place.is_awaited() {
        in_turn(|turn| seam_find_awaited(headers, packed, turn))
    } else {
        in_turn(|turn| seam_find(headers, packed, turn))
    };
    slot(number).map(|flow| Slot { number, flow })
}

/// The slot with this key.
#[inline(always)]
pub fn with_key(key: &FlowKey) -> Option<Slot<MapFlow>> {
    let number = number_with_key(key);
    slot(number).map(|flow| Slot { number, flow })
}

/// Its number.
#[inline(always)]
pub fn number_with_key(key: &FlowKey) -> u32 {
    in_turn(|turn| seam_find_key(key, turn))
}

/// As [`index::find`], with a call for each turn.
#[inline(always)]
fn in_turn(look: impl Fn(u32) -> u32) -> u32 {
    for turn in 0..index::TURNS {
        let found = look(turn);
        if found != ELSEWHERE {
            return found;
        }
    }
    NO_SLOT
}

/// How long the flows of a container last.
#[inline(always)]
pub fn timeout(id: ContainerId, timeout: Timeout) -> Nanos {
    Nanos(seam_timeout(id.0, timeout.0))
}

/// As [`flow::admit`].
#[inline(always)]
pub fn admit(id: ContainerId, now: Nanos) -> Option<u32> {
    let limit = seam_admit(id.0, now.0);
    if limit >> 32 == 0 { Some(limit as u32) } else { None }
}

/// As [`flow::refresh`].
#[inline(always)]
pub fn refresh(flow: MapFlow, protocol: Protocol, from_opener: bool, now: Nanos) {
    seam_refresh(flow.pointer(), protocol.0 as u32, from_opener as u32, now.0);
}

/// The ends of the queue of one side.
///
/// # Safety
///
/// `pool` must point to the value of `FLOW_POOL`.
#[inline(always)]
unsafe fn queue(pool: *mut Pool, side: u32) -> *mut Queue {
    const { assert!(SIDES == 4) };
    // SAFETY: There are four.
    unsafe { (&raw mut (*pool).queues).cast::<Queue>().add((side & 3) as usize) }
}

impl<C: Context> FlowTable for Maps<C> {
    type Flow = MapFlow;
    type Word = MapWord;
    type Half = MapHalf;
    type Places = MapPlaces;

    #[inline(always)]
    fn now(&self) -> Nanos {
        self.now()
    }

    #[inline(always)]
    fn usage(&self, id: ContainerId, word: UsageWord) -> Option<MapWord> {
        usage(id, word)
    }

    #[inline(always)]
    fn shape(&self) -> Option<&Shape> {
        config().map(|config| &config.flows)
    }

    #[inline(always)]
    fn slot(&self, number: u32) -> Option<MapFlow> {
        if C::HAS_ROOM { slot_nearby(number) } else { slot(number) }
    }

    #[inline(always)]
    fn places(&self, side: u32, bucket: u32) -> Option<MapPlaces> {
        let found = match side.checked_sub(1) {
            None => FLOW_INDEX.get_ptr_mut(bucket),
            Some(grown) => FLOW_INDEXES.get(grown)?.get_ptr_mut(bucket).map(<*mut _>::cast),
        };
        found.map(MapPlaces)
    }

    #[inline(always)]
    fn free(&self, side: u32, place: u32) -> Option<MapHalf> {
        let found = match side.checked_sub(1) {
            None => FLOW_FREE.get_ptr_mut(place),
            Some(grown) => FLOW_QUEUES.get(grown)?.get_ptr_mut(place),
        };
        // SAFETY: The value is half a word.
        found.map(|half| unsafe { MapHalf::new(half) })
    }

    #[inline(always)]
    fn pool(&self, word: PoolWord) -> Option<MapWord> {
        let pool: *mut Pool = FLOW_POOL.get_ptr_mut(0)?;
        // SAFETY: Each is an aligned word of the value just looked up.
        unsafe {
            Some(MapWord::new(match word {
                PoolWord::Fresh => &raw mut (*pool).fresh,
                PoolWord::Head(side) => &raw mut (*queue(pool, side)).head,
                PoolWord::Tail(side) => &raw mut (*queue(pool, side)).tail,
                PoolWord::Hand => &raw mut (*pool).hand,
                PoolWord::Promised => &raw mut (*pool).promised,
            }))
        }
    }

    #[inline(always)]
    fn ring(&self, id: ContainerId) -> Option<RingWords<MapWord, MapHalf>> {
        let ring: *mut Ring = FLOW_RINGS.get_ptr_mut(id.0)?;
        // SAFETY: As above.
        unsafe {
            Some(RingWords {
                lock: MapWord::new(&raw mut (*ring).lock),
                dry_until: MapWord::new(&raw mut (*ring).dry_until),
                head: MapHalf::new(&raw mut (*ring).head),
                tail: MapHalf::new(&raw mut (*ring).tail),
                next: MapHalf::new(&raw mut (*ring).next),
            })
        }
    }

    #[inline(always)]
    fn tell(&self, flow: &MapFlow, change: Change, at: Nanos) {
        told::tell(flow, change, at);
    }

    #[inline(always)]
    fn enter(&self, number: u32) -> Entered {
        Entered::from_number(seam_enter(number) as u8)
    }

    #[inline(always)]
    fn delete(&self, number: u32) {
        seam_delete(number);
    }

    #[inline(always)]
    fn hash(&self, number: u32) -> Hash {
        Hash(seam_hash(number))
    }

    #[inline(always)]
    fn make_entry(&self, number: u32, Hash(hash): Hash) -> Made {
        Made::from_number(seam_make_entry(number, hash) as u8)
    }

    #[inline(always)]
    fn has_entry(&self, side: u32, number: u32, Hash(hash): Hash) -> bool {
        seam_has_entry(side, number, hash) != 0
    }

    #[inline(always)]
    fn has_another(&self, side: u32, number: u32, Hash(hash): Hash) -> bool {
        seam_has_another(side, number, hash) != 0
    }

    #[inline(always)]
    fn delete_entry(&self, side: u32, number: u32, Hash(hash): Hash) -> bool {
        seam_delete_entry(side, number, hash) != 0
    }

    #[inline(always)]
    fn give(&self, number: u32) {
        seam_give(number);
    }

    #[inline(always)]
    fn take_from(&self, side: u32, rest: Nanos) -> Option<u32> {
        match seam_take_from(side, rest.0, self.now().0) {
            NO_SLOT => None,
            number => Some(number),
        }
    }

    #[inline(always)]
    fn free_others(&self) -> bool {
        seam_free_others(self.now().0) != 0
    }

    #[inline(always)]
    fn look(&self, id: ContainerId) -> Look {
        Look(seam_hand(id.0, self.now().0))
    }

    #[inline(always)]
    fn sweep(&self, id: ContainerId) -> Option<u32> {
        match seam_sweep(id.0, self.now().0) {
            NO_SLOT => None,
            freed => Some(freed),
        }
    }

    #[inline(always)]
    fn charge(&self, id: ContainerId, limit: u32) -> Charge {
        Charge::from_number(seam_charge(id.0, limit) as u8)
    }

    #[inline(always)]
    fn take_over(&self, id: ContainerId, limit: u32) -> Charge {
        Charge::from_number(seam_take_over(id.0, limit, self.now().0) as u8)
    }

    #[inline(always)]
    fn victim(&self, id: ContainerId) -> Option<u32> {
        match seam_victim(id.0, self.now().0) {
            NO_SLOT => None,
            number => Some(number),
        }
    }

    #[inline(always)]
    fn grant(&self, id: ContainerId, limit: u32) -> Grant {
        Grant(seam_grant(id.0, limit, self.now().0))
    }
}

#[inline(always)]
fn find_key(key: &FlowKey, turn: u32) -> u32 {
    let words = (&raw const *key).cast::<u32>();
    // SAFETY: A key is so many aligned halves of words. It is read again for each entry: there is no stack for copies.
    let word = |place| if place < FlowKey::WORDS { unsafe { words.add(place).read_volatile() } } else { 0 };
    match index::look(&Maps::at(Roomy, Nanos(0)), turn, word, slot_here) {
        Looked::Found(slot) => slot.number,
        Looked::Elsewhere => ELSEWHERE,
        Looked::Nowhere => NO_SLOT,
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_find_key(key: *const FlowKey, turn: u32) -> u32 {
    if key.is_null() {
        return NO_SLOT;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    find_key(unsafe { &*key }, turn)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_find(headers: *const Headers, place: u64, turn: u32) -> u32 {
    if headers.is_null() {
        return NO_SLOT;
    }
    // SAFETY: As above.
    let key = seams::unpack(place).key(unsafe { &*headers });
    find_key(&key, turn)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_find_awaited(headers: *const Headers, place: u64, turn: u32) -> u32 {
    if headers.is_null() {
        return NO_SLOT;
    }
    // SAFETY: As above.
    let key = seams::unpack(place).awaited_key(unsafe { &*headers });
    find_key(&key, turn)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_timeout(id: u32, timeout: u32) -> u64 {
    let timeout = Timeout(timeout);
    if let Some(Timeouts(seconds)) = TIMEOUTS.get(id)
        && let Some(seconds) = seconds.get(timeout.0 as usize)
        && *seconds != 0
    {
        return Nanos::seconds(*seconds as u64).0;
    }
    timeout.unless_set().0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_admit(id: u32, now: u64) -> u64 {
    match flow::admit(&Maps::at(Roomy, Nanos(now)), ContainerId(id)) {
        Some(limit) => limit as u64,
        None => 1 << 32,
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_refresh(flow: *mut Flow, protocol: u32, from_opener: u32, now: u64) -> u32 {
    if flow.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let flow = unsafe { MapFlow::new(flow) };
    flow::refresh(&Maps::at(Roomy, Nanos(now)), &flow, Protocol(protocol as u8), from_opener != 0);
    1
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_enter(number: u32) -> u32 {
    index::enter(&Maps::at(Roomy, Nanos(0)), number) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_delete(number: u32) -> u32 {
    index::delete(&Maps::at(Roomy, Nanos(0)), number);
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_hash(number: u32) -> u64 {
    let (Some(shape), Some(flow)) = (config().map(|config| &config.flows), slot_here(number)) else {
        return 0;
    };
    Hash::of(shape, |place| flow.key_word(place)).0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_make_entry(number: u32, hash: u64) -> u32 {
    index::make_entry(&Maps::at(Roomy, Nanos(0)), number, Hash(hash)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_has_entry(side: u32, number: u32, hash: u64) -> u32 {
    index::has_entry(&Maps::at(Roomy, Nanos(0)), side, number, Hash(hash)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_has_another(side: u32, number: u32, hash: u64) -> u32 {
    index::has_another(&Maps::at(Roomy, Nanos(0)), side, number, Hash(hash)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_delete_entry(side: u32, number: u32, hash: u64) -> u32 {
    index::delete_entry(&Maps::at(Roomy, Nanos(0)), side, number, Hash(hash)) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_give(number: u32) -> u32 {
    pool::give(&Maps::at(Roomy, Nanos(0)), number);
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_take_from(side: u32, rest: u64, now: u64) -> u32 {
    pool::take_from(&Maps::at(Roomy, Nanos(now)), side, Nanos(rest)).unwrap_or(NO_SLOT)
}

/// As [`growth::carry`].
#[inline(always)]
pub fn carry(number: u32, now: Nanos) -> Carried {
    if seam_carry(number, now.0) == 0 { Carried::Over } else { Carried::Stays }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_carry(number: u32, now: u64) -> u32 {
    growth::carry(&Maps::at(Roomy, Nanos(now)), number) as u32
}

/// Takes a free slot over, as [`growth::drain`]; tells whether there was one.
#[inline(always)]
pub fn drain(now: Nanos) -> bool {
    seam_drain(now.0) != 0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_drain(now: u64) -> u32 {
    growth::drain(&Maps::at(Roomy, Nanos(now))) as u32
}

/// Ends the flow in a slot if one of its ends is the owner's; tells whether it was so.
#[inline(always)]
pub fn retire(number: u32, owner: ContainerId, now: Nanos) -> bool {
    seam_retire(number, owner.0, now.0) != 0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_retire(number: u32, owner: u32, now: u64) -> u32 {
    let owner = ContainerId(owner);
    let is_meant = |flow: &MapFlow| flow.opener() == owner || flow.responder() == owner;
    reclaim::retire(&Maps::at(Roomy, Nanos(now)), number, is_meant) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_free_others(now: u64) -> u32 {
    reclaim::free_others(&Maps::at(Roomy, Nanos(now))) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_hand(id: u32, now: u64) -> u64 {
    reclaim::look(&Maps::at(Roomy, Nanos(now)), ContainerId(id)).0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_sweep(id: u32, now: u64) -> u32 {
    reclaim::sweep(&Maps::at(Roomy, Nanos(now)), ContainerId(id)).unwrap_or(NO_SLOT)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_charge(id: u32, limit: u32) -> u32 {
    account::charge(&Maps::at(Roomy, Nanos(0)), ContainerId(id), limit) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_take_over(id: u32, limit: u32, now: u64) -> u32 {
    reclaim::take_over(&Maps::at(Roomy, Nanos(now)), ContainerId(id), limit) as u32
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_victim(id: u32, now: u64) -> u32 {
    reclaim::victim(&Maps::at(Roomy, Nanos(now)), ContainerId(id)).unwrap_or(NO_SLOT)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn seam_grant(id: u32, limit: u32, now: u64) -> u64 {
    reclaim::grant(&Maps::at(Roomy, Nanos(now)), ContainerId(id), limit).0
}

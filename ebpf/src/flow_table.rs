//! What the flow table is made of, and functions of it that the verifier proves each by itself, as in [`crate::seams`].

use berth_common::{
    abi::{
        flow::{Flow, FlowKey},
        flow_event::Change,
        flow_table::{IndexBucket, PLACES, Pool, Ring, Shape},
        timeout::{Timeout, Timeouts},
        units::{ContainerId, Nanos, Protocol},
    },
    engine::{
        Headers, flow,
        flow_table::{
            FlowTable, Grant, Places, PoolWord, RingWords, Slot,
            index::{self, Entered},
            reclaim::{self, Look},
        },
        headers::Place,
        tables::UsageWord,
    },
};

use crate::{
    atomic::{MapHalf, MapWord},
    flow::MapFlow,
    maps::{FLOW_FREE, FLOW_INDEX, FLOW_POOL, FLOW_RINGS, FLOWS, TIMEOUTS},
    seams::{self, NoContext},
    tables::{Context, Maps, config, usage},
    told,
};

/// No slot has this number.
const NO_SLOT: u32 = u32::MAX;

/// A value of `FLOW_INDEX`.
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
    FLOWS.get_ptr_mut(number).map(|flow| unsafe { MapFlow::new(flow) })
}

/// The slot at `place` for the packet `headers`.
#[inline(always)]
pub fn find(headers: &Headers, place: Place) -> Option<Slot<MapFlow>> {
    // Two, since the keys of both kinds have no room on one's stack.
    let number = if place.is_awaited() {
        seam_find_awaited(headers, seams::pack(place))
    } else {
        seam_find(headers, seams::pack(place))
    };
    slot(number).map(|flow| Slot { number, flow })
}

/// The slot with this key.
#[inline(always)]
pub fn with_key(key: &FlowKey) -> Option<Slot<MapFlow>> {
    let number = seam_with_key(key);
    slot(number).map(|flow| Slot { number, flow })
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
        slot(number)
    }

    #[inline(always)]
    fn places(&self, bucket: u32) -> Option<MapPlaces> {
        FLOW_INDEX.get_ptr_mut(bucket).map(MapPlaces)
    }

    #[inline(always)]
    fn free(&self, place: u32) -> Option<MapHalf> {
        // SAFETY: The value is half a word.
        FLOW_FREE.get_ptr_mut(place).map(|half| unsafe { MapHalf::new(half) })
    }

    #[inline(always)]
    fn pool(&self, word: PoolWord) -> Option<MapWord> {
        let pool: *mut Pool = FLOW_POOL.get_ptr_mut(0)?;
        // SAFETY: Each is an aligned word of the value just looked up.
        unsafe {
            Some(MapWord::new(match word {
                PoolWord::Fresh => &raw mut (*pool).fresh,
                PoolWord::Head => &raw mut (*pool).head,
                PoolWord::Tail => &raw mut (*pool).tail,
                PoolWord::Hand => &raw mut (*pool).hand,
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
    fn charge(&self, id: ContainerId, limit: u32) -> bool {
        seam_charge(id.0, limit, self.now().0) != 0
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
fn find_key(key: &FlowKey) -> u32 {
    let words = (&raw const *key).cast::<u32>();
    // SAFETY: A key is so many aligned halves of words. It is read again for each entry: there is no stack for copies.
    let word = |place| if place < FlowKey::WORDS { unsafe { words.add(place).read_volatile() } } else { 0 };
    index::find(&Maps::at(NoContext, Nanos(0)), word).map_or(NO_SLOT, |slot| slot.number)
}

#[unsafe(no_mangle)]
extern "C" fn seam_find(headers: *const Headers, place: u64) -> u32 {
    if headers.is_null() {
        return NO_SLOT;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let key = seams::unpack(place).key(unsafe { &*headers });
    find_key(&key)
}

#[unsafe(no_mangle)]
extern "C" fn seam_find_awaited(headers: *const Headers, place: u64) -> u32 {
    if headers.is_null() {
        return NO_SLOT;
    }
    // SAFETY: As above.
    let key = seams::unpack(place).awaited_key(unsafe { &*headers });
    find_key(&key)
}

#[unsafe(no_mangle)]
extern "C" fn seam_with_key(key: *const FlowKey) -> u32 {
    if key.is_null() {
        return NO_SLOT;
    }
    // SAFETY: As above.
    find_key(unsafe { &*key })
}

// Not inlined: the compiler knows then which numbers there are of phases, and leaves out what the verifier wants to see.
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
extern "C" fn seam_admit(id: u32, now: u64) -> u64 {
    match flow::admit(&Maps::at(NoContext, Nanos(now)), ContainerId(id)) {
        Some(limit) => limit as u64,
        None => 1 << 32,
    }
}

#[unsafe(no_mangle)]
extern "C" fn seam_refresh(flow: *mut Flow, protocol: u32, from_opener: u32, now: u64) -> u32 {
    if flow.is_null() {
        return 0;
    }
    // SAFETY: As above.
    let flow = unsafe { MapFlow::new(flow) };
    flow::refresh(&Maps::at(NoContext, Nanos(now)), &flow, Protocol(protocol as u8), from_opener != 0);
    1
}

#[unsafe(no_mangle)]
extern "C" fn seam_enter(number: u32) -> u32 {
    index::enter(&Maps::at(NoContext, Nanos(0)), number) as u32
}

#[unsafe(no_mangle)]
extern "C" fn seam_delete(number: u32) -> u32 {
    index::delete(&Maps::at(NoContext, Nanos(0)), number);
    0
}

#[unsafe(no_mangle)]
extern "C" fn seam_hand(id: u32, now: u64) -> u64 {
    reclaim::look(&Maps::at(NoContext, Nanos(now)), ContainerId(id)).0
}

#[unsafe(no_mangle)]
extern "C" fn seam_sweep(id: u32, now: u64) -> u32 {
    reclaim::sweep(&Maps::at(NoContext, Nanos(now)), ContainerId(id)).unwrap_or(NO_SLOT)
}

#[unsafe(no_mangle)]
extern "C" fn seam_charge(id: u32, limit: u32, now: u64) -> u32 {
    reclaim::charge(&Maps::at(NoContext, Nanos(now)), ContainerId(id), limit) as u32
}

#[unsafe(no_mangle)]
extern "C" fn seam_victim(id: u32, now: u64) -> u32 {
    reclaim::victim(&Maps::at(NoContext, Nanos(now)), ContainerId(id)).unwrap_or(NO_SLOT)
}

#[unsafe(no_mangle)]
extern "C" fn seam_grant(id: u32, limit: u32, now: u64) -> u64 {
    reclaim::grant(&Maps::at(NoContext, Nanos(now)), ContainerId(id), limit).0
}

//! Flows, shared by all processors.

use core::ptr::NonNull;

use berth_common::{
    abi::{
        counters::Traffic,
        flow::{Flow, FlowKey, NUMBERS, State, VERDICT_WORDS},
        units::{ContainerId, Nanos, Ticks},
    },
    engine::{
        flow_table::Half as _,
        tables::{Beginning, FlowEntry, Word as _},
        tcp::Connection,
    },
};

use crate::atomic::{self, MapHalf, MapWord};

/// A slot: a value of the `FLOWS` map.
#[derive(Clone, Copy)]
pub struct MapFlow(NonNull<Flow>);

impl MapFlow {
    /// # Safety
    ///
    /// `flow` must point to a value of the `FLOWS` map, valid while the program runs.
    #[inline(always)]
    pub unsafe fn new(flow: *mut Flow) -> Self {
        // SAFETY: The caller's.
        Self(unsafe { NonNull::new_unchecked(flow) })
    }

    /// Where it is.
    #[inline(always)]
    pub const fn pointer(self) -> *mut Flow {
        self.0.as_ptr()
    }

    /// A word of a verdict; nothing if there is no such.
    #[inline(always)]
    fn verdict_word(self, place: usize, word: usize) -> Option<*mut u64> {
        if place > 1 || word >= VERDICT_WORDS {
            return None;
        }
        // SAFETY: Valid by construction, and just checked.
        Some(unsafe { (&raw mut (*self.pointer()).verdicts).cast::<u64>().add(place * VERDICT_WORDS + word) })
    }

    /// Word by word: for all at once the compiler would call a function that writes them byte by byte.
    #[inline(always)]
    fn forget_verdicts(self) {
        for place in 0..2 {
            for word in 0..VERDICT_WORDS {
                self.set_verdict(place, word, 0);
            }
        }
    }

    /// A word of the TCP connection; nothing if there is no such.
    #[inline(always)]
    fn number_word(self, place: usize) -> Option<*mut u64> {
        if place >= NUMBERS {
            return None;
        }
        // SAFETY: Valid by construction, and just checked.
        Some(unsafe { (&raw mut (*self.pointer()).numbers).cast::<u64>().add(place) })
    }

    #[inline(always)]
    fn expires_word(self) -> MapWord {
        // SAFETY: `expires` is the value's first field, an aligned u64.
        unsafe { MapWord::new((&raw mut (*self.pointer()).expires).cast()) }
    }
}

impl FlowEntry for MapFlow {
    type Half = MapHalf;

    #[inline(always)]
    fn key_word(&self, place: usize) -> u32 {
        if place >= FlowKey::WORDS {
            return 0;
        }
        // SAFETY: Valid by construction, and just checked; the key is that many aligned halves of words.
        unsafe { (&raw const (*self.pointer()).key).cast::<u32>().add(place).read_volatile() }
    }

    #[inline(always)]
    fn set_key(&self, key: &FlowKey) {
        for place in 0..FlowKey::WORDS {
            // SAFETY: As above.
            unsafe {
                (&raw mut (*self.pointer()).key).cast::<u32>().add(place).write_volatile(key.word(place));
            }
        }
    }

    #[inline(always)]
    fn next(&self) -> MapHalf {
        // SAFETY: An aligned half of a word of the value.
        unsafe { MapHalf::new(&raw mut (*self.pointer()).next) }
    }

    #[inline(always)]
    fn expires(&self) -> Nanos {
        Nanos(self.expires_word().load())
    }

    #[inline(always)]
    fn swap_expires(&self, old: Nanos, new: Nanos) -> bool {
        self.expires_word().swap(old.0, new.0)
    }

    #[inline(always)]
    fn release(&self) {
        // The highest bit is set, and goes. (6.1 has no atomic "and" that all processors compile.)
        self.expires_word().add(Nanos(0).held().0);
    }

    #[inline(always)]
    fn opener(&self) -> ContainerId {
        // SAFETY: Valid by construction, as below.
        unsafe { (&raw const (*self.pointer()).opener).read_volatile() }
    }

    #[inline(always)]
    fn responder(&self) -> ContainerId {
        // SAFETY: As above.
        unsafe { (&raw const (*self.pointer()).responder).read_volatile() }
    }

    #[inline(always)]
    fn change_responder(&self, old: ContainerId, new: ContainerId) {
        self.forget_verdicts();
        // SAFETY: As above.
        unsafe {
            atomic::swap((&raw mut (*self.pointer()).responder).cast(), old.0, new.0);
        }
    }

    #[inline(always)]
    fn created(&self) -> Ticks {
        // SAFETY: As above.
        unsafe { (&raw const (*self.pointer()).created).read_volatile() }
    }

    #[inline(always)]
    fn set_ended(&self, at: Ticks) {
        // SAFETY: As above.
        unsafe { (&raw mut (*self.pointer()).created).write_volatile(at) }
    }

    #[inline(always)]
    fn set_gone(&self) {
        // SAFETY: As above.
        unsafe { MapHalf::new((&raw mut (*self.pointer()).state).cast()) }.exchange(State::GONE);
    }

    #[inline(always)]
    fn state(&self) -> State {
        // SAFETY: As above.
        unsafe { (&raw const (*self.pointer()).state).read_volatile() }
    }

    #[inline(always)]
    fn change_state(&self, old: State, new: State) -> bool {
        // SAFETY: As above; `state` is an aligned u32.
        unsafe { atomic::swap((&raw mut (*self.pointer()).state).cast(), old.0, new.0) }
    }

    #[inline(always)]
    fn number(&self, place: usize) -> u64 {
        // SAFETY: As above.
        self.number_word(place).map_or(0, |word| unsafe { word.read_volatile() })
    }

    #[inline(always)]
    fn set_number(&self, place: usize, number: u64) {
        if let Some(word) = self.number_word(place) {
            // SAFETY: As above; each word is written as a whole.
            unsafe { word.write_volatile(number) };
        }
    }

    #[inline(always)]
    fn port_epoch(&self) -> u32 {
        // SAFETY: As above.
        unsafe { (&raw const (*self.pointer()).port_epoch).read_volatile() }
    }

    #[inline(always)]
    fn set_port_epoch(&self, epoch: u32) {
        // SAFETY: As above.
        unsafe { (&raw mut (*self.pointer()).port_epoch).write_volatile(epoch) }
    }

    #[inline(always)]
    fn verdict(&self, place: usize, word: usize) -> u64 {
        // SAFETY: As above; each word is read as a whole.
        unsafe { self.verdict_word(place, word).map_or(0, |word| word.read_volatile()) }
    }

    #[inline(always)]
    fn set_verdict(&self, place: usize, word: usize, value: u64) {
        if let Some(word) = self.verdict_word(place, word) {
            // SAFETY: As above; each word is written as a whole.
            unsafe { word.write_volatile(value) };
        }
    }

    #[inline(always)]
    fn count(&self, from_opener: bool, traffic: Traffic) {
        // SAFETY: As above; both are pairs of aligned words.
        unsafe {
            let counter =
                if from_opener { &raw mut (*self.pointer()).out } else { &raw mut (*self.pointer()).back };
            atomic::add(&raw mut (*counter).packets, traffic.packets);
            atomic::add(&raw mut (*counter).bytes, traffic.bytes);
        }
    }

    #[inline(always)]
    fn begin(&self, beginning: &Beginning) {
        // SAFETY: As above.
        unsafe {
            (*self.pointer()).created = beginning.created;
            (*self.pointer()).out = beginning.out;
            (&raw mut (*self.pointer()).back.packets).write_volatile(0);
            (&raw mut (*self.pointer()).back.bytes).write_volatile(0);
            (*self.pointer()).opener = beginning.opener;
            (*self.pointer()).responder = beginning.responder;
            (*self.pointer()).port_epoch = beginning.port_epoch;
            (*self.pointer()).state = beginning.state;
        }
        self.forget_verdicts();
        for (place, number) in Connection::NO_NUMBERS.into_iter().enumerate() {
            self.set_number(place, number);
        }
    }
}

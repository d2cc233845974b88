//! Entries of the flow table, shared by all processors.

use berth_common::{
    abi::{
        counters::Traffic,
        flow::{Flow, State},
        units::{ContainerId, Nanos},
    },
    engine::tables::{FlowEntry, Word as _},
};

use crate::atomic::{self, MapWord};

/// An entry of the `FLOWS` map.
#[derive(Clone, Copy)]
pub struct MapFlow(*mut Flow);

impl MapFlow {
    /// # Safety
    ///
    /// `flow` must point to a value of the `FLOWS` map, valid while the program runs.
    #[inline(always)]
    pub unsafe fn new(flow: *mut Flow) -> Self {
        Self(flow)
    }

    #[inline(always)]
    fn expires_word(self) -> MapWord {
        // SAFETY: `expires` is the value's first field, an aligned u64.
        unsafe { MapWord::new((&raw mut (*self.0).expires).cast()) }
    }
}

impl FlowEntry for MapFlow {
    #[inline(always)]
    fn expires(&self) -> Nanos {
        Nanos(self.expires_word().load())
    }

    #[inline(always)]
    fn claim(&self, old: Nanos, new: Nanos) -> bool {
        self.expires_word().swap(old.0, new.0)
    }

    #[inline(always)]
    fn opener(&self) -> ContainerId {
        // SAFETY: Valid by construction, as below.
        unsafe { (&raw const (*self.0).opener).read_volatile() }
    }

    #[inline(always)]
    fn responder(&self) -> ContainerId {
        // SAFETY: As above.
        unsafe { (&raw const (*self.0).responder).read_volatile() }
    }

    #[inline(always)]
    fn set_responder(&self, id: ContainerId) {
        // SAFETY: As above.
        unsafe { (&raw mut (*self.0).responder).write_volatile(id) }
    }

    #[inline(always)]
    fn flags(&self) -> u8 {
        // SAFETY: As above.
        unsafe { (&raw const (*self.0).flags).read_volatile() }
    }

    #[inline(always)]
    fn state(&self) -> State {
        // SAFETY: As above.
        State::from_number(unsafe { (&raw const (*self.0).state).read_volatile() })
    }

    #[inline(always)]
    fn port_epoch(&self) -> u32 {
        // SAFETY: As above.
        unsafe { (&raw const (*self.0).port_epoch).read_volatile() }
    }

    #[inline(always)]
    fn set_port_epoch(&self, epoch: u32) {
        // SAFETY: As above.
        unsafe { (&raw mut (*self.0).port_epoch).write_volatile(epoch) }
    }

    #[inline(always)]
    fn set_counted(&self) {
        // A packet that advances the flow at the same time may undo it: then the sweep finds out when the flow is closed.
        let flags = self.flags() | Flow::COUNTED;
        // SAFETY: As above.
        unsafe { (&raw mut (*self.0).flags).write_volatile(flags) }
    }

    #[inline(always)]
    fn advance(&self, state: State, flags: u8, expires: Nanos) {
        let old = self.expires();
        if old.0 == 0 {
            // It is being deleted or begun anew, and somebody else's.
            return;
        }
        // The clock is coarse: mostly nothing changes, and then the cache line stays clean.
        if old != expires {
            self.claim(old, expires);
        }
        if self.state() as u8 != state as u8 || self.flags() != flags {
            // SAFETY: As above.
            unsafe {
                (&raw mut (*self.0).state).write_volatile(state as u8);
                (&raw mut (*self.0).flags).write_volatile(flags);
            }
        }
    }

    #[inline(always)]
    fn count(&self, from_opener: bool, traffic: Traffic) {
        // SAFETY: As above; both are pairs of aligned words.
        unsafe {
            let counter = if from_opener { &raw mut (*self.0).out } else { &raw mut (*self.0).back };
            atomic::add(&raw mut (*counter).packets, traffic.packets);
            atomic::add(&raw mut (*counter).bytes, traffic.bytes);
        }
    }

    #[inline(always)]
    fn reopen(&self, flow: &Flow) {
        // `expires` stays zero until the caller, who has claimed the entry, gives it its new value.
        // SAFETY: As above.
        unsafe {
            (*self.0).created = flow.created;
            (*self.0).out = flow.out;
            (*self.0).back = flow.back;
            (*self.0).opener = flow.opener;
            (*self.0).responder = flow.responder;
            (*self.0).port_epoch = flow.port_epoch;
            (*self.0).state = flow.state;
            (*self.0).flags = flow.flags;
        }
    }
}

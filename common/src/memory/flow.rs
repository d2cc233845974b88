//! Entries of the flow table.

use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{self, SeqCst},
};

use crate::{
    abi::{
        counters::Traffic,
        flow::{Flow, NUMBERS, State, VERDICT_WORDS},
        units::{ContainerId, Nanos},
    },
    engine::tables::FlowEntry,
};

const ORDER: Ordering = SeqCst;

/// A [`Flow`] that several threads may use at once.
#[derive(Debug, Default)]
pub struct FlowCell {
    expires: AtomicU64,
    created: AtomicU64,
    out: Counter,
    back: Counter,
    numbers: [AtomicU64; NUMBERS],
    opener: AtomicU32,
    responder: AtomicU32,
    port_epoch: AtomicU32,
    state: AtomicU32,
    verdicts: [[AtomicU64; VERDICT_WORDS]; 2],
}

#[derive(Debug, Default)]
struct Counter {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    fn set(&self, traffic: Traffic) {
        self.packets.store(traffic.packets, ORDER);
        self.bytes.store(traffic.bytes, ORDER);
    }

    fn get(&self) -> Traffic {
        Traffic { packets: self.packets.load(ORDER), bytes: self.bytes.load(ORDER) }
    }
}

impl FlowCell {
    /// The entry as a plain value.
    pub fn get(&self) -> Flow {
        Flow {
            expires: Nanos(self.expires.load(ORDER)),
            created: Nanos(self.created.load(ORDER)),
            out: self.out.get(),
            back: self.back.get(),
            numbers: self.numbers.each_ref().map(|word| word.load(ORDER)),
            opener: ContainerId(self.opener.load(ORDER)),
            responder: ContainerId(self.responder.load(ORDER)),
            port_epoch: self.port_epoch.load(ORDER),
            state: State(self.state.load(ORDER)),
            verdicts: self.verdicts.each_ref().map(|words| words.each_ref().map(|word| word.load(ORDER))),
        }
    }

    pub(super) fn set(&self, flow: &Flow) {
        self.fill(flow);
        self.expires.store(flow.expires.0, ORDER);
    }

    fn fill(&self, flow: &Flow) {
        self.created.store(flow.created.0, ORDER);
        self.out.set(flow.out);
        self.back.set(flow.back);
        self.opener.store(flow.opener.0, ORDER);
        self.responder.store(flow.responder.0, ORDER);
        self.port_epoch.store(flow.port_epoch, ORDER);
        for (word, value) in self.numbers.iter().zip(flow.numbers) {
            word.store(value, ORDER);
        }
        self.state.store(flow.state.0, ORDER);
        self.fill_verdicts(&flow.verdicts);
    }

    fn fill_verdicts(&self, verdicts: &[[u64; VERDICT_WORDS]; 2]) {
        for (word, value) in self.verdicts.iter().flatten().zip(verdicts.iter().flatten()) {
            word.store(*value, ORDER);
        }
    }
}

impl FlowEntry for &FlowCell {
    fn expires(&self) -> Nanos {
        Nanos(self.expires.load(ORDER))
    }

    fn claim(&self, old: Nanos, new: Nanos) -> bool {
        self.expires.compare_exchange(old.0, new.0, ORDER, ORDER).is_ok()
    }

    fn opener(&self) -> ContainerId {
        ContainerId(self.opener.load(ORDER))
    }

    fn responder(&self) -> ContainerId {
        ContainerId(self.responder.load(ORDER))
    }

    fn set_responder(&self, id: ContainerId) {
        self.fill_verdicts(&[[0; VERDICT_WORDS]; 2]);
        self.responder.store(id.0, ORDER);
    }

    fn created(&self) -> Nanos {
        Nanos(self.created.load(ORDER))
    }

    fn state(&self) -> State {
        State(self.state.load(ORDER))
    }

    fn change_state(&self, old: State, new: State) -> bool {
        self.state.compare_exchange(old.0, new.0, ORDER, ORDER).is_ok()
    }

    fn number(&self, place: usize) -> u64 {
        self.numbers.get(place).map_or(0, |word| word.load(ORDER))
    }

    fn set_number(&self, place: usize, number: u64) {
        if let Some(word) = self.numbers.get(place) {
            word.store(number, ORDER);
        }
    }

    fn port_epoch(&self) -> u32 {
        self.port_epoch.load(ORDER)
    }

    fn set_port_epoch(&self, epoch: u32) {
        self.port_epoch.store(epoch, ORDER);
    }

    fn verdict(&self, place: usize, word: usize) -> u64 {
        let word = self.verdicts.get(place).and_then(|words| words.get(word));
        word.map_or(0, |word| word.load(ORDER))
    }

    fn set_verdict(&self, place: usize, word: usize, value: u64) {
        if let Some(word) = self.verdicts.get(place).and_then(|words| words.get(word)) {
            word.store(value, ORDER);
        }
    }

    fn count(&self, from_opener: bool, traffic: Traffic) {
        let counter = if from_opener { &self.out } else { &self.back };
        counter.packets.fetch_add(traffic.packets, ORDER);
        counter.bytes.fetch_add(traffic.bytes, ORDER);
    }

    fn reopen(&self, flow: &Flow) {
        // `expires` is claimed, and set by the claimer when all else is.
        self.fill(flow);
    }
}

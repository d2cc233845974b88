//! Flows in memory.

use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{self, SeqCst},
};

use crate::{
    abi::{
        address::Address,
        counters::Traffic,
        flow::{Flow, FlowKey, NUMBERS, State, VERDICT_WORDS},
        units::{ContainerId, Nanos, Port, Ticks},
    },
    engine::{
        flow_table::Half,
        tables::{Beginning, FlowEntry},
        tcp::Connection,
    },
};

const ORDER: Ordering = SeqCst;

/// A [`Flow`] that several threads may use at once.
#[derive(Debug, Default)]
pub struct FlowCell {
    expires: AtomicU64,
    key: [AtomicU32; FlowKey::WORDS],
    state: AtomicU32,
    opener: AtomicU32,
    responder: AtomicU32,
    port_epoch: AtomicU32,
    next: AtomicU32,
    created: AtomicU32,
    out: Counter,
    back: Counter,
    numbers: [AtomicU64; NUMBERS],
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

/// Half a word of a [`super::MemoryTables`].
#[derive(Clone, Copy)]
pub struct MemoryHalf<'a>(pub(super) &'a AtomicU32);

impl Half for MemoryHalf<'_> {
    fn load(&self) -> u32 {
        self.0.load(ORDER)
    }

    fn swap(&self, old: u32, new: u32) -> bool {
        self.0.compare_exchange(old, new, ORDER, ORDER).is_ok()
    }

    fn exchange(&self, new: u32) -> u32 {
        self.0.swap(new, ORDER)
    }
}

impl FlowCell {
    /// The flow as a plain value.
    pub fn get(&self) -> Flow {
        Flow {
            expires: Nanos(self.expires.load(ORDER)),
            key: self.key(),
            state: State(self.state.load(ORDER)),
            opener: ContainerId(self.opener.load(ORDER)),
            responder: ContainerId(self.responder.load(ORDER)),
            port_epoch: self.port_epoch.load(ORDER),
            next: self.next.load(ORDER),
            created: Ticks(self.created.load(ORDER)),
            out: self.out.get(),
            back: self.back.get(),
            numbers: self.numbers.each_ref().map(|word| word.load(ORDER)),
            verdicts: self.verdicts.each_ref().map(|words| words.each_ref().map(|word| word.load(ORDER))),
        }
    }

    /// Makes it that flow.
    pub(super) fn set(&self, flow: &Flow) {
        let Flow { expires, key, state, opener, responder, port_epoch, next, created, out, back, .. } = *flow;
        FlowEntry::set_key(&self, &key);
        FlowEntry::begin(&self, &Beginning { created, out, opener, responder, port_epoch, state });
        self.next.store(next, ORDER);
        self.back.set(back);
        for (word, value) in self.numbers.iter().zip(flow.numbers) {
            word.store(value, ORDER);
        }
        self.fill_verdicts(&flow.verdicts);
        self.expires.store(expires.0, ORDER);
    }

    fn key(&self) -> FlowKey {
        let [low0, low1, low2, low3, high0, high1, high2, high3, ports, zone_protocol] =
            self.key.each_ref().map(|word| word.load(ORDER));
        let [low, high] = [ports & 0xffff, ports >> 16].map(|port| Port(u16::try_from(port).unwrap_or(0)));
        FlowKey {
            low: Address([low0, low1, low2, low3]),
            high: Address([high0, high1, high2, high3]),
            low_port: low,
            high_port: high,
            zone_protocol,
        }
    }

    fn fill_verdicts(&self, verdicts: &[[u64; VERDICT_WORDS]; 2]) {
        for (word, value) in self.verdicts.iter().flatten().zip(verdicts.iter().flatten()) {
            word.store(*value, ORDER);
        }
    }
}

impl<'a> FlowEntry for &'a FlowCell {
    type Half = MemoryHalf<'a>;

    fn key_word(&self, place: usize) -> u32 {
        self.key.get(place).map_or(0, |word| word.load(ORDER))
    }

    fn set_key(&self, key: &FlowKey) {
        for (place, word) in self.key.iter().enumerate() {
            word.store(key.word(place), ORDER);
        }
    }

    fn next(&self) -> MemoryHalf<'a> {
        MemoryHalf(&self.next)
    }

    fn expires(&self) -> Nanos {
        Nanos(self.expires.load(ORDER))
    }

    fn swap_expires(&self, old: Nanos, new: Nanos) -> bool {
        self.expires.compare_exchange(old.0, new.0, ORDER, ORDER).is_ok()
    }

    fn release(&self) {
        self.expires.fetch_and(Nanos(u64::MAX).released().0, ORDER);
    }

    fn opener(&self) -> ContainerId {
        ContainerId(self.opener.load(ORDER))
    }

    fn responder(&self) -> ContainerId {
        ContainerId(self.responder.load(ORDER))
    }

    fn change_responder(&self, old: ContainerId, new: ContainerId) {
        self.fill_verdicts(&[[0; VERDICT_WORDS]; 2]);
        let _ = self.responder.compare_exchange(old.0, new.0, ORDER, ORDER);
    }

    fn created(&self) -> Ticks {
        Ticks(self.created.load(ORDER))
    }

    fn set_ended(&self, at: Ticks) {
        self.created.store(at.0, ORDER);
    }

    fn set_gone(&self) {
        self.state.store(State::GONE, ORDER);
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

    fn begin(&self, beginning: &Beginning) {
        let Beginning { created, out, opener, responder, port_epoch, state } = *beginning;
        self.created.store(created.0, ORDER);
        self.out.set(out);
        self.back.set(Traffic::default());
        self.opener.store(opener.0, ORDER);
        self.responder.store(responder.0, ORDER);
        self.port_epoch.store(port_epoch, ORDER);
        for (word, value) in self.numbers.iter().zip(Connection::NO_NUMBERS) {
            word.store(value, ORDER);
        }
        self.state.store(state.0, ORDER);
        self.fill_verdicts(&[[0; VERDICT_WORDS]; 2]);
    }
}

//! Asking a container's rules in memory.

use core::sync::atomic::Ordering::SeqCst;

use super::{FlowCell, MemoryTables, Ruleset, guards};
use crate::{
    abi::{
        reason::Reason,
        rules::external::Set,
        units::{Nanos, Protocol},
    },
    engine::{
        Headers,
        cached::{self, Hits, Scope},
        classify::{Answer, External, Question, State, Surroundings, classify},
        external::connlimit,
        flow_table::FlowTable as _,
        headers::Kind,
        question::{self, Circumstances},
        rules::{Case, Ruling},
    },
    wire::{Packet, tcp},
};

/// What the rules say, or the flow has kept of what they said.
pub(super) fn ask<P: Packet>(
    tables: &MemoryTables,
    ruleset: &Ruleset,
    (packet, headers): (&P, &Headers),
    case: &Case,
    flow: Option<&FlowCell>,
) -> Ruling {
    let scope = Scope { case, interface: 0 };
    let flow = flow.filter(|_| tables.keeps_verdicts.load(SeqCst) && !case.ends);
    if flow
        .is_some_and(|flow| cached::replay(&ruleset, &flow, &scope, || question::length(packet, headers, 0)))
    {
        tables.replayed.fetch_add(1, SeqCst);
        return Ruling::PASS;
    }
    let mut question = Question::EMPTY;
    question.fill(packet, headers, case, &Circumstances::default());
    let mut world =
        World { tables, packet, headers, question: &question, case, is_counted: false, hits: Hits::NONE };
    let outcome = classify(&ruleset, &mut world, &question, &mut { State::EMPTY });
    if let Some(flow) = flow {
        cached::remember(&flow, &scope, ruleset.header().generation, (&outcome, question.mark), world.hits);
    }
    let passes = outcome.ruling().reason == Reason::None;
    if case.ends || (world.is_counted && !passes) {
        connlimit::conclude(&tables, headers, case);
    }
    Ruling { is_counted: world.is_counted && passes, ..outcome.ruling() }
}

struct World<'a, P> {
    tables: &'a MemoryTables,
    packet: &'a P,
    headers: &'a Headers,
    question: &'a Question,
    case: &'a Case,
    is_counted: bool,
    hits: Hits,
}

impl<P: Packet> Surroundings for World<'_, P> {
    fn now(&mut self) -> Nanos {
        self.tables.now()
    }

    fn random(&mut self) -> u32 {
        u32::MAX
    }

    fn source_mac(&mut self) -> Option<u64> {
        None
    }

    fn has_tcp_option(&mut self, kind: u8) -> Option<bool> {
        let has_header = self.headers.protocol == Protocol::TCP && self.headers.kind == Kind::Ports;
        if has_header { tcp::has_option(self.packet, self.headers.transport, kind) } else { None }
    }

    fn in_set(&mut self, number: u32, asked: Set) -> Option<bool> {
        self.tables.sets.holds(number, self.question, asked)
    }

    fn external(&mut self, check: &External) -> Answer {
        guards::answer(
            self.tables,
            (self.packet, self.headers),
            (self.question, self.case),
            check,
            &mut self.is_counted,
        )
    }

    fn log(&mut self, _: u32, _: u32, _: u32) {}

    fn counted(&mut self, counter: u32) {
        self.hits = self.hits.and(counter);
    }
}

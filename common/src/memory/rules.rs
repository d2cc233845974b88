//! Asking a container's rules in memory.

use super::{MemoryTables, Ruleset, guards};
use crate::{
    abi::{
        reason::Reason,
        rules::external::{self, SET},
        units::{Nanos, Protocol},
    },
    engine::{
        Headers, Tables as _,
        classify::{Answer, External, Question, State, Surroundings, classify},
        external::connlimit,
        headers::Kind,
        question::Circumstances,
        rules::{Case, Ruling},
    },
    wire::{Packet, tcp},
};

/// What the rules say.
pub(super) fn ask<P: Packet>(
    tables: &MemoryTables,
    ruleset: &Ruleset,
    (packet, headers): (&P, &Headers),
    case: &Case,
) -> Ruling {
    let mut question = Question::EMPTY;
    question.fill(packet, headers, case, &Circumstances::default());
    let mut world = World { tables, packet, headers, question: &question, case, is_counted: false };
    let ruling = classify(&ruleset, &mut world, &question, &mut { State::EMPTY }).ruling();
    let passes = ruling.reason == Reason::None;
    if case.ends || (world.is_counted && !passes) {
        connlimit::conclude(&tables, headers, case);
    }
    Ruling { is_counted: world.is_counted && passes, ..ruling }
}

struct World<'a, P> {
    tables: &'a MemoryTables,
    packet: &'a P,
    headers: &'a Headers,
    question: &'a Question,
    case: &'a Case,
    is_counted: bool,
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

    fn external(&mut self, check: &External) -> Answer {
        if check.kind == SET {
            let asked = external::Set::from_parameters(check.parameters);
            return Answer::from(self.tables.sets.holds(check.id, self.question, asked));
        }
        guards::answer(
            self.tables,
            (self.packet, self.headers),
            (self.question, self.case),
            check,
            &mut self.is_counted,
        )
    }

    fn log(&mut self, _: u32, _: u32, _: u32) {}
}

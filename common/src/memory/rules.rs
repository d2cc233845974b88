//! Asking a container's rules in memory.

use super::{MemoryTables, Ruleset};
use crate::{
    abi::{
        rules::external::{self, SET},
        units::{Nanos, Protocol},
    },
    engine::{
        Headers, Tables as _,
        classify::{External, Question, State, Surroundings, classify},
        headers::Kind,
        question::Circumstances,
        rules::{Case, Ruling},
    },
    wire::{Packet, tcp},
};

/// What the rules say. Recent lists, hashlimit and connlimit are not kept in memory: they answer no.
pub(super) fn ask<P: Packet>(
    tables: &MemoryTables,
    ruleset: &Ruleset,
    (packet, headers): (&P, &Headers),
    case: &Case,
) -> Ruling {
    let mut question = Question::EMPTY;
    question.fill(packet, headers, case, &Circumstances::default());
    let mut world = World { tables, packet, headers, question: &question };
    classify(&ruleset, &mut world, &question, &mut { State::EMPTY }).ruling()
}

struct World<'a, P> {
    tables: &'a MemoryTables,
    packet: &'a P,
    headers: &'a Headers,
    question: &'a Question,
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

    fn external(&mut self, check: &External) -> bool {
        match check.kind {
            SET => {
                let asked = external::Set::from_parameters(check.parameters);
                self.tables.sets.holds(check.id, self.question, asked)
            }
            _ => false,
        }
    }

    fn log(&mut self, _: u32, _: u32, _: u32) {}
}

//! A packet and its surroundings, the same for the classifier and for the oracle.

use std::collections::BTreeMap;

use berth_common::{
    abi::{
        address::Address,
        rules::{
            BuiltIn, Dimension, Family,
            dimension::ABSENT,
            external::{SET, Set},
        },
        units::Nanos,
    },
    engine::classify::{Answer, External, Fields, Question, Surroundings},
};

/// A packet: what it has in every dimension.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) family: Family,
    pub(crate) chain: BuiltIn,
    pub(crate) mark: u32,
    pub(crate) length: u32,
    pub(crate) values: BTreeMap<Dimension, u128>,
    pub(crate) source_mac: Option<u64>,
    /// Kinds of TCP options below 8, as bits.
    pub(crate) tcp_options: Option<u8>,
}

impl Packet {
    /// With nothing but a family.
    pub(crate) fn new(family: Family, chain: BuiltIn) -> Self {
        let values = Dimension::ALL
            .iter()
            .map(|dimension| (*dimension, if dimension.shape().optional { ABSENT.into() } else { 0 }));
        Self {
            family,
            chain,
            mark: 0,
            length: 100,
            values: values.collect(),
            source_mac: None,
            tcp_options: None,
        }
    }

    pub(crate) fn with(mut self, dimension: Dimension, value: impl Into<u128>) -> Self {
        self.values.insert(dimension, value.into());
        self
    }

    pub(crate) fn question(&self) -> Question {
        let mut fields = Fields::EMPTY;
        for (dimension, value) in &self.values {
            match (dimension, self.family) {
                (Dimension::Source | Dimension::Destination, Family::Ipv4) => {
                    let word = u32::try_from(*value).unwrap();
                    fields.set_address(*dimension, self.family, &Address::v4(word.to_be()));
                }
                (Dimension::Source | Dimension::Destination, Family::Ipv6) => {
                    fields.set_address(*dimension, self.family, &Address::from_octets(value.to_be_bytes()));
                }
                _ => fields.set(*dimension, u32::try_from(*value).unwrap()),
            }
        }
        Question { family: self.family, chain: self.chain, mark: self.mark, length: self.length, fields }
    }
}

/// What happens around a packet. Two that begin alike give the same answers to the same questions in the same order,
/// and end alike only if they were asked the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) source_mac: Option<u64>,
    pub(crate) tcp_options: Option<u8>,
    /// Changes with every question that has a side effect.
    pub(crate) entropy: u64,
    pub(crate) log: Vec<(u32, u32)>,
    pub(crate) counted: Vec<u32>,
}

impl World {
    pub(crate) fn new(packet: &Packet, now: u64, entropy: u64) -> Self {
        Self {
            now,
            source_mac: packet.source_mac,
            tcp_options: packet.tcp_options,
            entropy,
            log: Vec::new(),
            counted: Vec::new(),
        }
    }

    fn draw(&mut self) -> u64 {
        self.entropy = mix(self.entropy);
        self.entropy
    }
}

/// External checks of kinds below this have no side effects.
pub(crate) const PURE_KINDS: u8 = 4;

impl Surroundings for World {
    fn now(&mut self) -> Nanos {
        Nanos(self.now)
    }

    fn random(&mut self) -> u32 {
        u32::try_from(self.draw() >> 32).unwrap()
    }

    fn source_mac(&mut self) -> Option<u64> {
        self.source_mac
    }

    fn has_tcp_option(&mut self, kind: u8) -> Option<bool> {
        self.tcp_options.map(|options| options.checked_shr(kind.into()).is_some_and(|rest| rest & 1 != 0))
    }

    fn in_set(&mut self, number: u32, asked: Set) -> Option<bool> {
        let [asked, ..] = asked.to_parameters();
        Some(mix(mix(number.into()) ^ asked) & 1 != 0)
    }

    fn external(&mut self, check: &External) -> Answer {
        if check.kind == SET {
            let is_in = self.in_set(check.id, Set::from_parameters(check.parameters));
            return Answer::from(is_in == Some(true));
        }
        let [a, b, c] = check.parameters;
        let all = [check.kind.into(), check.id.into(), a, b, c, check.mark.into()];
        let hash = all.into_iter().fold(0, |hash, word| mix(hash ^ word));
        if check.kind < PURE_KINDS {
            return Answer::from(hash & 1 != 0);
        }
        self.entropy ^= hash;
        Answer::from(self.draw() & 1 != 0)
    }

    fn log(&mut self, id: u32, _: u32, mark: u32) {
        self.log.push((id, mark));
    }

    fn counted(&mut self, counter: u32) {
        self.counted.push(counter);
    }
}

/// A permutation that mixes well (the finalizer of SplitMix64).
pub(crate) fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

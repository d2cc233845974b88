//! The table of fragments in memory.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::vec::Vec;

use super::{MemoryWord, cells::Cells};
use crate::{
    abi::{
        address::Address,
        fragment::{Fragment, FragmentKey, FragmentPlace, PLACES},
        units::{ContainerId, Nanos},
    },
    engine::places::{Key, Place},
};

/// All places.
pub(super) struct Fragments(Cells<FragmentCell>);

/// A place.
#[derive(Default)]
pub struct FragmentCell {
    turn: AtomicU64,
    key: [AtomicU32; FragmentKey::WORDS],
    expires: AtomicU64,
    owner: AtomicU32,
    reason: AtomicU32,
}

impl Fragments {
    pub(super) fn new() -> Self {
        Self(Cells::new(usize::try_from(PLACES).unwrap_or(usize::MAX)))
    }

    pub(super) fn get(&self, number: u32) -> Option<&FragmentCell> {
        self.0.get(usize::try_from(number).ok()?)
    }

    /// The places that were ever used, each with its number.
    pub(super) fn export(&self) -> Vec<(u32, FragmentPlace)> {
        let places = self.0.used().into_iter().map(|(number, cell)| (number, cell.get()));
        let used = places.filter(|(_, place)| place.turn != 0);
        used.filter_map(|(number, place)| Some((u32::try_from(number).ok()?, place))).collect()
    }

    pub(super) fn import(places: &[(u32, FragmentPlace)]) -> Self {
        let made = Self::new();
        for (number, place) in places {
            if let Some(cell) = made.get(*number) {
                cell.set(place);
            }
        }
        made
    }
}

impl FragmentCell {
    fn get(&self) -> FragmentPlace {
        let word = |place| Place::key_word(&self, place);
        FragmentPlace {
            turn: self.turn.load(SeqCst),
            key: FragmentKey {
                source: Address([word(0), word(1), word(2), word(3)]),
                destination: Address([word(4), word(5), word(6), word(7)]),
                id: word(8),
                zone_protocol: word(9),
            },
            fragment: Place::kept(&self),
        }
    }

    fn set(&self, place: &FragmentPlace) {
        Place::keep(&self, &place.key, &place.fragment);
        self.turn.store(place.turn, SeqCst);
    }
}

impl<'a> Place for &'a FragmentCell {
    type Word = MemoryWord<'a>;
    type Kept = Fragment;

    fn turn(&self) -> MemoryWord<'a> {
        MemoryWord::atomic(&self.turn)
    }

    fn key_word(&self, place: usize) -> u32 {
        self.key.get(place).map_or(0, |word| word.load(SeqCst))
    }

    fn owner(&self) -> ContainerId {
        ContainerId(self.owner.load(SeqCst))
    }

    fn expires(&self) -> Nanos {
        Nanos(self.expires.load(SeqCst))
    }

    fn kept(&self) -> Fragment {
        Fragment {
            expires: Nanos(self.expires.load(SeqCst)),
            owner: ContainerId(self.owner.load(SeqCst)),
            reason: self.reason.load(SeqCst),
        }
    }

    fn keep(&self, key: &impl Key, fragment: &Fragment) {
        for (place, word) in self.key.iter().enumerate() {
            word.store(key.word(place), SeqCst);
        }
        self.expires.store(fragment.expires.0, SeqCst);
        self.owner.store(fragment.owner.0, SeqCst);
        self.reason.store(fragment.reason, SeqCst);
    }
}

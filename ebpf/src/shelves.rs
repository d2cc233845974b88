//! Rulesets and named sets on their shelves (adr/0028, adr/0031).

use aya_ebpf::btf_maps::Array;
use berth_common::{
    abi::{
        rules::{
            Line, WORDS,
            counters::COUNTER_WORDS,
            reference::Reference,
            shelf::{self, Place},
        },
        units::ContainerId,
    },
    engine::classify::{Fields, Lines, lookup},
};

use crate::{
    atomic::{self, MapWord},
    maps::{RULESETS, SETS, SHELVES},
    rules::Scratch,
};

/// Lines with rulesets and sets.
pub type Shelf = Array<Line, { shelf::LINES as usize }>;

/// Has a container meet the rules that are there; tells whether there is such a container.
#[inline(always)]
pub fn publish_rules(container: ContainerId, place: Place) -> bool {
    publish(RULESETS.get_ptr_mut(container.0), place)
}

/// Has rules that name a set meet the one that is there; tells whether there is such a number.
#[inline(always)]
pub fn publish_set(number: u32, place: Place) -> bool {
    publish(SETS.get_ptr_mut(number), place)
}

#[inline(always)]
fn publish(word: Option<*mut u64>, place: Place) -> bool {
    let Some(word) = word else { return false };
    // SAFETY: An aligned word of the value just looked up.
    unsafe { atomic::put(word, place.0) };
    true
}

/// A ruleset, or a set, on its shelf.
#[derive(Clone, Copy)]
pub struct Shelved<F> {
    /// The shelf.
    pub shelf: &'static Shelf,
    /// Where it begins there.
    pub first: F,
}

/// There is something, and nothing where it should be.
pub struct NoShelf;

/// Where on its shelf a ruleset begins.
pub trait First: Copy {
    /// Its first line.
    fn line(self) -> u32;

    /// As [`lookup::vector`], if it is there.
    #[inline(always)]
    fn vector(self, lines: &'static Shelf, fields: &Fields, start: Reference) -> Option<u32> {
        lookup::vector(&Shelved { shelf: lines, first: self }, fields, start)
    }
}

impl First for u32 {
    #[inline(always)]
    fn line(self) -> u32 {
        self
    }
}

/// As a walk keeps it, which has no room for it on its stack.
#[derive(Clone, Copy)]
pub struct InScratch(pub *const Scratch);

impl First for InScratch {
    #[inline(always)]
    fn line(self) -> u32 {
        // SAFETY: A value of a map. Volatile, so that the compiler does not put it on the stack after all.
        unsafe { (&raw const (*self.0).first).read_volatile() }
    }

    #[inline(always)]
    fn vector(self, lines: &'static Shelf, _: &Fields, start: Reference) -> Option<u32> {
        match vector_at(lines, self.0, start.0) {
            NO_VECTOR => None,
            place => Some(place),
        }
    }
}

impl Shelved<u32> {
    /// The rules of a container, if it has any.
    #[inline(always)]
    pub fn of(container: ContainerId) -> Result<Option<Self>, NoShelf> {
        Self::read(RULESETS.get_ptr(container.0))
    }

    /// The set with this number, if there is one.
    #[inline(always)]
    pub fn set(number: u32) -> Result<Option<Self>, NoShelf> {
        Self::read(SETS.get_ptr(number))
    }

    #[inline(always)]
    fn read(word: Option<*const u64>) -> Result<Option<Self>, NoShelf> {
        let Some(word) = word else { return Ok(None) };
        // SAFETY: An aligned word of the value just looked up.
        let place = Place(unsafe { word.read_volatile() });
        if place == Place::NONE {
            return Ok(None);
        }
        let shelf = SHELVES.get(place.shelf()).ok_or(NoShelf)?;
        Ok(Some(Self { shelf, first: place.first() }))
    }
}

impl<F: First> Shelved<F> {
    /// One of its lines.
    #[inline(always)]
    pub fn at(&self, index: u32) -> Option<&Line> {
        self.shelf.get(self.first.line().wrapping_add(index))
    }

    #[inline(always)]
    fn pointer(&self, index: u32) -> Option<*mut Line> {
        self.shelf.get_ptr_mut(self.first.line().wrapping_add(index))
    }
}

impl<F: First> Lines for Shelved<F> {
    type Word = MapWord;

    #[inline(always)]
    fn line(&self, index: u32) -> Option<&Line> {
        self.at(index)
    }

    #[inline(always)]
    fn vector(&self, fields: &Fields, start: Reference) -> Option<u32> {
        self.first.vector(self.shelf, fields, start)
    }

    #[inline(always)]
    fn word(&self, index: u32) -> Option<MapWord> {
        let line: *mut Line = self.pointer(index.wrapping_div(WORDS as u32))?;
        // The verifier does not see what the compiler knows of the remainder.
        let place = core::hint::black_box(index) as usize & (WORDS - 1);
        // SAFETY: The mask keeps the place in the line.
        Some(unsafe { MapWord::new(line.cast::<u64>().add(place)) })
    }

    /// Both words are in one line, so it is looked up once.
    #[inline(always)]
    fn count(&self, index: u32, bytes: u32) -> Option<()> {
        let line: *mut Line = self.pointer(index.wrapping_div(WORDS as u32))?;
        let place = core::hint::black_box(index) as usize & (WORDS - COUNTER_WORDS as usize);
        // SAFETY: The mask keeps the place in the line, and even, so that another word follows.
        unsafe {
            let packets = line.cast::<u64>().add(place);
            atomic::add(packets, 1);
            atomic::add(packets.add(1), bytes as u64);
        }
        Some(())
    }
}

/// No vector is there: the highest bit of a place is never set.
const NO_VECTOR: u32 = u32::MAX;

/// As [`classify::lookup::vector`], on a stack of its own.
#[inline(never)]
fn vector_at(shelf: &'static Shelf, scratch: *const Scratch, start: u32) -> u32 {
    let lines = Shelved { shelf, first: InScratch(scratch) };
    // SAFETY: A value of a map, which nobody else on this processor uses while the walk has it.
    let fields = unsafe { &(*scratch).question.fields };
    lookup::vector(&lines, fields, Reference(start)).unwrap_or(NO_VECTOR)
}

//! Named sets in their maps, and looking things up in them: functions that the verifier proves by themselves.

use aya_ebpf::{bindings::BPF_F_INNER_MAP, btf_maps::Array};
use berth_common::{
    abi::rules::{Line, external::Set},
    engine::set::{Lines, Search, Told},
};

use crate::{
    maps::{SCRATCH, SETS},
    rules::Scratch,
};

/// A set: an array of as many lines as it has.
pub type Table = Array<Line, 1, { BPF_F_INNER_MAP as usize }>;

/// Whether the packet that the question in the scratch at `place` is about is in a named set.
#[inline(always)]
pub fn in_set(place: u32, number: u32, asked: Set) -> bool {
    let asked = asked.parts as u32 | (asked.destinations as u32) << 8;
    seam_set_begin(place, number, asked) != 0 && seam_set_find(place, number) != 0
}

/// Begins to look up the packet that the question in the scratch at `place` is about; if that is so, [`finds`] is next.
#[inline(always)]
fn begins(place: u32, number: u32, asked: Set) -> bool {
    let (Some(scratch), Some(table)) = (SCRATCH.get_ptr_mut(place), SETS.get(number)) else { return false };
    // SAFETY: A value of a map, which nobody else on this processor uses while it is taken.
    let (question, search) = unsafe { Scratch::question_and_search(scratch) };
    search.begins(&InMap(table), question, asked)
}

/// Whether the packet is in the set.
#[inline(always)]
fn finds(place: u32, number: u32) -> bool {
    let (Some(scratch), Some(table)) = (SCRATCH.get_ptr_mut(place), SETS.get(number)) else { return false };
    // SAFETY: As above.
    let (_, search) = unsafe { Scratch::question_and_search(scratch) };
    search.finds(&InMap(table))
}

struct InMap<'a>(&'a Table);

impl Lines for InMap<'_> {
    #[inline(always)]
    fn line(&self, index: u32) -> Option<&Line> {
        self.0.get(index)
    }

    #[inline(always)]
    fn next(&self, search: &mut Search, header: &Line) -> bool {
        seam_set_next(search, header) != 0
    }

    #[inline(always)]
    fn find(&self, search: &Search, line: &Line) -> Told {
        Told::from_number(seam_set_line(search, line))
    }
}

#[unsafe(no_mangle)]
extern "C" fn seam_set_begin(place: u32, number: u32, asked: u32) -> u32 {
    let asked = Set { parts: asked as u8, destinations: (asked >> 8) as u8 };
    begins(place, number, asked) as u32
}

#[unsafe(no_mangle)]
extern "C" fn seam_set_find(place: u32, number: u32) -> u32 {
    finds(place, number) as u32
}

#[unsafe(no_mangle)]
extern "C" fn seam_set_next(search: *mut Search, header: *const Line) -> u32 {
    if search.is_null() || header.is_null() {
        return 0;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    unsafe { (*search).next(&*header) as u32 }
}

#[unsafe(no_mangle)]
extern "C" fn seam_set_line(search: *const Search, line: *const Line) -> u32 {
    if search.is_null() || line.is_null() {
        return Told::Nothing as u32;
    }
    // SAFETY: As above.
    unsafe { (*search).find(&*line) as u32 }
}

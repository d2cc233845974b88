//! Named sets in their maps, and looking things up in them: functions that the verifier proves by themselves.

use aya_ebpf::{bindings::BPF_F_INNER_MAP, btf_maps::Array};
use berth_common::{
    abi::rules::{Line, external::Set},
    engine::{
        classify::Question,
        set::{self, Lines, Search, Told},
    },
};

use crate::maps::SETS;

/// A set: an array of as many lines as it has.
pub type Table = Array<Line, 1, { BPF_F_INNER_MAP as usize }>;

/// Whether the packet that the question is about is in a named set.
#[inline(always)]
pub fn in_set(search: &mut Search, question: &Question, number: u32, asked: Set) -> bool {
    match seam_plain_set(question, number, packed(asked)) {
        0 => false,
        1 => true,
        _ => seam_set(search, question, number, packed(asked)) != 0,
    }
}

struct InMap<'a>(&'a Table);

impl Lines for InMap<'_> {
    #[inline(always)]
    fn line(&self, index: u32) -> Option<&Line> {
        self.0.get(index)
    }

    #[inline(always)]
    fn begin(&self, search: &mut Search, header: &Line, question: &Question, asked: Set) -> bool {
        seam_set_begin(search, header, question, packed(asked)) != 0
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

#[inline(always)]
const fn packed(asked: Set) -> u32 {
    asked.parts as u32 | (asked.destinations as u32) << 8
}

#[inline(always)]
const fn unpacked(asked: u32) -> Set {
    Set { parts: asked as u8, destinations: (asked >> 8) as u8 }
}

/// Neither in the set nor not: that takes a search.
const NOT_PLAIN: u32 = 2;

#[unsafe(no_mangle)]
extern "C" fn seam_plain_set(question: *const Question, number: u32, asked: u32) -> u32 {
    if question.is_null() {
        return 0;
    }
    let Some(table) = SETS.get(number) else { return 0 };
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    set::is_in_plain(&InMap(table), unsafe { &*question }, unpacked(asked)).map_or(NOT_PLAIN, u32::from)
}

#[unsafe(no_mangle)]
extern "C" fn seam_set(search: *mut Search, question: *const Question, number: u32, asked: u32) -> u32 {
    if search.is_null() || question.is_null() {
        return 0;
    }
    let Some(table) = SETS.get(number) else { return 0 };
    // SAFETY: The verifier holds callers to valid memory of the types' sizes.
    unsafe { (*search).is_in(&InMap(table), &*question, unpacked(asked)) as u32 }
}

#[unsafe(no_mangle)]
extern "C" fn seam_set_begin(
    search: *mut Search,
    header: *const Line,
    question: *const Question,
    asked: u32,
) -> u32 {
    if search.is_null() || header.is_null() || question.is_null() {
        return 0;
    }
    // SAFETY: As above.
    unsafe { (*search).begin(&*header, &*question, unpacked(asked)) as u32 }
}

#[unsafe(no_mangle)]
extern "C" fn seam_set_next(search: *mut Search, header: *const Line) -> u32 {
    if search.is_null() || header.is_null() {
        return 0;
    }
    // SAFETY: As above.
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

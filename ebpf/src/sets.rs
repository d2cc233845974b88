//! Looking things up in named sets: functions that the verifier proves by themselves.

use berth_common::{
    abi::rules::{Line, external::Set},
    engine::{
        classify::Question,
        set::{self, Lines, Plainly, Search, Told},
    },
};

use crate::shelves::{NoShelf, Shelved};

/// Whether the packet that the question is about is in a named set; nothing if what should be one is none.
#[inline(always)]
pub fn in_set(search: &mut Search, question: &Question, number: u32, asked: Set) -> Option<bool> {
    const NOT_IN: u32 = Plainly::NotIn as u32;
    const IN: u32 = Plainly::In as u32;
    const UNTOLD: u32 = Plainly::Untold as u32;
    match seam_plain_set(question, number, packed(asked)) {
        NOT_IN => Some(false),
        IN => Some(true),
        UNTOLD => Some(seam_set(search, question, number, packed(asked)) != 0),
        _ => None,
    }
}

impl Lines for Shelved<u32> {
    #[inline(always)]
    fn line(&self, index: u32) -> Option<&Line> {
        self.at(index)
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

#[unsafe(no_mangle)]
extern "C" fn seam_plain_set(question: *const Question, number: u32, asked: u32) -> u32 {
    if question.is_null() {
        return 0;
    }
    match Shelved::set(number) {
        // SAFETY: The verifier holds callers to valid memory of the type's size.
        Ok(Some(lines)) => set::plainly(&lines, unsafe { &*question }, unpacked(asked)) as u32,
        Ok(None) => Plainly::NotIn as u32,
        Err(NoShelf) => Plainly::Damaged as u32,
    }
}

#[unsafe(no_mangle)]
extern "C" fn seam_set(search: *mut Search, question: *const Question, number: u32, asked: u32) -> u32 {
    if search.is_null() || question.is_null() {
        return 0;
    }
    let Ok(Some(lines)) = Shelved::set(number) else { return 0 };
    // SAFETY: The verifier holds callers to valid memory of the types' sizes.
    unsafe { (*search).is_in(&lines, &*question, unpacked(asked)) as u32 }
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

//! Named sets in their maps.

use aya_ebpf::{bindings::BPF_F_INNER_MAP, btf_maps::Array};
use berth_common::{
    abi::rules::{Line, external::Set},
    engine::set::Lines,
};

use crate::{
    maps::{SCRATCH, SETS},
    rules::Scratch,
};

/// A set: an array of as many lines as it has.
pub type Table = Array<Line, 1, { BPF_F_INNER_MAP as usize }>;

/// Begins to look up the packet that the question in the scratch at `place` is about; if that is so, [`finds`] is next.
#[inline(always)]
pub fn begins(place: u32, number: u32, asked: Set) -> bool {
    let (Some(scratch), Some(table)) = (SCRATCH.get_ptr_mut(place), SETS.get(number)) else { return false };
    // SAFETY: A value of a map, which nobody else on this processor uses while it is taken.
    let (question, search) = unsafe { Scratch::question_and_search(scratch) };
    search.begins(&InMap(table), question, asked)
}

/// Whether the packet is in the set.
#[inline(always)]
pub fn finds(place: u32, number: u32) -> bool {
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
}

//! Finding a packet's vector in a table.

use super::{fields::Fields, lines::Lines};
use crate::abi::rules::{
    node::{MAX_DEPTH, SLOTS_A_LINE, find_range, find_slot, find_window},
    reference::{Kind, Reference},
};

/// The place of the vector that `start` leads to for a packet with these fields.
#[inline(always)]
pub fn vector<L: Lines>(lines: &L, fields: &Fields, start: Reference) -> Option<u32> {
    let mut reference = start;
    // Not `..=`, which would keep more on a small stack.
    for _ in 0..MAX_DEPTH.wrapping_add(1) {
        let kind = reference.kind();
        if kind == Kind::Vector {
            return Some(reference.place());
        }
        let value = fields.part(reference.part())?;
        let slot = if kind == Kind::Page { reference.slot(value) } else { 0 };
        let line = lines.line(reference.line().wrapping_add(slot.wrapping_div(SLOTS_A_LINE)))?;
        reference = match kind {
            Kind::Ranges => find_range(line, value)?,
            Kind::Window => find_window(line, reference.quarter(), value)?,
            Kind::Page => find_slot(line, slot)?,
            Kind::Vector => return None,
        };
    }
    None
}

//! Of which flows user space is told when they begin and end.

use super::FlowTable;
use crate::engine::tables::FlowEntry as _;

/// Whether a flow is one of those of which its container wants to hear: none (zero), or one in 2ⁿ⁻¹. Which ones those are is told
/// by their keys, so that of a flow both ends are told, or neither.
#[inline(always)]
pub fn is_told<M: FlowTable + ?Sized>(table: &M, flow: &M::Flow, wanted: u8) -> bool {
    if wanted == 0 {
        return false;
    }
    let Some(shape) = table.shape() else { return false };
    let chosen = super::hash::chosen(shape, |place| flow.key_word(place));
    let mask = 1_u32.wrapping_shl((wanted as u32).wrapping_sub(1)).wrapping_sub(1);
    chosen & mask == 0
}

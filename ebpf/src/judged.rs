//! What the cgroup hook tells TC egress of a packet: that its sender's rules were asked.
//!
//! It travels in a bit of the packet's mark. No other trace of the cgroup hook is left on a packet that has no full
//! socket by then, as a SYN-ACK has none. Nobody but queueing disciplines and tunnels sees the mark between the two.

use crate::{packet::Skb, tables::config};

/// The rules were asked, and let the packet through.
#[inline(always)]
pub fn set(skb: Skb) {
    let bit = bit();
    // SAFETY: A field of the program's context.
    unsafe { (*skb.0).mark |= bit };
}

/// Whether the rules were asked. Takes the bit away.
#[inline(always)]
pub fn take(skb: Skb) -> bool {
    let bit = bit();
    // SAFETY: A field of the program's context.
    unsafe {
        let mark = (*skb.0).mark;
        if mark & bit == 0 {
            return false;
        }
        (*skb.0).mark = mark & !bit;
    }
    true
}

/// The bit that the node's operator leaves to berth.
#[inline(always)]
pub fn bit() -> u32 {
    config().map_or(0, |config| config.mark_bit)
}

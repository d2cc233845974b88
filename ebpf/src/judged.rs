//! What one hook tells the next of a packet, in four bits of its mark: that its sender's rules were asked, and what they
//! said; or that berth has made it.
//!
//! No other trace of the cgroup hook is left on a packet that has no full socket by TC egress, as a SYN-ACK has none.
//! Nobody but queueing disciplines and tunnels sees the mark between the two. That a packet is a notice stands in
//! `tc_index`, too, which no socket can set, while marks do not come from other network namespaces. On `lo`, where the next
//! hook is the receiver's, `tc_index` alone tells it. On an uplink it tells the id that a reply has had on the wire, once berth has given
//! it the container's.

use berth_common::{
    abi::{rules::interface, units::Port},
    engine::{Trace, echo},
};

use crate::{packet::Skb, tables::config};

/// What the mark says of a packet that rules let through.
const PASSED: u32 = 1;
/// What it says of one that they reject, plus the number of the rejection.
const REJECTED: u32 = 2;
/// What `tc_index` says of a notice.
const NOTICE: u32 = 0xbe27;
/// What it says on `lo` of a packet that its sender's rules let through.
const JUDGED: u32 = 0xbe28;

const _: () = {
    let [none, notice, judged] = echo::RESERVED;
    assert!(none.0 == 0 && notice.0 as u32 == NOTICE && judged.0 as u32 == JUDGED);
};

/// What is known of a packet.
///
/// (Not an enum with something in it: what stands in the place of nothing would be undefined, and the compiler keeps it on
/// the stack all the same, which the verifier refuses.)
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// What it is to the engine.
    pub trace: Trace,
    /// In the way of which number it was rejected, without its sender having been told; else [`Told::NOT_REJECTED`].
    pub rejection: u32,
}

impl Told {
    /// It was not rejected.
    pub const NOT_REJECTED: u32 = u32::MAX;
}

/// The rules were asked, and let the packet through.
#[inline(always)]
pub fn passed(skb: Skb) {
    put(skb, PASSED);
}

/// The rules were asked, and reject the packet in the way of this number.
#[inline(always)]
pub fn rejected(skb: Skb, rejection: u8) {
    put(skb, REJECTED.wrapping_add(rejection as u32));
}

/// The packet has become a notice.
#[inline(always)]
pub fn notice(skb: Skb) {
    put(skb, PASSED);
    set_index(skb, NOTICE);
}

/// The rules of the packet's sender were asked, and let it through, and it goes on by `lo` to a socket, where a mark is for
/// rules of the host's to see.
#[inline(always)]
pub fn passed_on_loopback(skb: Skb) {
    set_index(skb, JUDGED);
}

/// What an earlier hook has told. Takes it off the packet.
#[inline(always)]
pub fn take(skb: Skb) -> Told {
    let told = clear(skb);
    // SAFETY: A field of the program's context.
    let index = unsafe { (*skb.0).tc_index };
    let trace = match told {
        PASSED if index == NOTICE => {
            set_index(skb, 0);
            Trace::Notice
        }
        PASSED => Trace::Judged,
        _ => Trace::None,
    };
    let rejection = if told >= REJECTED { told.wrapping_sub(REJECTED) } else { Told::NOT_REJECTED };
    Told { trace, rejection }
}

/// What an earlier TC hook has told. Other marks are not berth's here.
#[inline(always)]
pub fn trace(skb: Skb) -> Trace {
    match take(skb).trace {
        Trace::Notice => Trace::Notice,
        Trace::None | Trace::Judged => Trace::None,
    }
}

/// What an earlier hook has told, at a hook on sockets, where `tc_index` cannot be written. On other interfaces than `lo` it
/// may come from another network namespace.
#[inline(always)]
pub fn trace_at_socket(skb: Skb) -> Trace {
    let told = clear(skb);
    // SAFETY: A field of the program's context.
    match unsafe { (*skb.0).tc_index } {
        NOTICE if told == PASSED => Trace::Notice,
        JUDGED if skb.ifindex() == interface::LOOPBACK => Trace::Judged,
        _ => Trace::None,
    }
}

/// The id with which a reply has come by an uplink, if that was not the container's: see [`crate::echo`].
#[inline(always)]
pub fn wire_id(skb: Skb) -> Option<Port> {
    // SAFETY: A field of the program's context.
    match unsafe { (*skb.0).tc_index } {
        0 | NOTICE | JUDGED => None,
        id => Some(Port(id as u16)),
    }
}

/// Takes berth's bits off the mark, and returns what they said.
#[inline(always)]
pub fn clear(skb: Skb) -> u32 {
    let Some(config) = config() else { return 0 };
    // SAFETY: A field of the program's context.
    unsafe {
        let mark = (*skb.0).mark;
        if mark & config.mark_mask == 0 {
            return 0;
        }
        (*skb.0).mark = mark & !config.mark_mask;
        (mark & config.mark_mask) >> (config.mark_shift & 31)
    }
}

/// A function of its own: where a program has several of these, the compiler would compute the field's address once, which the
/// verifier does not let pass.
#[inline(never)]
pub fn set_index(skb: Skb, index: u32) {
    // SAFETY: A field of the program's context.
    unsafe { (*skb.0).tc_index = index };
}

#[inline(always)]
fn put(skb: Skb, told: u32) {
    let Some(config) = config() else { return };
    // SAFETY: A field of the program's context.
    unsafe {
        (*skb.0).mark =
            (*skb.0).mark & !config.mark_mask | told << (config.mark_shift & 31) & config.mark_mask;
    }
}

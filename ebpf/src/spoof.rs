//! What containers may send on interfaces of their own: functions that the verifier proves by themselves.

use aya_ebpf::bindings::__sk_buff;
use berth_common::{
    abi::{reason::Reason, units::ContainerId},
    engine::{
        Headers,
        spoof::{self, Course},
    },
    wire::ether::EtherType,
};

use crate::{packet::Skb, seams::BySkb, tables::Maps};

/// What [`seam_course`] returns, if no reason.
const ENDS: u32 = Reason::None as u32;
const GOES_THROUGH: u32 = 1 << 8;

/// As [`spoof::course`].
#[inline(always)]
pub fn course(skb: Skb, headers: &Headers, (id, inward): (ContainerId, bool)) -> Result<Course, Reason> {
    match seam_course(skb.0, headers, id.0, inward as u32) {
        ENDS => Ok(Course::Ends),
        GOES_THROUGH => Ok(Course::GoesThrough),
        reason => Err(Reason::from_number(reason as u8)),
    }
}

/// As [`spoof::refuses_frame`].
#[inline(always)]
pub fn refuses_frame(
    skb: Skb,
    (kind, offset): (EtherType, u32),
    (id, inward): (ContainerId, bool),
) -> Reason {
    Reason::from_number(seam_frame(skb.0, kind.0 as u32, offset, id.0, inward as u32) as u8)
}

#[unsafe(no_mangle)]
extern "C" fn seam_course(skb: *mut __sk_buff, headers: *const Headers, id: u32, inward: u32) -> u32 {
    if headers.is_null() {
        return Reason::Malformed as u32;
    }
    let skb = Skb(skb);
    // Keys of lookups are looked for on the function's own stack, as older kernels demand.
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let headers = unsafe { headers.read_volatile() };
    match spoof::course(&Maps::new(BySkb(skb)), (&skb, &headers), (ContainerId(id), inward != 0)) {
        Ok(Course::Ends) => ENDS,
        Ok(Course::GoesThrough) => GOES_THROUGH,
        Err(reason) => reason as u32,
    }
}

#[unsafe(no_mangle)]
extern "C" fn seam_frame(skb: *mut __sk_buff, kind: u32, offset: u32, id: u32, inward: u32) -> u32 {
    let skb = Skb(skb);
    let frame = (EtherType(kind as u16), offset);
    spoof::refuses_frame(&Maps::new(BySkb(skb)), &skb, frame, (ContainerId(id), inward != 0)) as u32
}

//! Buckets of hashlimit.

use aya_ebpf::bindings::__sk_buff;
use berth_common::{
    abi::{
        guard::Bucket,
        rules::external::Hashlimit,
        units::{ContainerId, Nanos},
    },
    engine::{
        Headers,
        classify::Answer,
        external::{self, BucketWords, hashlimit},
    },
};

use crate::{
    atomic::MapWord,
    packet::{Copied, Skb},
    rules::{self, Scratch},
    seams::NoContext,
    tables::Maps,
};

/// The words of a bucket.
///
/// # Safety
///
/// `bucket` must point to a value of the `BUCKETS` map.
#[inline(always)]
pub unsafe fn words(bucket: *mut Bucket) -> BucketWords<MapWord> {
    // SAFETY: The caller's; both are aligned words.
    unsafe {
        BucketWords {
            full_at: MapWord::new(&raw mut (*bucket).full_at),
            expires: MapWord::new((&raw mut (*bucket).expires).cast()),
        }
    }
}

/// The walk at `place` is told what the hashlimit that it asks for answers.
#[inline(always)]
pub fn ask(skb: Skb, headers: &Headers, container: ContainerId, place: u32) {
    seam_bucket(skb.0, headers, container.0, place);
    seam_hashlimit(place);
}

/// Writes down which bucket a hashlimit asks for.
#[unsafe(no_mangle)]
extern "C" fn seam_bucket(skb: *mut __sk_buff, headers: *const Headers, container: u32, place: u32) -> u32 {
    let Some(scratch) = rules::scratch(place) else { return 0 };
    if headers.is_null() {
        return 0;
    }
    // SAFETY: The verifier holds callers to valid memory of the type's size.
    let headers = unsafe { &*headers };
    let Scratch { state, bucket: key, .. } = scratch;
    let Some(object) =
        external::object(&Maps::at(NoContext, Nanos(0)), ContainerId(container), state.asked())
    else {
        state.give(Answer::No);
        return 0;
    };
    let asked = Hashlimit::from_parameters(state.asked().parameters);
    match hashlimit::key(object, (&Copied(Skb(skb)), headers), &asked) {
        Some(found) => *key = found,
        None => state.give(Answer::No),
    }
    1
}

/// The walk at `place` is told what a hashlimit answers, unless it has been told something.
#[unsafe(no_mangle)]
extern "C" fn seam_hashlimit(place: u32) -> u32 {
    let Some(scratch) = rules::scratch(place) else { return 0 };
    let Scratch { state, bucket: key, .. } = scratch;
    if state.is_waiting() {
        let asked = Hashlimit::from_parameters(state.asked().parameters);
        state.give(hashlimit::ask(&Maps::new(NoContext), key, &asked));
    }
    1
}

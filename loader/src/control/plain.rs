//! The shared layouts, as bytes.

use aya::Pod;
use berth_common::abi::{
    address::{Address, AddressEntry, OwnAddress},
    config::{Config, Interface},
    container::{Container, Usage},
    control::{Control, NamedFlow},
    counters::Counters,
    event::Event,
    flow::Flow,
    flow_event::FlowEvent,
    flow_table::{IndexBucket, Pool, Ring},
    guard::{Bucket, BucketKey, Connlimits, CountKey, Counted, CountedKey, ObjectKey, RecentList},
    nat::{NatAddresses, NatOwner, NatSource, Published, Translation},
    port::{PortEntry, PortKey},
    rules::Line,
    socket::{Adoption, CgroupEntry},
    timeout::Timeouts,
};

/// A layout of [`berth_common::abi`] as the map library takes it; that crate does not name the library.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Plain<T>(pub T);

/// What may be made from any bytes of its size, and has no padding of its own.
///
/// # Safety
///
/// The type is `repr(C)` of integers (and structs of such) alone, without implicit padding.
pub unsafe trait Layout: Copy + 'static {}

macro_rules! layouts {
    ($($ty:ty),+ $(,)?) => {
        $(
            // SAFETY: structs of integers with explicit padding, whose sizes are asserted where they are defined.
            unsafe impl Layout for $ty {}
        )+
    };
}

layouts! {
    u32,
    u64,
    Address,
    AddressEntry,
    OwnAddress,
    Adoption,
    Bucket,
    BucketKey,
    CgroupEntry,
    Config,
    Connlimits,
    Container,
    Control,
    CountKey,
    Counted,
    CountedKey,
    Counters,
    Event,
    Flow,
    FlowEvent,
    IndexBucket,
    Interface,
    Line,
    NamedFlow,
    NatAddresses,
    NatOwner,
    NatSource,
    ObjectKey,
    PortEntry,
    Pool,
    PortKey,
    Published,
    RecentList,
    Ring,
    Timeouts,
    Translation,
    Usage,
}

// SAFETY: transparent over a type that may be made from any bytes.
unsafe impl<T: Layout> Pod for Plain<T> {}

/// All bytes zero.
pub fn zero<T: Layout>() -> T {
    // SAFETY: a layout may be made from any bytes.
    unsafe { std::mem::zeroed() }
}

/// Its bytes.
pub fn bytes<T: Layout>(value: &T) -> &[u8] {
    // SAFETY: a layout has no padding, so that all its bytes have values; they live as long as it does.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// From the first bytes of a slice, if it is long enough.
pub fn read<T: Layout>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: the slice is long enough, a layout may be made from any bytes, and alignment is not asked for.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_takes_the_first_bytes_and_wants_all() {
        assert_eq!(read::<u32>(&[1, 0, 0, 0, 9]), Some(u32::from_ne_bytes([1, 0, 0, 0])));
        assert_eq!(read::<u32>(&[1, 0, 0]), None);
        assert_eq!(zero::<Counters>().drops, [0; 32]);
    }
}

//! The layouts that cross the kernel line, as the map library takes them.

use aya::Pod;
use berth_common::abi::{
    address::{Address, AddressEntry, OwnAddress},
    config::{Config, Interface, Runtime},
    container::{Container, Usage},
    control::Control,
    counters::Counters,
    flow::Flow,
    flow_table::{IndexBucket, Pool, Ring},
    fragment::FragmentPlace,
    port::{PortEntry, PortKey},
    rules::Line,
    socket::{CgroupEntry, SocketOwner},
    timeout::Timeouts,
};

/// A layout of [`berth_common::abi`]: that crate does not name the library.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain<T>(pub T);

/// What may be made from any bytes of its size.
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
    CgroupEntry,
    Config,
    Container,
    Control,
    Counters,
    Flow,
    FragmentPlace,
    IndexBucket,
    Interface,
    Line,
    Pool,
    PortEntry,
    PortKey,
    Ring,
    Runtime,
    SocketOwner,
    Timeouts,
    Usage,
}

// SAFETY: transparent over a type that may be made from any bytes.
unsafe impl<T: Layout> Pod for Plain<T> {}

/// All bytes zero.
pub fn zero<T: Layout>() -> T {
    // SAFETY: a layout may be made from any bytes.
    unsafe { std::mem::zeroed() }
}

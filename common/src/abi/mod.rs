//! Every byte that crosses the line between kernel and user space.
//!
//! All structs are `repr(C)`, have explicit padding, and their sizes are asserted below when either target compiles
//! them. A change to any of them, or to a map's key, is a change of [`VERSION`].

pub mod address;
pub mod config;
pub mod container;
pub mod control;
pub mod counters;
pub mod event;
pub mod flow;
pub mod fragment;
pub mod names;
pub mod port;
pub mod reason;
pub mod socket;
pub mod units;

/// Version of all layouts together. Pins of another version are refused.
pub const VERSION: u32 = 1;

macro_rules! sizes {
    ($($ty:ty = $size:literal),+ $(,)?) => {
        $(const _: () = assert!(core::mem::size_of::<$ty>() == $size, stringify!($ty));)+

        /// Name and size in bytes of every layout, to be held against the object's BTF.
        pub const SIZES: &[(&str, usize)] = &[$((stringify!($ty), $size)),+];
    };
}

sizes! {
    address::Address = 16,
    address::AddressEntry = 8,
    config::Config = 72,
    config::Runtime = 8,
    config::Interface = 8,
    container::Container = 56,
    container::Usage = 64,
    control::Control = 40,
    counters::Counters = 416,
    counters::Traffic = 16,
    event::Event = 72,
    flow::FlowKey = 40,
    flow::Flow = 64,
    fragment::FragmentKey = 40,
    fragment::Fragment = 16,
    port::PortKey = 24,
    port::PortEntry = 8,
    socket::Adoption = 40,
    socket::Bound = 56,
    socket::CgroupEntry = 8,
    socket::SocketOwner = 16,
}

//! Every byte that crosses the line between kernel and user space.
//!
//! All structs are `repr(C)`, have explicit padding, and their sizes are asserted below when either target compiles
//! them. A change to any of them, or to a map's key, is a change of [`VERSION`].

pub mod address;
pub mod association;
pub mod config;
pub mod container;
pub mod control;
pub mod counters;
pub mod event;
pub mod flow;
pub mod flow_event;
pub mod flow_table;
pub mod fragment;
pub mod guard;
pub mod names;
pub mod nat;
pub mod port;
pub mod reason;
pub mod rules;
pub mod set;
pub mod socket;
pub mod timeout;
pub mod units;

/// Version of all layouts together. Pins of another version are refused.
pub const VERSION: u32 = 19;

/// How a struct is laid out, to be held against the object's BTF.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Path below this module.
    pub name: &'static str,
    /// In bytes.
    pub size: usize,
    /// Name and offset in bytes of every field, in order.
    pub fields: &'static [(&'static str, usize)],
}

macro_rules! layouts {
    ($($ty:path = $size:literal { $($field:tt),+ $(,)? }),+ $(,)?) => {
        $(const _: () = assert!(core::mem::size_of::<$ty>() == $size, stringify!($ty));)+

        /// Every struct that both sides use.
        pub const LAYOUTS: &[Layout] = &[$(Layout {
            name: stringify!($ty),
            size: $size,
            fields: &[$((stringify!($field), core::mem::offset_of!($ty, $field))),+],
        }),+];
    };
}

layouts! {
    address::Address = 16 { 0 },
    address::AddressEntry = 8 { owner, generation },
    address::OwnAddress = 20 { address, container },
    config::Config = 184 {
        abi,
        unowned,
        netns,
        uplinks,
        bare_uplinks,
        container_addresses,
        sock_net_offset,
        net_cookie_offset,
        ipv6only_bit,
        mark_mask,
        mark_shift,
        keep_verdicts,
        tcp,
        nat,
        nat_ports,
        cgroup_levels,
        flows,
    },
    config::Runtime = 8 { port_epoch },
    config::Interface = 12 { container, generation, flags },
    container::PortRange = 4 { first, last },
    container::Container = 56 {
        generation,
        mode,
        flags,
        range_count,
        flow_events,
        flow_limit,
        port_limit,
        ranges,
        guard_limit,
        flow_rate,
    },
    container::Quota = 24 { held, maxheld, failcnt },
    container::Usage = 104 { flows, ports, guards, control, notices, evicted, new_flows },
    control::Control = 64 { operation, container, key, flags, result, cursor, flows, set, padding, place },
    control::NamedFlow = 44 { slot, key },
    counters::Traffic = 16 { packets, bytes },
    counters::Both = 32 { inward, outward },
    counters::Counters = 416 { uplink, local, interface, forwarded, dropped, drops },
    event::Event = 88 {
        time,
        source,
        destination,
        container,
        holder,
        source_port,
        destination_port,
        protocol,
        reason,
        detail,
        ttl,
        suppressed,
        ifindex,
        log,
        ruleset,
        mark,
        length,
        tos,
        chain,
        padding,
    },
    flow::FlowKey = 40 { low, high, low_port, high_port, zone_protocol },
    flow::Flow = 176 {
        expires,
        key,
        state,
        opener,
        responder,
        port_epoch,
        next,
        created,
        out,
        back,
        numbers,
        verdicts,
    },
    flow_event::FlowEvent = 192 { time, change, lost, flow },
    flow_table::IndexBucket = 32 { 0 },
    flow_table::Pool = 88 { fresh, hand, promised, queues },
    flow_table::Queue = 16 { head, tail },
    flow_table::Ring = 32 { lock, dry_until, head, tail, next, padding },
    flow_table::Seed = 40 { 0 },
    flow_table::Shape = 84 { slots, base, in_use, sides, seed },
    flow_table::Side = 8 { buckets, places },
    fragment::FragmentKey = 40 { source, destination, id, zone_protocol },
    fragment::Fragment = 16 { expires, owner, reason },
    fragment::FragmentPlace = 64 { turn, key, fragment },
    guard::Bucket = 16 { full_at, expires },
    guard::BucketKey = 48 { object, source, destination, source_port, destination_port },
    guard::ObjectKey = 12 { container, generation, number },
    guard::Connlimits = 132 { count, numbers },
    guard::CountKey = 28 { object, address },
    guard::Counted = 24 { since, address },
    guard::CountedKey = 56 { object, flow, from_low },
    guard::RecentEntry = 200 { address, turn, last, ttl, count, next, padding, stamps },
    guard::RecentList = 20016 { lock, padding, turns, entries },
    nat::NatEnd = 20 { address, port },
    nat::Published = 28 { end, container, generation },
    nat::NatSource = 20 { address, ifindex },
    nat::NatOwner = 28 { container, generation, masquerade, to },
    nat::NatAddresses = 40 { v4, v6, router },
    nat::Translation = 56 { stamp, outer, is_low, padding },
    nat::NatPending = 32 { expires, end, owner },
    nat::NatPendingPlace = 80 { turn, key, pending },
    nat::NatFragment = 24 { expires, address },
    port::PortKey = 24 { address, port, protocol, padding, reserved },
    port::PortEntry = 8 { claim },
    socket::Adoption = 40 { key, container, generation, dual, padding },
    socket::Alias = 40 { asked, reached },
    socket::Aliases = 164 { places, next },
    socket::Bound = 56 { key, second, owner, dual },
    socket::CgroupEntry = 8 { container, generation },
    socket::SocketOwner = 16 { container, generation, netns },
    timeout::Timeouts = 128 { 0 },
}

//! The maps. Sizes here are the defaults; the loader overrides them from the configuration.

use core::ffi::c_void;

use aya_ebpf::{
    bindings::{
        BPF_F_CLONE, BPF_F_NO_PREALLOC, BPF_SK_STORAGE_GET_F_CREATE, bpf_map_type::BPF_MAP_TYPE_SK_STORAGE,
    },
    btf_maps::{Array, ArrayOfMaps, HashMap, LruHashMap, PerCpuArray, RingBuf},
    helpers::generated::bpf_sk_storage_get,
    macros::btf_map,
};
use berth_common::abi::{
    address::{Address, AddressEntry, OwnAddress},
    config::{Config, Interface, Runtime},
    container::{Container, Usage},
    control::Control,
    counters::Counters,
    event::Event,
    flow::{Flow, FlowKey},
    flow_event::FlowEvent,
    flow_table::{IndexBucket, Pool, Ring, SEGMENTS, SIDES, Side},
    fragment::{self, FragmentKey, FragmentPlace},
    guard::{Bucket, BucketKey, Connlimits, CountKey, Counted, CountedKey, ObjectKey, RecentList},
    nat::{self, NatAddresses, NatFragment, NatOwner, NatPendingPlace, NatSource, Published, Translation},
    port::{PortEntry, PortKey, SUMMARY_ENTRIES},
    rules, set,
    socket::{Adoption, Aliases, Bound, CgroupEntry, SocketOwner},
    timeout::Timeouts,
};

use crate::{
    flow_table::{FreeSlots, Index, Segment},
    notice::Draft,
    rules::{SCRATCHES, Scratch},
    shelves::Shelf,
};

/// What records of `EVENTS` are: either. (So that type information has both.)
#[repr(C)]
pub union Records {
    incident: Event,
    flow: FlowEvent,
}

/// Bytes of `EVENTS`.
pub const EVENTS_BYTES: usize = 262_144;

const CONTAINER_ENTRIES: usize = 4097;
const FLOW_ENTRIES: usize = 65_536;

#[btf_map]
pub static CONFIG: Array<Config, 1> = Array::new();
#[btf_map]
pub static RUNTIME: Array<Runtime, 1> = Array::new();
#[btf_map]
pub static CONTAINERS: Array<Container, CONTAINER_ENTRIES> = Array::new();
#[btf_map]
pub static USAGE: Array<Usage, CONTAINER_ENTRIES> = Array::new();
#[btf_map]
pub static COUNTERS: PerCpuArray<Counters, CONTAINER_ENTRIES> = PerCpuArray::new();
#[btf_map]
pub static NODE_COUNTERS: PerCpuArray<Counters, { Counters::NODE_ENTRIES as usize }> = PerCpuArray::new();
#[btf_map]
pub static CGROUPS: HashMap<u64, CgroupEntry, CONTAINER_ENTRIES> = HashMap::new();
#[btf_map]
pub static ADDRESSES: HashMap<Address, AddressEntry, 16_384> = HashMap::new();
#[btf_map]
pub static OWN_ADDRESSES: HashMap<OwnAddress, u32, 16_384> = HashMap::new();
#[btf_map]
pub static INTERFACES: HashMap<u32, Interface, CONTAINER_ENTRIES> = HashMap::new();
#[btf_map]
pub static FLOWS: Array<Flow, FLOW_ENTRIES> = Array::new();
#[btf_map]
pub static FLOW_INDEX: Array<IndexBucket, { Side::of(FLOW_ENTRIES as u32).buckets as usize }> = Array::new();
#[btf_map]
pub static FLOW_FREE: Array<u32, FLOW_ENTRIES> = Array::new();
/// Slots beyond those of `FLOWS`.
#[btf_map]
pub static FLOW_MORE: ArrayOfMaps<Segment, { SEGMENTS as usize }> = ArrayOfMaps::new();
/// The index of each side but the first.
#[btf_map]
pub static FLOW_INDEXES: ArrayOfMaps<Index, { SIDES - 1 }> = ArrayOfMaps::new();
/// The queue of free slots of each side but the first.
#[btf_map]
pub static FLOW_QUEUES: ArrayOfMaps<FreeSlots, { SIDES - 1 }> = ArrayOfMaps::new();
#[btf_map]
pub static FLOW_POOL: Array<Pool, 1> = Array::new();
#[btf_map]
pub static FLOW_RINGS: Array<Ring, CONTAINER_ENTRIES> = Array::new();
#[btf_map]
pub static TIMEOUTS: Array<Timeouts, CONTAINER_ENTRIES> = Array::new();
#[btf_map]
pub static PORTS: HashMap<PortKey, PortEntry, 65_536> = HashMap::new();
#[btf_map]
pub static PORT_SUMMARY: Array<u64, { SUMMARY_ENTRIES as usize }> = Array::new();
#[btf_map]
pub static FRAGMENTS: Array<FragmentPlace, { fragment::PLACES as usize }> = Array::new();
#[btf_map]
pub static SOCKET_OWNERS: SocketStorage<SocketOwner, { (BPF_F_NO_PREALLOC | BPF_F_CLONE) as usize }> =
    SocketStorage::new();
#[btf_map]
pub static SOCKET_PORTS: SocketStorage<Bound, { BPF_F_NO_PREALLOC as usize }> = SocketStorage::new();
#[btf_map]
pub static SOCKET_ALIASES: SocketStorage<Aliases, { BPF_F_NO_PREALLOC as usize }> = SocketStorage::new();
#[btf_map]
pub static ADOPTIONS: HashMap<u64, Adoption, 65_536, { BPF_F_NO_PREALLOC as usize }> = HashMap::new();
#[btf_map]
pub static CONTROL: Array<Control, 1> = Array::new();
#[btf_map]
pub static EVENTS: RingBuf<Records, EVENTS_BYTES> = RingBuf::new();
/// Where the rules of each container are that has any: [`rules::shelf::Place`].
#[btf_map]
pub static RULESETS: Array<u64, CONTAINER_ENTRIES> = Array::new();
/// The rules of all containers, and the named sets.
#[btf_map]
pub static SHELVES: ArrayOfMaps<Shelf, { rules::shelf::SHELVES as usize }> = ArrayOfMaps::new();
/// Where each named set is, by its number: [`rules::shelf::Place`].
#[btf_map]
pub static SETS: Array<u64, { set::NUMBERS as usize }> = Array::new();
/// What containers' rules keep something for.
#[btf_map]
pub static OBJECTS: HashMap<ObjectKey, u32, 65_536, { BPF_F_NO_PREALLOC as usize }> = HashMap::new();
#[btf_map]
pub static BUCKETS: HashMap<BucketKey, Bucket, 65_536, { BPF_F_NO_PREALLOC as usize }> = HashMap::new();
#[btf_map]
pub static RECENTS: HashMap<ObjectKey, RecentList, 512> = HashMap::new();
/// By container.
#[btf_map]
pub static CONNLIMITS: HashMap<u32, Connlimits, CONTAINER_ENTRIES, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();
#[btf_map]
pub static COUNTED: HashMap<CountedKey, Counted, 65_536, { BPF_F_NO_PREALLOC as usize }> = HashMap::new();
#[btf_map]
pub static COUNTS: HashMap<CountKey, u64, 65_536, { BPF_F_NO_PREALLOC as usize }> = HashMap::new();
#[btf_map]
pub static NAT_PUBLISHED: HashMap<PortKey, Published, 65_536, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();
#[btf_map]
pub static NAT_SOURCES: HashMap<NatSource, NatOwner, 16_384, { BPF_F_NO_PREALLOC as usize }> = HashMap::new();
/// By interface: those to come are in it before the others have gone.
#[btf_map]
pub static NAT_ADDRESSES: HashMap<u32, NatAddresses, 16_384, { BPF_F_NO_PREALLOC as usize }> = HashMap::new();
/// By the number of a name: of a slot of the flow table, and of a layer. What is in it stays.
#[btf_map]
pub static NAT_FLOWS: HashMap<u32, Translation, FLOW_ENTRIES, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();
#[btf_map]
pub static NAT_OUTER: HashMap<FlowKey, u64, FLOW_ENTRIES, { BPF_F_NO_PREALLOC as usize }> = HashMap::new();
#[btf_map]
pub static NAT_PENDING: Array<NatPendingPlace, { nat::PENDING_PLACES as usize }> = Array::new();
#[btf_map]
pub static NAT_FRAGMENTS: LruHashMap<FragmentKey, NatFragment, 4_096> = LruHashMap::new();
#[btf_map]
pub static SCRATCH: PerCpuArray<Scratch, SCRATCHES> = PerCpuArray::new();
#[btf_map]
pub static NOTICES: PerCpuArray<Draft, 1> = PerCpuArray::new();
/// How often something was reported lately; see [`crate::event`].
#[btf_map]
pub static EVENT_RATES: LruHashMap<u64, u64, 4_096> = LruHashMap::new();

/// Socket storage with the flags of our choice (aya-ebpf's has no place for `BPF_F_CLONE`, nor for contexts other than
/// `bpf_sock_addr`).
#[repr(C)]
pub struct SocketStorage<T, const FLAGS: usize> {
    r#type: *const [i32; BPF_MAP_TYPE_SK_STORAGE as usize],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; FLAGS],
}

// SAFETY: The pointers describe the map to the loader and are never dereferenced.
unsafe impl<T, const FLAGS: usize> Sync for SocketStorage<T, FLAGS> {}

impl<T, const FLAGS: usize> SocketStorage<T, FLAGS> {
    const fn new() -> Self {
        Self {
            r#type: core::ptr::null(),
            key: core::ptr::null(),
            value: core::ptr::null(),
            max_entries: core::ptr::null(),
            map_flags: core::ptr::null(),
        }
    }

    /// The value kept with the socket, or null.
    #[inline(always)]
    pub fn get(&self, socket: *mut c_void) -> *mut T {
        // SAFETY: The helper checks the socket; without the create flag the value pointer may be null.
        unsafe { bpf_sk_storage_get(self.as_ptr(), socket, core::ptr::null_mut(), 0) }.cast()
    }

    /// The value kept with the socket, `initial` if there was none; null if there is no memory or no full socket.
    #[inline(always)]
    pub fn get_or_insert(&self, socket: *mut c_void, initial: &T) -> *mut T {
        let value = core::ptr::from_ref(initial).cast_mut().cast();
        // SAFETY: The helper checks the socket and copies the value.
        unsafe { bpf_sk_storage_get(self.as_ptr(), socket, value, BPF_SK_STORAGE_GET_F_CREATE.into()) }.cast()
    }

    #[inline(always)]
    fn as_ptr(&self) -> *mut c_void {
        core::ptr::from_ref(self).cast_mut().cast()
    }
}

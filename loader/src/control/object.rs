//! The eBPF object in this binary.

use aya::{Btf, Ebpf, EbpfLoader};
use berth_common::abi::names;

use super::{ControlError, Sizes, pins::Pins};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/berth.bpf.o"));

/// Creates the maps, each pinned; those that are pinned already are used as they are. Loads no program yet.
pub fn open(pins: &Pins, sizes: &Sizes, btf: &Btf) -> Result<Ebpf, ControlError> {
    if OBJECT.is_empty() {
        return Err(ControlError::NoObject);
    }
    let mut loader = EbpfLoader::new();
    loader.btf(Some(btf));
    for name in names::MAPS {
        loader.map_pin_path(name, pins.map(name));
    }
    for (map, entries) in entries(sizes) {
        loader.map_max_entries(map, entries);
    }
    loader.load(OBJECT).map_err(|error| ControlError::Object(Box::new(error)))
}

/// Tells apart the objects of different builds (FNV-1a; nobody forges them, for who could may load programs anyway).
pub fn digest() -> String {
    let hash = OBJECT.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The running kernel's types.
pub fn kernel_btf() -> Result<Btf, ControlError> {
    Btf::from_sys_fs().map_err(|error| ControlError::NoBtf(error.to_string()))
}

/// How many entries the maps have that are sized by configuration.
fn entries(sizes: &Sizes) -> [(&'static str, u32); 10] {
    // Index 0 is the host.
    let containers = sizes.containers.saturating_add(1);
    // A container mostly has one cgroup and one or two addresses; some have more.
    let several = sizes.containers.saturating_mul(2).saturating_add(1024);
    [
        ("CONTAINERS", containers),
        ("USAGE", containers),
        ("COUNTERS", containers),
        ("CGROUPS", several),
        ("INTERFACES", several),
        ("ADDRESSES", several),
        ("FLOWS", sizes.flows),
        ("PORTS", sizes.ports),
        ("FRAGMENTS", sizes.fragments),
        ("EVENTS", sizes.events_bytes),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sized_maps_are_known() {
        for (name, count) in entries(&Sizes::default()) {
            assert!(names::MAPS.contains(&name), "{name}");
            assert!(count > 0);
        }
    }

    #[test]
    fn digests_are_names_that_bpffs_takes() {
        assert_eq!(digest().len(), 16);
        assert!(!digest().contains('.'));
    }
}

//! The eBPF object: maps and programs as they were compiled.

use std::borrow::Cow;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::Path;

use aya::{Btf, Ebpf, EbpfLoader};
use berth_common::abi::{flow_table::Side, names};

use super::{ControlError, Sizes, error::Context as _, pins::Pins, refusal::Sources};

static EMBEDDED: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/berth.bpf.o"));

/// What the object's constants say of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    /// Whether programs may have the kernel call back, which it does only to compiled ones.
    pub callbacks: bool,
    /// Whether tasks may take the processor from programs on interfaces.
    pub preemptible: bool,
}

/// An eBPF object.
#[derive(Debug)]
pub struct Object {
    bytes: Cow<'static, [u8]>,
    digest: String,
}

impl Object {
    /// The one in this binary.
    pub fn embedded() -> Self {
        Self::new(Cow::Borrowed(EMBEDDED))
    }

    /// The one in a file.
    pub fn read(path: &Path) -> Result<Self, ControlError> {
        let bytes = fs::read(path).context(|| format!("read the eBPF object {}", path.display()))?;
        Ok(Self::new(Cow::Owned(bytes)))
    }

    fn new(bytes: Cow<'static, [u8]>) -> Self {
        Self { digest: digest(&bytes), bytes }
    }

    /// Whether berth was built without any.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Tells apart the objects of different builds.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Creates the maps, each pinned; those that are pinned already are used as they are. Loads no program yet.
    pub(super) fn open(
        &self,
        pins: &Pins,
        sizes: &Sizes,
        btf: &Btf,
        constants: Constants,
    ) -> Result<Ebpf, ControlError> {
        if self.is_empty() {
            return Err(ControlError::NoObject);
        }
        let [callbacks, preemptible] = [constants.callbacks, constants.preemptible].map(u32::from);
        let mut loader = EbpfLoader::new();
        loader.btf(Some(btf));
        loader.override_global("CALLBACKS", &callbacks, true);
        loader.override_global("PREEMPTIBLE", &preemptible, true);
        for name in names::MAPS {
            loader.map_pin_path(name, pins.map(name));
        }
        for (map, entries) in entries(sizes) {
            loader.map_max_entries(map, entries);
        }
        loader.load(&self.bytes).map_err(|error| ControlError::Object(Box::new(error)))
    }

    /// Where in berth's source its instructions come from.
    pub(super) fn sources(&self) -> Sources {
        Sources::of(&self.bytes)
    }
}

/// Nobody forges objects, for who could may load programs anyway: so a hash that is quick serves.
fn digest(bytes: &[u8]) -> String {
    let mut hasher = foldhash::quality::FixedState::with_seed(0).build_hasher();
    hasher.write(bytes);
    format!("{:016x}", hasher.finish())
}

/// The running kernel's types.
pub fn kernel_btf() -> Result<Btf, ControlError> {
    Btf::from_sys_fs().map_err(|error| ControlError::NoBtf(error.to_string()))
}

/// How many entries the maps have that are sized by configuration.
fn entries(sizes: &Sizes) -> [(&'static str, u32); 24] {
    // Index 0 is the host.
    let containers = sizes.containers.saturating_add(1);
    // A container mostly has one cgroup and one or two addresses; some have more.
    let several = sizes.containers.saturating_mul(2).saturating_add(1024);
    [
        ("CONTAINERS", containers),
        ("USAGE", containers),
        ("COUNTERS", containers),
        ("RULESETS", containers),
        ("CGROUPS", several),
        ("INTERFACES", several),
        ("ADDRESSES", several),
        // And hardware addresses.
        ("OWN_ADDRESSES", several.saturating_mul(2)),
        ("FLOWS", sizes.flows),
        ("FLOW_INDEX", Side::of(sizes.flows).buckets),
        ("FLOW_FREE", sizes.flows),
        ("FLOW_RINGS", containers),
        ("TIMEOUTS", containers),
        ("PORTS", sizes.ports),
        ("NAT_PUBLISHED", sizes.ports),
        // By an interface, and by the bridge that it is a port of.
        ("NAT_SOURCES", several.saturating_mul(2)),
        ("NAT_ADDRESSES", several),
        // A flow has three names at most.
        ("NAT_FLOWS", sizes.flows.saturating_mul(3)),
        ("NAT_OUTER", sizes.flows.saturating_mul(3)),
        ("BUCKETS", sizes.guards),
        ("COUNTED", sizes.guards),
        ("COUNTS", sizes.guards),
        ("CONNLIMITS", containers),
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
        let digest = Object::embedded().digest;
        assert_eq!(digest.len(), 16);
        assert!(!digest.contains('.'));
    }

    #[test]
    fn an_object_in_a_file_differs_by_what_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| directory.path().join(name));
        fs::write(&one, EMBEDDED).unwrap();
        fs::write(&other, [EMBEDDED, b"more"].concat()).unwrap();
        assert_eq!(Object::read(&one).unwrap().digest, Object::embedded().digest);
        assert_ne!(Object::read(&other).unwrap().digest, Object::embedded().digest);
        let error = Object::read(&directory.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("read the eBPF object"), "{error}");
    }
}

//! The maps that the loader reads and writes.

use std::collections::HashSet;
use std::os::fd::{AsFd as _, BorrowedFd};

use aya::maps::{Array, HashMap, IterableMap, Map, MapData, MapError, PerCpuArray};
use berth_common::abi::{
    address::{Address, AddressEntry, OwnAddress},
    config::{Config, Interface},
    container::{Container, Usage},
    control::Control,
    counters::Counters,
    flow_table::{Pool, Ring},
    guard::{Connlimits, ObjectKey, RecentList},
    nat::{NatAddresses, NatOwner, NatSource, Published, Translation},
    port::{PortEntry, PortKey},
    socket::{Adoption, CgroupEntry},
    timeout::Timeouts,
    units::ContainerId,
};

use super::{
    ControlError,
    error::Context as _,
    flow_table::FlowTable,
    pins::Pins,
    plain::{Layout, Plain},
    shelves::Shelves,
    sys,
};

/// Typed handles.
pub struct Maps {
    pub config: One<Config>,
    pub control: One<Control>,
    pub containers: Table<Container>,
    pub usage: Table<Usage>,
    pub flow_table: FlowTable,
    pub timeouts: Table<Timeouts>,
    pub flow_pool: One<Pool>,
    pub flow_rings: Table<Ring>,
    pub counters: PerCpu,
    pub node_counters: PerCpu,
    pub cgroups: Hash<u64, CgroupEntry>,
    pub interfaces: Hash<u32, Interface>,
    pub addresses: Hash<Address, AddressEntry>,
    pub own_addresses: Hash<OwnAddress, u32>,
    pub adoptions: Hash<u64, Adoption>,
    pub ports: Hash<PortKey, PortEntry>,
    pub objects: Hash<ObjectKey, u32>,
    pub recents: Hash<ObjectKey, RecentList>,
    pub connlimits: Hash<u32, Connlimits>,
    pub nat: NatMaps,
    pub shelves: Shelves,
}

impl Maps {
    /// Opens what is pinned.
    pub fn open(pins: &Pins) -> Result<Self, ControlError> {
        Ok(Self {
            config: One::open(pins, "CONFIG")?,
            control: One::open(pins, "CONTROL")?,
            containers: Table::open(pins, "CONTAINERS")?,
            usage: Table::open(pins, "USAGE")?,
            flow_table: FlowTable::open(pins)?,
            timeouts: Table::open(pins, "TIMEOUTS")?,
            flow_pool: One::open(pins, "FLOW_POOL")?,
            flow_rings: Table::open(pins, "FLOW_RINGS")?,
            counters: PerCpu::open(pins, "COUNTERS")?,
            node_counters: PerCpu::open(pins, "NODE_COUNTERS")?,
            cgroups: Hash::open(pins, "CGROUPS")?,
            interfaces: Hash::open(pins, "INTERFACES")?,
            addresses: Hash::open(pins, "ADDRESSES")?,
            own_addresses: Hash::open(pins, "OWN_ADDRESSES")?,
            adoptions: Hash::open(pins, "ADOPTIONS")?,
            ports: Hash::open(pins, "PORTS")?,
            objects: Hash::open(pins, "OBJECTS")?,
            recents: Hash::open(pins, "RECENTS")?,
            connlimits: Hash::open(pins, "CONNLIMITS")?,
            nat: NatMaps::open(pins)?,
            shelves: Shelves::open(pins)?,
        })
    }
}

/// What translates addresses.
pub struct NatMaps {
    pub published: Hash<PortKey, Published>,
    pub sources: Hash<NatSource, NatOwner>,
    pub addresses: Hash<u32, NatAddresses>,
    pub flows: Hash<u32, Translation>,
}

impl NatMaps {
    fn open(pins: &Pins) -> Result<Self, ControlError> {
        Ok(Self {
            published: Hash::open(pins, "NAT_PUBLISHED")?,
            sources: Hash::open(pins, "NAT_SOURCES")?,
            addresses: Hash::open(pins, "NAT_ADDRESSES")?,
            flows: Hash::open(pins, "NAT_FLOWS")?,
        })
    }
}

/// A pinned map, of no type yet.
pub fn open(pins: &Pins, name: &'static str) -> Result<MapData, ControlError> {
    MapData::from_pin(pins.map(name)).map_err(ControlError::map(name, "open"))
}

/// All entries of a pinned hash map.
pub fn dump<K: Layout, V: Layout>(pins: &Pins, name: &'static str) -> Result<Vec<(K, V)>, ControlError> {
    entries(name, open(pins, name)?.fd().as_fd())
}

fn entries<K: Layout, V: Layout>(
    name: &'static str,
    map: BorrowedFd<'_>,
) -> Result<Vec<(K, V)>, ControlError> {
    sys::dump(map).context(|| format!("read map {name}"))
}

/// An array.
pub struct Table<V: Layout> {
    name: &'static str,
    map: Array<MapData, Plain<V>>,
}

impl<V: Layout> Table<V> {
    pub fn open(pins: &Pins, name: &'static str) -> Result<Self, ControlError> {
        let map = generic(pins, name)?.try_into().map_err(ControlError::map(name, "open"))?;
        Ok(Self { name, map })
    }

    pub fn get(&self, index: u32) -> Result<V, ControlError> {
        match self.map.get(&index, 0) {
            Ok(Plain(value)) => Ok(value),
            Err(error) => Err(ControlError::map(self.name, "read")(error)),
        }
    }

    /// All values, by index.
    pub fn values(&self) -> Result<Vec<V>, ControlError> {
        self.some(0, self.len())
    }

    /// So many values from `first` on, by index.
    pub fn some(&self, first: u32, count: u32) -> Result<Vec<V>, ControlError> {
        let map = IterableMap::map(&self.map).fd().as_fd();
        sys::read_array(map, first, count as usize).context(|| format!("read map {}", self.name))
    }

    pub fn set(&mut self, index: u32, value: V) -> Result<(), ControlError> {
        self.map.set(index, Plain(value), 0).map_err(ControlError::map(self.name, "write to"))
    }

    pub fn len(&self) -> u32 {
        self.map.len()
    }

    /// Fails if no container can have this id here.
    pub fn check(&self, id: ContainerId) -> Result<(), ControlError> {
        if id.0 < self.len() {
            return Ok(());
        }
        Err(ControlError::TooManyContainers { id, limit: self.len().saturating_sub(1) })
    }
}

/// An array of one.
pub struct One<V: Layout>(Table<V>);

impl<V: Layout> One<V> {
    pub fn open(pins: &Pins, name: &'static str) -> Result<Self, ControlError> {
        Table::open(pins, name).map(Self)
    }

    pub fn get(&self) -> Result<V, ControlError> {
        self.0.get(0)
    }

    pub fn set(&mut self, value: V) -> Result<(), ControlError> {
        self.0.set(0, value)
    }
}

/// Counters, of each CPU.
pub struct PerCpu {
    name: &'static str,
    map: PerCpuArray<MapData, Plain<Counters>>,
}

impl PerCpu {
    fn open(pins: &Pins, name: &'static str) -> Result<Self, ControlError> {
        let map = generic(pins, name)?.try_into().map_err(ControlError::map(name, "open"))?;
        Ok(Self { name, map })
    }

    pub fn get(&self, index: u32) -> Result<Vec<Counters>, ControlError> {
        let values = self.map.get(&index, 0).map_err(ControlError::map(self.name, "read"))?;
        Ok(values.iter().map(|value| value.0).collect())
    }

    pub fn set(&mut self, index: u32, values: Vec<Counters>) -> Result<(), ControlError> {
        let values: Vec<_> = values.into_iter().map(Plain).collect();
        let result = match values.try_into() {
            Ok(values) => self.map.set(index, values, 0),
            Err(error) => Err(MapError::IoError(error)),
        };
        result.map_err(ControlError::map(self.name, "write to"))
    }
}

/// A hash map.
pub struct Hash<K: Layout, V: Layout> {
    name: &'static str,
    map: HashMap<MapData, Plain<K>, Plain<V>>,
    descriptor: MapData,
}

impl<K: Layout, V: Layout> Hash<K, V> {
    fn open(pins: &Pins, name: &'static str) -> Result<Self, ControlError> {
        let map = generic(pins, name)?.try_into().map_err(ControlError::map(name, "open"))?;
        Ok(Self { name, map, descriptor: open(pins, name)? })
    }

    pub fn get(&self, key: K) -> Result<Option<V>, ControlError> {
        match self.map.get(&Plain(key), 0) {
            Ok(Plain(value)) => Ok(Some(value)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(ControlError::map(self.name, "read")(error)),
        }
    }

    pub fn insert(&mut self, key: K, value: V) -> Result<(), ControlError> {
        self.map.insert(Plain(key), Plain(value), 0).map_err(ControlError::map(self.name, "write to"))
    }

    /// Removes an entry, if it is there.
    pub fn remove(&mut self, key: K) -> Result<(), ControlError> {
        match self.map.remove(&Plain(key)) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(MapError::SyscallError(error)) if error.io_error.kind() == std::io::ErrorKind::NotFound => {
                Ok(())
            }
            Err(error) => Err(ControlError::map(self.name, "delete from")(error)),
        }
    }

    pub fn entries(&self) -> Result<Vec<(K, V)>, ControlError> {
        entries(self.name, self.descriptor.fd().as_fd())
    }

    /// Makes these the entries of their keys. What is so already is so all the time.
    pub fn put(&mut self, wanted: impl IntoIterator<Item = (K, V)>) -> Result<(), ControlError>
    where
        K: Eq + std::hash::Hash,
        V: PartialEq,
    {
        let present: std::collections::HashMap<K, V> = self.entries()?.into_iter().collect();
        for (key, value) in wanted {
            if present.get(&key) != Some(&value) {
                self.insert(key, value)?;
            }
        }
        Ok(())
    }

    /// Removes the entries of other keys than these.
    pub fn retain(&mut self, kept: impl IntoIterator<Item = K>) -> Result<(), ControlError>
    where
        K: Eq + std::hash::Hash,
    {
        let kept: HashSet<K> = kept.into_iter().collect();
        for (key, _) in self.entries()? {
            if !kept.contains(&key) {
                self.remove(key)?;
            }
        }
        Ok(())
    }

    pub fn capacity(&self) -> Result<u32, ControlError> {
        self.descriptor.info().map(|info| info.max_entries()).map_err(ControlError::map(self.name, "inspect"))
    }
}

fn generic(pins: &Pins, name: &'static str) -> Result<Map, ControlError> {
    Map::from_map_data(open(pins, name)?).map_err(ControlError::map(name, "open"))
}

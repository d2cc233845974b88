//! The object's maps, by type.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd};
use std::path::Path;

use anyhow::{Context, Result};
use aya::maps::{self, IterableMap, Map, MapData, MapError};

use super::{Layout, Object, Plain};
use crate::bpf::sys;

/// From linux/bpf.h: maps that differ in nothing but how many entries they have may take each other's place.
pub(super) const BPF_F_INNER_MAP: u32 = 1 << 12;

/// An array.
pub struct Array<V: Layout>(maps::Array<MapData, Plain<V>>);

/// A hash map, whichever way it makes room.
pub struct Hash<K: Layout, V: Layout>(maps::HashMap<MapData, Plain<K>, Plain<V>>);

/// An array with a value for each processor.
pub struct PerCpu<V: Layout>(maps::PerCpuArray<MapData, Plain<V>>);

/// An array of arrays.
pub struct Arrays<V: Layout>(maps::ArrayOfMaps<MapData, maps::Array<MapData, Plain<V>>>);

/// What is kept with sockets.
pub struct Storage<V: Layout>(maps::SkStorage<MapData, Plain<V>>);

impl Object {
    /// Takes an array out of the object; its programs keep using it.
    pub fn array<V: Layout>(&mut self, name: &str) -> Result<Array<V>> {
        self.take(name).map(Array)
    }

    /// Takes a hash map; see [`Object::array`].
    pub fn hash<K: Layout, V: Layout>(&mut self, name: &str) -> Result<Hash<K, V>> {
        self.take(name).map(Hash)
    }

    /// Takes a per-processor array; see [`Object::array`].
    pub fn per_cpu<V: Layout>(&mut self, name: &str) -> Result<PerCpu<V>> {
        self.take(name).map(PerCpu)
    }

    /// Takes an array of arrays; see [`Object::array`].
    pub fn arrays<V: Layout>(&mut self, name: &str) -> Result<Arrays<V>> {
        self.take(name).map(Arrays)
    }

    /// Takes a socket storage; see [`Object::array`].
    pub fn storage<V: Layout>(&mut self, name: &str) -> Result<Storage<V>> {
        self.take(name).map(Storage)
    }

    fn take<T: TryFrom<Map, Error = MapError>>(&mut self, name: &str) -> Result<T> {
        let map = self.ebpf.take_map(name).with_context(|| format!("no map {name}, or taken already"))?;
        T::try_from(map).with_context(|| format!("open map {name}"))
    }
}

impl<V: Layout> Array<V> {
    /// One that is pinned.
    pub fn pinned(path: &Path) -> Result<Self> {
        let map = MapData::from_pin(path).with_context(|| format!("no map at {}", path.display()))?;
        Ok(Self(maps::Array::try_from(Map::Array(map))?))
    }

    /// All values, each with its index.
    pub fn values(&self) -> Result<Vec<(u32, V)>> {
        (0..self.0.len()).map(|index| Ok((index, self.get(index)?))).collect()
    }

    /// The value at `index`.
    pub fn get(&self, index: u32) -> Result<V> {
        Ok(self.0.get(&index, 0)?.0)
    }

    /// Sets the value at `index`.
    pub fn set(&mut self, index: u32, value: V) -> Result<()> {
        Ok(self.0.set(index, Plain(value), 0)?)
    }

    /// Sets the values from `first` on.
    pub fn write(&mut self, first: u32, values: &[V]) -> Result<()> {
        let keys: Vec<u32> = (first..).take(values.len()).collect();
        // SAFETY: layouts have no padding of their own, so all bytes of the values are there to be read.
        let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) };
        Ok(sys::update_batch(IterableMap::map(&self.0).fd().as_fd(), &keys, bytes)?)
    }
}

impl<V: Layout> Arrays<V> {
    /// One that is pinned.
    pub fn pinned(path: &Path) -> Result<Self> {
        let map = MapData::from_pin(path).with_context(|| format!("no map at {}", path.display()))?;
        Ok(Self(maps::ArrayOfMaps::try_from(Map::ArrayOfMaps(map))?))
    }

    /// Puts a new array there, of so many entries that are all zero; `flags` are those that arrays there have.
    pub fn make(&mut self, index: u32, entries: u32, flags: u32) -> Result<()> {
        let array = maps::Array::<MapData, Plain<V>>::create(entries, flags)?;
        Ok(self.0.set(index, &array, 0)?)
    }

    /// Returns when no program is at work that began before: the kernel waits for that when a map of maps is changed.
    pub fn wait(&mut self) -> Result<()> {
        let first = self.0.get(&0, 0)?;
        Ok(self.0.set(0, &first, 0)?)
    }

    /// The array at `index`.
    pub fn inner(&self, index: u32) -> Result<Array<V>> {
        Ok(Array(self.0.get(&index, 0)?))
    }
}

impl<V: Layout> PerCpu<V> {
    /// The values at `index`.
    pub fn get(&self, index: u32) -> Result<Vec<V>> {
        Ok(self.0.get(&index, 0)?.iter().map(|value| value.0).collect())
    }

    /// Sets the value at `index` for every processor.
    pub fn set(&mut self, index: u32, value: V) -> Result<()> {
        let count = self.0.get(&index, 0)?.len();
        let values = vec![Plain(value); count].try_into().map_err(io::Error::other)?;
        Ok(self.0.set(index, values, 0)?)
    }
}

impl<K: Layout, V: Layout> Hash<K, V> {
    /// The value at `key`.
    pub fn get(&self, key: K) -> Result<Option<V>> {
        match self.0.get(&Plain(key), 0) {
            Ok(Plain(value)) => Ok(Some(value)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets the value at `key`.
    pub fn insert(&mut self, key: K, value: V) -> Result<()> {
        Ok(self.0.insert(Plain(key), Plain(value), 0)?)
    }

    /// Every entry, in no order.
    pub fn entries(&self) -> Result<Vec<(K, V)>> {
        self.0.iter().map(|entry| entry.map(|(key, value)| (key.0, value.0)).map_err(Into::into)).collect()
    }

    /// Removes every entry.
    pub fn clear(&mut self) -> Result<()> {
        for key in self.0.keys().collect::<Result<Vec<_>, _>>()? {
            self.0.remove(&key)?;
        }
        Ok(())
    }
}

impl<V: Layout> Storage<V> {
    /// Keeps a value with a socket.
    pub fn set(&mut self, socket: &impl AsRawFd, value: V) -> Result<()> {
        Ok(self.0.insert(socket, Plain(value), 0)?)
    }
}

//! Emptying maps of any kind, so that what was loaded with them is as if it had just been loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::ptr;

use anyhow::{Context as _, Result, anyhow, bail};
use aya::maps::{Map, MapData};
use berth_common::abi::{
    flow_table::{Pool, Queue},
    port::{PortEntry, PortKey},
};

use super::requests::MapInfo;
use super::sys;
use crate::object::Plain;

// From enum bpf_map_type of linux/bpf.h.
const HASH: u32 = 1;
const ARRAY: u32 = 2;
const PERCPU_ARRAY: u32 = 6;
const LRU_HASH: u32 = 9;
const ARRAY_OF_MAPS: u32 = 12;
const SK_STORAGE: u32 = 24;
const RINGBUF: u32 = 27;

/// Programs only read it, and the loader has filled and frozen it: it is part of the program.
const RDONLY_PROG: u32 = 1 << 7;

/// Most bytes handed to the kernel at a time.
const BATCH: usize = 1 << 20;

/// Empties all maps that these programs use. What is kept with sockets goes with the sockets.
pub fn maps_of(programs: &[OwnedFd]) -> Result<()> {
    let mut maps = BTreeMap::new();
    for program in programs {
        for id in sys::maps_of(program.as_fd())? {
            let map = sys::map_by_id(id)?;
            let info = sys::map_info(map.as_fd())?;
            maps.insert(info.name().to_owned(), (map, info));
        }
    }
    // Most entries are in three maps, of which others say what was ever used.
    let (slots, freed) = used_slots(&maps)?;
    let words = reserved_words(&maps)?;
    for (name, (map, info)) in &maps {
        let map = map.as_fd();
        match name.as_str() {
            "FLOWS" => clear(map, info, slots),
            "FLOW_FREE" => clear(map, info, freed),
            "PORT_SUMMARY" => words.iter().try_for_each(|&word| zero(map, info, &[word])),
            _ => wipe(map, info),
        }
        .with_context(|| format!("empty map {name}"))?;
    }
    Ok(())
}

/// By their names.
type Maps = BTreeMap<String, (OwnedFd, MapInfo)>;

/// How many slots were ever used, and places of the queue of free ones.
fn used_slots(maps: &Maps) -> Result<(u32, u32)> {
    let (map, info) = maps.get("FLOW_POOL").context("no pool of slots")?;
    let mut pool = vec![0; usize::try_from(info.value_size)?];
    sys::lookup_batch(map.as_fd(), 0, &mut pool, size_of::<Pool>())?;
    let word = |place: usize| {
        let bytes = pool.get(place..place + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(u32::MAX, |bytes| u32::try_from(u64::from_ne_bytes(bytes)).unwrap_or(u32::MAX))
    };
    Ok((word(offset_of!(Pool, fresh)), word(offset_of!(Pool, queues) + offset_of!(Queue, tail))))
}

/// The words of `PORT_SUMMARY` that reservations have.
fn reserved_words(maps: &Maps) -> Result<BTreeSet<u32>> {
    let (map, _) = maps.get("PORTS").context("no reservations")?;
    let ports = MapData::from_fd(map.try_clone()?)?;
    let ports: aya::maps::HashMap<_, Plain<PortKey>, Plain<PortEntry>> = Map::HashMap(ports).try_into()?;
    ports
        .keys()
        .filter_map(|key| key.map(|key| key.0.summary_index()).transpose())
        .collect::<Result<_, _>>()
        .context("read the reservations")
}

fn wipe(map: BorrowedFd<'_>, info: &MapInfo) -> Result<()> {
    if info.map_flags & RDONLY_PROG != 0 {
        return Ok(());
    }
    match info.map_type {
        HASH | LRU_HASH => delete_all(map, info),
        ARRAY | PERCPU_ARRAY => clear(map, info, info.max_entries),
        ARRAY_OF_MAPS => delete_each(map, info),
        RINGBUF => drain(map),
        SK_STORAGE => Ok(()),
        other => bail!("nobody has said how to empty a map of type {other}"),
    }
}

fn delete_all(map: BorrowedFd<'_>, info: &MapInfo) -> Result<()> {
    let mut key = vec![0; usize::try_from(info.key_size)?];
    while sys::first_key(map, &mut key)? {
        match sys::delete(map, &key) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Deletes the entries of an array, which tells nobody which of them are there.
fn delete_each(map: BorrowedFd<'_>, info: &MapInfo) -> Result<()> {
    for key in (0..info.max_entries).map(u32::to_ne_bytes) {
        // The kernel waits for all programs after each that is deleted, whether or not it was there.
        if sys::is_there(map, &key)? {
            sys::delete(map, &key)?;
        }
    }
    Ok(())
}

/// Makes all of the first values zero that are not, so many: to write takes the kernel longer than to read.
fn clear(map: BorrowedFd<'_>, info: &MapInfo, count: u32) -> Result<()> {
    let (count, size) = (count.min(info.max_entries), size(info)?);
    let at_once = (BATCH / size).max(1);
    let mut values = vec![0; at_once * size];
    for first in (0..count).step_by(at_once) {
        let values = &mut values[..at_once.min(usize::try_from(count - first)?) * size];
        sys::lookup_batch(map, first, values, size)?;
        let changed =
            (first..).zip(values.chunks(size)).filter(|(_, value)| value.iter().any(|byte| *byte != 0));
        let changed: Vec<u32> = changed.map(|(key, _)| key).collect();
        zero(map, info, &changed)?;
    }
    Ok(())
}

fn zero(map: BorrowedFd<'_>, info: &MapInfo, keys: &[u32]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    Ok(sys::update_batch(map, keys, &vec![0; keys.len() * size(info)?])?)
}

/// How many bytes a value takes where it is read and written: of some maps there is one for each processor.
fn size(info: &MapInfo) -> Result<usize> {
    let size = usize::try_from(info.value_size)?;
    if info.map_type != PERCPU_ARRAY {
        return Ok(size);
    }
    let processors = aya::util::nr_cpus().map_err(|(what, error)| anyhow!("{what}: {error}"))?;
    Ok(size.next_multiple_of(8) * processors)
}

/// Has a ring's next reader begin after all that is in it.
fn drain(map: BorrowedFd<'_>) -> Result<()> {
    let page = usize::try_from(nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?.unwrap_or(4096))?;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the kernel chooses where; nobody else knows of the mapping. Its first page is the reader's position.
    let reader =
        unsafe { libc::mmap(ptr::null_mut(), page, protection, libc::MAP_SHARED, map.as_raw_fd(), 0) };
    // SAFETY: as above; the second page is the writer's, and only to be read.
    let writer = unsafe {
        let offset = libc::off_t::try_from(page)?;
        libc::mmap(ptr::null_mut(), page, libc::PROT_READ, libc::MAP_SHARED, map.as_raw_fd(), offset)
    };
    let mapped = reader != libc::MAP_FAILED && writer != libc::MAP_FAILED;
    if mapped {
        // SAFETY: both pages are mapped and begin with a position of 64 bits.
        unsafe { ptr::write_volatile(reader.cast::<u64>(), ptr::read_volatile(writer.cast::<u64>())) };
    }
    let error = io::Error::last_os_error();
    for mapping in [reader, writer] {
        if mapping != libc::MAP_FAILED {
            // SAFETY: it was mapped above with this length and is not used any more.
            unsafe { libc::munmap(mapping, page) };
        }
    }
    if mapped { Ok(()) } else { Err(error).context("map a ring's positions") }
}

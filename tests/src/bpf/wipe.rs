//! Emptying maps of any kind, so that what was loaded with them is as if it had just been loaded.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::ptr;

use anyhow::{Context, Result, bail};

use super::requests::MapInfo;
use super::sys;

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
    let mut wiped = Vec::new();
    for program in programs {
        for id in sys::maps_of(program.as_fd())? {
            if !wiped.contains(&id) {
                wipe(&sys::map_by_id(id)?).with_context(|| format!("empty map {id}"))?;
                wiped.push(id);
            }
        }
    }
    Ok(())
}

fn wipe(map: &OwnedFd) -> Result<()> {
    let info = sys::map_info(map.as_fd())?;
    if info.map_flags & RDONLY_PROG != 0 {
        return Ok(());
    }
    match info.map_type {
        HASH | LRU_HASH => delete_all(map.as_fd(), &info),
        ARRAY => zero(map.as_fd(), &info, usize::try_from(info.value_size)?),
        PERCPU_ARRAY => {
            let processors =
                aya::util::nr_cpus().map_err(|(what, error)| anyhow::anyhow!("{what}: {error}"))?;
            zero(map.as_fd(), &info, usize::try_from(info.value_size)?.next_multiple_of(8) * processors)
        }
        ARRAY_OF_MAPS => delete_each(map.as_fd(), &info),
        RINGBUF => drain(map.as_fd()),
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

fn zero(map: BorrowedFd<'_>, info: &MapInfo, value: usize) -> Result<()> {
    let at_once = (BATCH / value).max(1);
    let values = vec![0; at_once * value];
    let keys: Vec<u32> = (0..info.max_entries).collect();
    for keys in keys.chunks(at_once) {
        sys::update_batch(map, keys, &values)?;
    }
    Ok(())
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

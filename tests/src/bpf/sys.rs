//! The bpf(2) system call, as far as it is needed here. Numbers are from linux/bpf.h.

use std::ffi::CString;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use super::asm::Insn;
use super::requests::{
    Batch, ById, InfoByFd, LinkCreate, MapCreate, MapElement, MapInfo, Pin, ProgInfo, ProgLoad, ProgQuery,
    TestRun,
};

const MAP_CREATE: libc::c_long = 0;
const MAP_LOOKUP_ELEM: libc::c_long = 1;
const MAP_UPDATE_ELEM: libc::c_long = 2;
const MAP_DELETE_ELEM: libc::c_long = 3;
const MAP_GET_NEXT_KEY: libc::c_long = 4;
const PROG_LOAD: libc::c_long = 5;
const OBJ_PIN: libc::c_long = 6;
const OBJ_GET: libc::c_long = 7;
const PROG_TEST_RUN: libc::c_long = 10;
const MAP_GET_FD_BY_ID: libc::c_long = 14;
const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const PROG_QUERY: libc::c_long = 16;
const MAP_LOOKUP_BATCH: libc::c_long = 24;
const MAP_UPDATE_BATCH: libc::c_long = 26;
const LINK_CREATE: libc::c_long = 28;

const MAP_TYPE_ARRAY: u32 = 2;
const MAP_TYPE_PROG_ARRAY: u32 = 3;
const PROG_TYPE_SCHED_CLS: u32 = 3;
const PROG_TYPE_CGROUP_SKB: u32 = 8;
/// Where programs that see what the sockets of a cgroup send are attached.
pub const CGROUP_EGRESS: u32 = 1;
const LSM_CGROUP: u32 = 43;
const LOG_LENGTH: usize = 1 << 16;

/// Makes an array map.
pub fn create_array(name: &str, value_size: u32, entries: u32) -> io::Result<OwnedFd> {
    create_map(MAP_TYPE_ARRAY, name, value_size, entries)
}

/// Makes an array of programs to be called by other programs.
pub fn create_program_array(name: &str, entries: u32) -> io::Result<OwnedFd> {
    create_map(MAP_TYPE_PROG_ARRAY, name, 4, entries)
}

fn create_map(map_type: u32, name: &str, value_size: u32, entries: u32) -> io::Result<OwnedFd> {
    let mut request = MapCreate {
        map_type,
        key_size: 4,
        value_size,
        max_entries: entries,
        name: object_name(name),
        ..MapCreate::default()
    };
    // SAFETY: the request is the one of this command and points nowhere.
    unsafe { make(MAP_CREATE, &mut request) }
}

/// Reads the first value of an array map of `N` 64-bit words.
pub fn first_value<const N: usize>(map: BorrowedFd<'_>) -> io::Result<[u64; N]> {
    let key = 0_u32;
    let mut value = [0_u64; N];
    let mut request = MapElement {
        map_fd: number(map),
        key: address(&raw const key),
        value: address(&raw mut value),
        ..MapElement::default()
    };
    // SAFETY: the request is the one of this command; the key is as long as an array's, the caller says how long the
    // value is, and both live until the call returns.
    unsafe { call(MAP_LOOKUP_ELEM, &mut request) }?;
    Ok(value)
}

/// Sets the first value of an array map of `N` 64-bit words.
pub fn set_first_value<const N: usize>(map: BorrowedFd<'_>, value: &[u64; N]) -> io::Result<()> {
    // SAFETY: the value is as long as the caller says that the map's are.
    unsafe { update(map, 0, address(value.as_ptr())) }
}

/// Sets the first value of an array map to these bytes, all of them.
pub fn set_first_bytes(map: BorrowedFd<'_>, value: &[u8]) -> io::Result<()> {
    // SAFETY: the value is as long as the caller says that the map's are.
    unsafe { update(map, 0, address(value.as_ptr())) }
}

/// Puts a program into an array of programs.
pub fn set_program(map: BorrowedFd<'_>, index: u32, program: BorrowedFd<'_>) -> io::Result<()> {
    let value = number(program);
    // SAFETY: values of such arrays are descriptors.
    unsafe { update(map, index, address(&raw const value)) }
}

/// # Safety
/// `value` is the address of a value as long as the map's.
unsafe fn update(map: BorrowedFd<'_>, key: u32, value: u64) -> io::Result<()> {
    let key = address(&raw const key);
    let mut request = MapElement { map_fd: number(map), key, value, ..MapElement::default() };
    // SAFETY: the request is the one of this command; the key is as long as an array's, the value is what the caller
    // promises, and both live until the call returns.
    unsafe { call(MAP_UPDATE_ELEM, &mut request) }?;
    Ok(())
}

/// Runs a program on a packet `repeat` times; gives what it returned, and how many nanoseconds it took on average.
pub fn test_run(program: BorrowedFd<'_>, packet: &[u8], repeat: u32) -> io::Result<(u32, u32)> {
    let mut request = TestRun {
        prog_fd: number(program),
        data_size_in: u32::try_from(packet.len()).map_err(io::Error::other)?,
        data_in: address(packet.as_ptr()),
        repeat,
        ..TestRun::default()
    };
    // SAFETY: the request is the one of this command; the packet lives until the call returns and is as long as it says.
    unsafe { call(PROG_TEST_RUN, &mut request) }?;
    Ok((request.returned, request.duration))
}

/// Loads a TC program; the error has the verifier's log.
pub fn load_classifier(name: &str, insns: &[Insn]) -> Result<OwnedFd> {
    load(PROG_TYPE_SCHED_CLS, 0, name, insns)
}

/// Loads a program for what the sockets of a cgroup send; the error has the verifier's log.
pub fn load_cgroup_egress(name: &str, insns: &[Insn]) -> Result<OwnedFd> {
    load(PROG_TYPE_CGROUP_SKB, CGROUP_EGRESS, name, insns)
}

fn load(prog_type: u32, expected_attach_type: u32, name: &str, insns: &[Insn]) -> Result<OwnedFd> {
    let license = c"Dual MIT/GPL";
    let mut log = vec![0_u8; LOG_LENGTH];
    let mut request = ProgLoad {
        prog_type,
        expected_attach_type,
        insn_count: u32::try_from(insns.len())?,
        insns: address(insns.as_ptr()),
        license: address(license.as_ptr()),
        log_level: 1,
        log_size: u32::try_from(log.len())?,
        log: address(log.as_mut_ptr()),
        name: object_name(name),
        ..ProgLoad::default()
    };
    // SAFETY: the request is the one of this command; instructions, licence and log live until the call returns and
    // are as long as it says.
    let made = unsafe { make(PROG_LOAD, &mut request) };
    made.map_err(|error| {
        let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
        anyhow!("{error}:\n{}", String::from_utf8_lossy(log.get(..end).unwrap_or_default()))
    })
    .with_context(|| format!("load program {name}"))
}

/// Attaches a program by a link to what `target` names: an interface's index or a cgroup's descriptor.
pub fn create_link(
    program: BorrowedFd<'_>,
    target: u32,
    attach_type: u32,
    flags: u32,
) -> io::Result<OwnedFd> {
    let prog_fd = number(program);
    let mut request = LinkCreate { prog_fd, target, attach_type, flags, ..LinkCreate::default() };
    // SAFETY: the request is the one of this command and points nowhere.
    unsafe { make(LINK_CREATE, &mut request) }
}

/// The ids of the programs attached to what `target` names, in the order in which they run.
pub fn attached(target: u32, attach_type: u32) -> io::Result<Vec<u32>> {
    let (mut ids, mut flags) = ([0_u32; 64], [0_u32; 64]);
    // Of LSM programs, of which there is a list for each hook, the kernel tells only if it may tell that, too.
    let prog_attach_flags = if attach_type == LSM_CGROUP { address(flags.as_mut_ptr()) } else { 0 };
    let mut request = ProgQuery {
        target,
        attach_type,
        prog_ids: address(ids.as_mut_ptr()),
        count: 64,
        prog_attach_flags,
        ..ProgQuery::default()
    };
    // SAFETY: the request is the one of this command; ids and flags live until the call returns and are as many as it
    // says.
    unsafe { call(PROG_QUERY, &mut request) }?;
    let count = usize::try_from(request.count).map_err(io::Error::other)?;
    Ok(ids.into_iter().take(count).collect())
}

/// Opens what is pinned somewhere.
pub fn pinned(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut request = Pin { pathname: address(path.as_ptr()), ..Pin::default() };
    // SAFETY: the request is the one of this command, and the path lives until the call returns.
    unsafe { make(OBJ_GET, &mut request) }
}

/// Pins something.
pub fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut request = Pin { pathname: address(path.as_ptr()), bpf_fd: number(object), ..Pin::default() };
    // SAFETY: the request is the one of this command, and the path lives until the call returns.
    unsafe { call(OBJ_PIN, &mut request) }?;
    Ok(())
}

/// The ids of the maps that a program uses.
pub fn maps_of(program: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut ids = vec![0_u32; 256];
    let mut info = ProgInfo { map_count: 256, map_ids: address(ids.as_mut_ptr()), ..ProgInfo::default() };
    // SAFETY: the ids live until the call returns and are as many as it says.
    unsafe { describe(program, &mut info) }?;
    ids.truncate(usize::try_from(info.map_count).map_err(io::Error::other)?);
    Ok(ids)
}

/// A map, by its id.
pub fn map_by_id(id: u32) -> io::Result<OwnedFd> {
    let mut request = ById { id, ..ById::default() };
    // SAFETY: the request is the one of this command and points nowhere.
    unsafe { make(MAP_GET_FD_BY_ID, &mut request) }
}

/// What a map is like.
pub(super) fn map_info(map: BorrowedFd<'_>) -> io::Result<MapInfo> {
    let mut info = MapInfo::default();
    // SAFETY: there is no pointer in it.
    unsafe { describe(map, &mut info) }?;
    Ok(info)
}

/// # Safety
/// `info` is the beginning of what the kernel tells of this kind of object; what it points to is as long as it says.
unsafe fn describe<T>(object: BorrowedFd<'_>, info: &mut T) -> io::Result<()> {
    let mut request = InfoByFd {
        bpf_fd: number(object),
        info_len: u32::try_from(size_of::<T>()).map_err(io::Error::other)?,
        info: address(&raw mut *info),
    };
    // SAFETY: the caller's promise; what is described lives until the call returns.
    unsafe { call(OBJ_GET_INFO_BY_FD, &mut request) }?;
    Ok(())
}

/// Puts a map's first key into `key`, which is as long as its keys are; false if it has none.
pub fn first_key(map: BorrowedFd<'_>, key: &mut [u8]) -> io::Result<bool> {
    let mut request =
        MapElement { map_fd: number(map), value: address(key.as_mut_ptr()), ..MapElement::default() };
    // SAFETY: the request is the one of this command, without a key to go on from; the caller says that there is room
    // for one.
    match unsafe { call(MAP_GET_NEXT_KEY, &mut request) } {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a map of maps has one there.
pub fn is_there(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<bool> {
    let mut id = 0_u32;
    let mut request = MapElement {
        map_fd: number(map),
        key: address(key.as_ptr()),
        value: address(&raw mut id),
        ..MapElement::default()
    };
    // SAFETY: the request is the one of this command; the caller says that the key is as long as the map's are, and the value of
    // such a map is a number.
    match unsafe { call(MAP_LOOKUP_ELEM, &mut request) } {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes an entry.
pub fn delete(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<()> {
    let mut request = MapElement { map_fd: number(map), key: address(key.as_ptr()), ..MapElement::default() };
    // SAFETY: the request is the one of this command; the caller says that the key is as long as the map's are.
    unsafe { call(MAP_DELETE_ELEM, &mut request) }?;
    Ok(())
}

/// Sets these elements of an array to the values, of which there may be more.
pub fn update_batch(map: BorrowedFd<'_>, keys: &[u32], values: &[u8]) -> io::Result<()> {
    let mut request = Batch {
        map_fd: number(map),
        keys: address(keys.as_ptr()),
        values: address(values.as_ptr()),
        count: u32::try_from(keys.len()).map_err(io::Error::other)?,
        ..Batch::default()
    };
    // SAFETY: the request is the one of this command; the caller says that there is a value as long as the map's for
    // each key.
    unsafe { call(MAP_UPDATE_BATCH, &mut request) }?;
    Ok(())
}

/// Reads the values of an array from `first` on, as many as `values` has room for; each takes `size` bytes there.
pub fn lookup_batch(map: BorrowedFd<'_>, first: u32, values: &mut [u8], size: usize) -> io::Result<()> {
    let mut keys = vec![0_u32; values.len() / size];
    // The index before, if there is one.
    let before = first.checked_sub(1);
    let mut next = 0_u32;
    let mut request = Batch {
        first: before.as_ref().map_or(0, |before| address(before)),
        next: address(&raw mut next),
        keys: address(keys.as_mut_ptr()),
        values: address(values.as_mut_ptr()),
        count: u32::try_from(keys.len()).map_err(io::Error::other)?,
        map_fd: number(map),
        ..Batch::default()
    };
    // SAFETY: the request is the one of this command; the caller says that values take so many bytes.
    match unsafe { call(MAP_LOOKUP_BATCH, &mut request) } {
        // The last one was among them.
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    }
}

/// The number the kernel knows a descriptor by, as bpf(2) wants it.
pub fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

/// # Safety
/// As for [`call`]; and the command is one that returns a new descriptor.
unsafe fn make<T>(command: libc::c_long, request: &mut T) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise.
    let fd = unsafe { call(command, request) }?;
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// # Safety
/// `request` is laid out as the command wants it, and what it points to is valid for what the command does with it.
unsafe fn call<T>(command: libc::c_long, request: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the caller's promise; the length is that of the request.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *request, size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn address<T>(pointer: *const T) -> u64 {
    // No target this is for has addresses of more than 64 bits.
    pointer.addr() as u64
}

/// A name cut to what the kernel keeps, its end marked by a zero.
fn object_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().zip(name.bytes().take(15)) {
        *place = byte;
    }
    bytes
}

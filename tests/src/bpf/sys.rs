//! The bpf(2) system call, as far as it is needed here. Layouts and numbers are from linux/bpf.h.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use anyhow::{Context, Result, anyhow};

use super::asm::Insn;

const MAP_CREATE: libc::c_long = 0;
const MAP_LOOKUP_ELEM: libc::c_long = 1;
const PROG_LOAD: libc::c_long = 5;
const PROG_QUERY: libc::c_long = 16;
const LINK_CREATE: libc::c_long = 28;

const MAP_TYPE_ARRAY: u32 = 2;
const PROG_TYPE_SCHED_CLS: u32 = 3;
const LOG_LENGTH: usize = 1 << 16;

#[repr(C)]
#[derive(Default)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct MapElement {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct ProgLoad {
    prog_type: u32,
    insn_count: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kern_version: u32,
    flags: u32,
    name: [u8; 16],
    ifindex: u32,
    expected_attach_type: u32,
}

#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    prog_fd: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    relative: u32,
    padding: u32,
    expected_revision: u64,
}

#[repr(C)]
#[derive(Default)]
struct ProgQuery {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    count: u32,
    padding: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// Makes an array map.
pub fn create_array(name: &str, value_size: u32, entries: u32) -> io::Result<OwnedFd> {
    let mut request = MapCreate {
        map_type: MAP_TYPE_ARRAY,
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

/// Loads a TC program; the error has the verifier's log.
pub fn load_classifier(name: &str, insns: &[Insn]) -> Result<OwnedFd> {
    let license = c"Dual MIT/GPL";
    let mut log = vec![0_u8; LOG_LENGTH];
    let mut request = ProgLoad {
        prog_type: PROG_TYPE_SCHED_CLS,
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
    let mut ids = [0_u32; 64];
    let mut request = ProgQuery {
        target,
        attach_type,
        prog_ids: address(ids.as_mut_ptr()),
        count: 64,
        ..ProgQuery::default()
    };
    // SAFETY: the request is the one of this command; the ids live until the call returns and are as many as it says.
    unsafe { call(PROG_QUERY, &mut request) }?;
    let count = usize::try_from(request.count).map_err(io::Error::other)?;
    Ok(ids.into_iter().take(count).collect())
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

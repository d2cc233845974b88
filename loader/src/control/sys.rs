//! The bpf() commands that the library does not offer, or not for all kinds of things. Everything unsafe about them is
//! here.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use aya_obj::generated::{
    bpf_attach_type, bpf_attr, bpf_cmd, bpf_link_info, bpf_map_type, bpf_prog_info, bpf_prog_type,
};

use super::plain::{Layout, Plain};

/// What a program is attached to.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A cgroup's directory.
    Cgroup(BorrowedFd<'a>),
    /// An interface, and the place among the programs there.
    Interface(u32, Order<'a>),
    /// Nothing: iterators.
    Nothing,
}

/// A place among the programs on an interface.
#[derive(Clone, Copy, Debug)]
pub enum Order<'a> {
    /// Before all that are there.
    First,
    /// Right before that of this link, which must be attached there.
    Before(BorrowedFd<'a>),
    /// Right after that of this link, which must be attached there.
    After(BorrowedFd<'a>),
}

/// Attaches a program; the link holds it there as long as it is open or pinned.
pub fn create_link(
    program: BorrowedFd<'_>,
    target: Target<'_>,
    attach_type: bpf_attach_type,
) -> io::Result<OwnedFd> {
    const BPF_F_BEFORE: u32 = 1 << 3;
    const BPF_F_AFTER: u32 = 1 << 4;
    /// What it is relative to is a link.
    const BPF_F_LINK: u32 = 1 << 13;

    let mut attr = empty();
    attr.link_create.__bindgen_anon_1.prog_fd = number(program);
    attr.link_create.attach_type = attach_type as u32;
    match target {
        Target::Cgroup(directory) => {
            attr.link_create.__bindgen_anon_2.target_fd = number(directory);
        }
        Target::Interface(ifindex, order) => {
            let (flags, other) = match order {
                Order::First => (BPF_F_BEFORE, None),
                Order::Before(link) => (BPF_F_BEFORE | BPF_F_LINK, Some(link)),
                Order::After(link) => (BPF_F_AFTER | BPF_F_LINK, Some(link)),
            };
            attr.link_create.__bindgen_anon_2.target_ifindex = ifindex;
            attr.link_create.flags = flags;
            attr.link_create.__bindgen_anon_3.tcx.__bindgen_anon_1.relative_fd = other.map_or(0, number);
        }
        Target::Nothing => {}
    }
    descriptor(bpf_cmd::BPF_LINK_CREATE, &mut attr)
}

/// Has a link run another program from now on. No packet goes without either.
pub fn update_link(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = empty();
    attr.link_update.link_fd = number(link);
    attr.link_update.__bindgen_anon_1.new_prog_fd = number(program);
    call(bpf_cmd::BPF_LINK_UPDATE, &mut attr).map(drop)
}

/// Detaches a link's program at once, whoever holds the link.
pub fn detach_link(link: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = empty();
    attr.link_detach.link_fd = number(link);
    call(bpf_cmd::BPF_LINK_DETACH, &mut attr).map(drop)
}

/// A file whose reading runs an iterator's program.
pub fn create_iterator(link: BorrowedFd<'_>) -> io::Result<File> {
    let mut attr = empty();
    attr.iter_create.link_fd = number(link);
    descriptor(bpf_cmd::BPF_ITER_CREATE, &mut attr).map(File::from)
}

/// Keeps a program or link at a path on a BPF file system.
pub fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = empty();
    attr.__bindgen_anon_4.pathname = path.as_ptr() as u64;
    attr.__bindgen_anon_4.bpf_fd = number(object);
    call(bpf_cmd::BPF_OBJ_PIN, &mut attr).map(drop)
}

/// A program or link that is pinned.
pub fn open(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = empty();
    attr.__bindgen_anon_4.pathname = path.as_ptr() as u64;
    descriptor(bpf_cmd::BPF_OBJ_GET, &mut attr)
}

/// One instruction as the kernel takes it (linux/bpf.h, `struct bpf_insn`).
pub type Instruction = [u8; 8];

/// What a program is, apart from its code.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its type.
    pub program: bpf_prog_type,
    /// Where it is to be attached, for types that are told.
    pub attach: Option<bpf_attach_type>,
    /// The kernel's function that it hooks into, by its type's number, for types that do.
    pub function: u32,
}

/// Loads a program that needs neither maps nor type information of its own.
pub fn load(kind: Kind, code: &[Instruction]) -> io::Result<OwnedFd> {
    let mut attr = empty();
    attr.__bindgen_anon_3.prog_type = kind.program as u32;
    attr.__bindgen_anon_3.expected_attach_type = kind.attach.map_or(0, |attach| attach as u32);
    attr.__bindgen_anon_3.attach_btf_id = kind.function;
    attr.__bindgen_anon_3.insns = code.as_ptr() as u64;
    attr.__bindgen_anon_3.insn_cnt = u32::try_from(code.len()).map_err(io::Error::other)?;
    attr.__bindgen_anon_3.license = c"Dual MIT/GPL".as_ptr() as u64;
    descriptor(bpf_cmd::BPF_PROG_LOAD, &mut attr)
}

/// Gives the kernel type information.
pub fn load_types(blob: &[u8]) -> io::Result<OwnedFd> {
    let mut attr = empty();
    attr.__bindgen_anon_7.btf = blob.as_ptr() as u64;
    attr.__bindgen_anon_7.btf_size = u32::try_from(blob.len()).map_err(io::Error::other)?;
    descriptor(bpf_cmd::BPF_BTF_LOAD, &mut attr)
}

/// Makes a socket storage whose key and value are both the first of these types, a 32-bit integer.
pub fn create_socket_storage(types: BorrowedFd<'_>, flags: u32) -> io::Result<OwnedFd> {
    let mut attr = empty();
    // SAFETY: all members are integers, for which zero is a value.
    let map = unsafe { &mut attr.__bindgen_anon_1 };
    map.map_type = bpf_map_type::BPF_MAP_TYPE_SK_STORAGE as u32;
    (map.key_size, map.value_size) = (4, 4);
    map.map_flags = flags;
    map.btf_fd = number(types);
    (map.btf_key_type_id, map.btf_value_type_id) = (1, 1);
    descriptor(bpf_cmd::BPF_MAP_CREATE, &mut attr)
}

/// Makes an array of words.
pub fn create_array(entries: u32) -> io::Result<OwnedFd> {
    create_map(bpf_map_type::BPF_MAP_TYPE_ARRAY, 8, entries, 0)
}

/// Makes an array of one map, which is to be such a one.
pub fn create_outer(inner: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    create_map(bpf_map_type::BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 1, number(inner))
}

fn create_map(kind: bpf_map_type, value_size: u32, entries: u32, inner: u32) -> io::Result<OwnedFd> {
    let mut attr = empty();
    // SAFETY: all members are integers, for which zero is a value.
    let map = unsafe { &mut attr.__bindgen_anon_1 };
    map.map_type = kind as u32;
    (map.key_size, map.value_size, map.max_entries) = (4, value_size, entries);
    map.inner_map_fd = inner;
    descriptor(bpf_cmd::BPF_MAP_CREATE, &mut attr)
}

/// Puts a map into the array that [`create_outer`] has made.
pub fn put_inner(outer: BorrowedFd<'_>, inner: BorrowedFd<'_>) -> io::Result<()> {
    let (key, value) = (0_u32, number(inner));
    let mut attr = empty();
    attr.__bindgen_anon_2.map_fd = number(outer);
    attr.__bindgen_anon_2.key = std::ptr::from_ref(&key) as u64;
    attr.__bindgen_anon_2.__bindgen_anon_1.value = std::ptr::from_ref(&value) as u64;
    call(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr).map(drop)
}

/// Returns when all programs have ended that were at work when this was called: the kernel waits for them when a map of maps, any, is
/// changed (kernel/bpf/syscall.c, `maybe_wait_bpf_programs`).
pub fn wait_for_programs() -> io::Result<()> {
    let inner = create_array(1)?;
    let outer = create_outer(inner.as_fd())?;
    put_inner(outer.as_fd(), inner.as_fd())
}

/// What a program returns that is run on a packet of zeros.
pub fn result_of(program: BorrowedFd<'_>) -> io::Result<u32> {
    let packet = [0_u8; 64];
    let mut attr = empty();
    attr.test.prog_fd = number(program);
    attr.test.data_in = packet.as_ptr() as u64;
    attr.test.data_size_in = u32::try_from(packet.len()).map_err(io::Error::other)?;
    call(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr)?;
    // SAFETY: the kernel has filled this member; all bytes make a value of it.
    Ok(unsafe { attr.test.retval })
}

/// Lengths in bytes of a program's instructions as the kernel has them: as it rewrote them, and compiled (zero if they
/// are not).
pub fn lengths(program: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    // SAFETY: a struct of integers and arrays of such, for all of which zero is a value.
    let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
    inspect(program, &mut info)?;
    Ok((info.xlated_prog_len, info.jited_prog_len))
}

/// Whether a TCX link is still attached; the interface may be gone.
pub fn is_attached(link: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: a struct of integers and a union of structs of such, for all of which zero is a value.
    let mut info: bpf_link_info = unsafe { std::mem::zeroed() };
    inspect(link, &mut info)?;
    // SAFETY: the kernel fills this member for such links; all bytes make a value of it.
    Ok(unsafe { info.__bindgen_anon_1.tcx.ifindex } != 0)
}

/// Asks which programs are attached to an interface that does not exist, and gives the error.
pub fn query_no_interface(attach_type: bpf_attach_type) -> io::Result<()> {
    /// No interface has this index: the kernel gives them out from 1.
    const NONE: u32 = i32::MAX.cast_unsigned();

    let mut attr = empty();
    attr.query.__bindgen_anon_1.target_ifindex = NONE;
    attr.query.attach_type = attach_type as u32;
    call(bpf_cmd::BPF_PROG_QUERY, &mut attr).map(drop)
}

/// All entries of a hash map. Unlike stepping from key to key, this goes by bucket, so that entries that programs
/// delete meanwhile make it neither begin anew nor leave out others.
pub fn dump<K: Layout, V: Layout>(map: BorrowedFd<'_>) -> io::Result<Vec<(K, V)>> {
    /// Entries at a time, to begin with.
    const BATCH: usize = 4096;

    let mut batch = Batch::new(BATCH);
    let mut entries = Vec::new();
    // Where the last batch ended. The kernel takes 4 bytes for hash maps.
    let (mut from, mut to) = (None, 0_u64);
    loop {
        let done = match batch.fetch(map, from.as_ref(), &mut to) {
            Ok(()) => false,
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOENT) => true,
                // A bucket with more entries than there was room for.
                Some(libc::ENOSPC) => {
                    batch = Batch::new(batch.keys.capacity() * 2);
                    continue;
                }
                _ => return Err(error),
            },
        };
        entries.extend(batch.keys.iter().zip(&batch.values).map(|(key, value)| (key.0, value.0)));
        if done {
            return Ok(entries);
        }
        from = Some(to);
    }
}

/// The values of an array from `first` on, `count` of them, by one call.
pub fn read_array<V: Layout>(map: BorrowedFd<'_>, first: u32, count: usize) -> io::Result<Vec<V>> {
    let mut batch = Batch::<u32, V>::new(count);
    // The kernel takes 4 bytes: the index before, if there is one.
    let before = first.checked_sub(1).map(u64::from);
    match batch.fetch(map, before.as_ref(), &mut 0) {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(batch.values.iter().take(count).map(|value| value.0).collect()),
    }
}

/// Sets the values of an array from `first` on, by one call.
pub fn write_array<V: Layout>(map: BorrowedFd<'_>, first: u32, values: &[V]) -> io::Result<()> {
    let keys: Vec<u32> = (first..).take(values.len()).collect();
    let mut attr = empty();
    attr.batch.keys = keys.as_ptr() as u64;
    attr.batch.values = values.as_ptr() as u64;
    attr.batch.count = u32::try_from(keys.len()).map_err(io::Error::other)?;
    attr.batch.map_fd = number(map);
    call(bpf_cmd::BPF_MAP_UPDATE_BATCH, &mut attr).map(drop)
}

/// Deletes an entry of a map, if it is there.
pub fn delete<K: Layout>(map: BorrowedFd<'_>, key: &K) -> io::Result<()> {
    let mut attr = empty();
    attr.__bindgen_anon_2.map_fd = number(map);
    attr.__bindgen_anon_2.key = std::ptr::from_ref(key) as u64;
    match call(bpf_cmd::BPF_MAP_DELETE_ELEM, &mut attr) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        result => result.map(drop),
    }
}

struct Batch<K, V> {
    keys: Vec<Plain<K>>,
    values: Vec<Plain<V>>,
}

impl<K: Layout, V: Layout> Batch<K, V> {
    fn new(room: usize) -> Self {
        Self { keys: Vec::with_capacity(room), values: Vec::with_capacity(room) }
    }

    /// Reads the next entries; those read with the last of all come with ENOENT.
    fn fetch(&mut self, map: BorrowedFd<'_>, from: Option<&u64>, to: &mut u64) -> io::Result<()> {
        self.keys.clear();
        self.values.clear();
        let room = self.keys.capacity().min(self.values.capacity());
        let mut attr = empty();
        attr.batch.in_batch = from.map_or(0, |from| std::ptr::from_ref(from) as u64);
        attr.batch.out_batch = std::ptr::from_mut(to) as u64;
        attr.batch.keys = self.keys.as_mut_ptr() as u64;
        attr.batch.values = self.values.as_mut_ptr() as u64;
        attr.batch.count = u32::try_from(room).unwrap_or(u32::MAX);
        attr.batch.map_fd = number(map);
        let result = call(bpf_cmd::BPF_MAP_LOOKUP_BATCH, &mut attr).map(drop);
        let complete = match &result {
            Ok(()) => true,
            Err(error) => error.raw_os_error() == Some(libc::ENOENT),
        };
        if complete {
            // SAFETY: the kernel has set the count to how many entries it has written.
            let count = room.min(unsafe { attr.batch.count } as usize);
            // SAFETY: the kernel has written that many keys and values, whose sizes the layouts have, and any bytes
            // make one.
            unsafe {
                self.keys.set_len(count);
                self.values.set_len(count);
            }
        }
        result
    }
}

/// Has the kernel describe an object in a structure of its own choice of version.
fn inspect<T>(object: BorrowedFd<'_>, info: &mut T) -> io::Result<()> {
    let mut attr = empty();
    attr.info.bpf_fd = number(object);
    attr.info.info_len = u32::try_from(size_of::<T>()).map_err(io::Error::other)?;
    attr.info.info = std::ptr::from_mut(info) as u64;
    call(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr).map(drop)
}

fn empty() -> bpf_attr {
    // SAFETY: a union of structs of integers, for all of which zero is a value.
    unsafe { std::mem::zeroed() }
}

fn number(descriptor: BorrowedFd<'_>) -> u32 {
    descriptor.as_raw_fd().cast_unsigned()
}

fn descriptor(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    let raw = call(command, attr)?;
    let raw = RawFd::try_from(raw).map_err(io::Error::other)?;
    // SAFETY: the kernel has just opened it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn call(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<libc::c_long> {
    // SAFETY: the attributes live through the call and are as long as is said; what they point to lives as long, as
    // the callers hold it.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command as libc::c_long, std::ptr::from_mut(attr), size_of::<bpf_attr>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

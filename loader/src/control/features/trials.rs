//! How each feature is tried.

use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

use aya::Btf;
use aya::maps::MapType;
use aya::programs::ProgramType;
use aya::sys::{BpfHelper, is_helper_supported, is_map_supported, is_program_supported};
use aya_obj::btf::BtfKind;
use aya_obj::generated::{
    BPF_F_CLONE, BPF_F_NO_PREALLOC,
    bpf_attach_type::{self, BPF_CGROUP_INET_SOCK_CREATE, BPF_CGROUP_INET4_BIND, BPF_NETKIT_PRIMARY},
    bpf_prog_type::{
        self, BPF_PROG_TYPE_CGROUP_SOCK, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_PROG_TYPE_SCHED_CLS,
        BPF_PROG_TYPE_TRACING,
    },
};

use super::{Feature, Presence, code::Code, jit, lsm, tc};
use crate::containers::Hierarchy;
use crate::control::{
    ControlError, bpffs,
    btf::Offsets,
    sys::{self, Kind},
};

/// What the trials need.
pub struct Trial<'a> {
    /// The kernel's types.
    pub btf: Result<&'a Btf, &'a ControlError>,
    /// Where things are to be pinned.
    pub pin_dir: &'a Path,
}

impl Trial<'_> {
    /// Tries one feature.
    pub fn of(&self, feature: Feature) -> Presence {
        match feature {
            Feature::Cgroup2 => cgroup2(),
            Feature::Bpffs => bpffs(self.pin_dir),
            Feature::Btf => self.btf(),
            Feature::CgroupPrograms => {
                all([program(ProgramType::CgroupSkb), program(ProgramType::CgroupSockopt)])
            }
            Feature::TcPrograms => program(ProgramType::SchedClassifier),
            Feature::AtomicFetch => loads(BPF_PROG_TYPE_SCHED_CLS, None, &atomics()),
            Feature::SocketStorage => socket_storage(),
            Feature::SocketLookup => socket_lookup(),
            Feature::SocketIterators => all(["bpf_iter_tcp", "bpf_iter_udp"].map(|name| self.iterator(name))),
            Feature::AncestorCgroup => all([
                helper(ProgramType::SchedClassifier, BpfHelper::BPF_FUNC_skb_ancestor_cgroup_id),
                helper(ProgramType::CgroupSkb, BpfHelper::BPF_FUNC_sk_ancestor_cgroup_id),
                helper(ProgramType::CgroupSock, BpfHelper::BPF_FUNC_get_current_ancestor_cgroup_id),
            ]),
            Feature::SetRetval => {
                let code = Code::new().set(1, -libc::EADDRINUSE).call(BpfHelper::BPF_FUNC_set_retval).end(0);
                loads(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, Some(BPF_CGROUP_INET4_BIND), &code)
            }
            Feature::NetnsCookie => netns_cookie(),
            Feature::KernelRead => all([ProgramType::SchedClassifier, ProgramType::CgroupSkb]
                .map(|kind| helper(kind, BpfHelper::BPF_FUNC_probe_read_kernel))),
            Feature::CoarseClock => all([ProgramType::SchedClassifier, ProgramType::CgroupSkb]
                .map(|kind| helper(kind, BpfHelper::BPF_FUNC_ktime_get_coarse_ns))),
            Feature::RingBuffer => map(MapType::RingBuf),
            Feature::InnerArrays => inner_arrays(),
            Feature::Tcx => known(tc::has_tcx()),
            Feature::Clsact => tc::clsact(),
            Feature::Jit => jit::presence(),
            Feature::PlainJit => jit::plain(),
            Feature::BpfLsm => self.btf.map_or_else(|_| no_types(), lsm::presence),
            Feature::PacketNetnsCookie => all([ProgramType::SchedClassifier, ProgramType::CgroupSkb]
                .map(|kind| helper(kind, BpfHelper::BPF_FUNC_get_netns_cookie))),
            Feature::Loop => helper(ProgramType::SchedClassifier, BpfHelper::BPF_FUNC_loop),
            Feature::CgroupStorage => {
                let kinds = [
                    ("by attachment", MapType::CgroupStorage),
                    ("by attachment and processor", MapType::PerCpuCgroupStorage),
                    ("by any program", MapType::CgrpStorage),
                ];
                which(&kinds.map(|(name, kind)| (name, map(kind))))
            }
            Feature::Xdp => program(ProgramType::Xdp),
            Feature::Netkit => known(tc::knows(BPF_NETKIT_PRIMARY)),
            Feature::Arena => map(MapType::Arena),
        }
    }

    fn btf(&self) -> Presence {
        match (self.btf, Offsets::of_kernel()) {
            (Ok(_), Ok(_)) => Presence::Present(None),
            (Err(error), _) => Presence::Absent(error.to_string()),
            (_, Err(error)) => Presence::Absent(error.to_string()),
        }
    }

    fn iterator(&self, name: &str) -> Presence {
        let Ok(btf) = self.btf else {
            return no_types();
        };
        let Ok(function) = btf.id_by_type_name_kind(name, BtfKind::Func) else {
            return Presence::Absent(format!("there is no {name}"));
        };
        let attach = Some(bpf_attach_type::BPF_TRACE_ITER);
        let kind = Kind { program: BPF_PROG_TYPE_TRACING, attach, function };
        outcome(sys::load(kind, &Code::new().end(0)))
    }
}

fn cgroup2() -> Presence {
    match Hierarchy::find() {
        Ok(hierarchy) => Presence::Present(Some(hierarchy.mount().display().to_string())),
        Err(error) => Presence::Absent(error.to_string()),
    }
}

fn bpffs(pin_dir: &Path) -> Presence {
    match (bpffs::check(pin_dir), fs::read_to_string("/proc/filesystems")) {
        (Ok(()), _) => Presence::Present(None),
        // The second column; the first says whether it needs a device.
        (Err(ControlError::NotBpffs(_)), Ok(list)) if list.lines().any(|line| line.ends_with("\tbpf")) => {
            Presence::Present(Some("not mounted yet".to_owned()))
        }
        (Err(error), _) => Presence::Absent(error.to_string()),
    }
}

fn atomics() -> Vec<sys::Instruction> {
    Code::new().clear(8).set(1, 1).fetch_add(1, 8).set(0, 1).compare_exchange(1, 8).end(0)
}

fn socket_storage() -> Presence {
    /// Magic, version, flags; lengths of the header, and offsets and lengths of types and of strings; the type of a
    /// signed integer of 32 bits; its name (Documentation/bpf/btf.rst).
    const WORDS: [u32; 10] = [0x0001_eb9f, 24, 0, 16, 16, 5, 1, 1 << 24, 4, 1 << 24 | 32];

    let mut types: Vec<u8> = WORDS.iter().flat_map(|word| word.to_ne_bytes()).collect();
    types.extend(b"\0int\0");
    let flags = BPF_F_NO_PREALLOC | BPF_F_CLONE;
    outcome(sys::load_types(&types).and_then(|types| sys::create_socket_storage(types.as_fd(), flags)))
}

fn socket_lookup() -> Presence {
    let helpers = [
        BpfHelper::BPF_FUNC_sk_lookup_tcp,
        BpfHelper::BPF_FUNC_sk_lookup_udp,
        BpfHelper::BPF_FUNC_skc_lookup_tcp,
    ];
    let kinds =
        [(BPF_PROG_TYPE_SCHED_CLS, None), (BPF_PROG_TYPE_CGROUP_SOCK_ADDR, Some(BPF_CGROUP_INET4_BIND))];
    all(kinds.into_iter().flat_map(|(kind, attach)| {
        helpers.into_iter().map(move |helper| loads(kind, attach, &lookup(helper)))
    }))
}

/// Looks for a socket by addresses and ports that are zero, and gives it back.
fn lookup(helper: BpfHelper) -> Vec<sys::Instruction> {
    /// Length of the IPv4 part of `struct bpf_sock_tuple`.
    const TUPLE: i32 = 12;
    /// The network namespace of the packet or socket (linux/bpf.h, `BPF_F_CURRENT_NETNS`).
    const CURRENT: i32 = -1;

    let code = Code::new().clear(8).clear(16).stack(2, 16).set(3, TUPLE).set(4, CURRENT).set(5, 0);
    code.call(helper).skip_if_none(2).copy(1, 0).call(BpfHelper::BPF_FUNC_sk_release).end(0)
}

fn netns_cookie() -> Presence {
    let code = Code::new().call(BpfHelper::BPF_FUNC_get_netns_cookie).end(1);
    all([
        loads(BPF_PROG_TYPE_CGROUP_SOCK, Some(BPF_CGROUP_INET_SOCK_CREATE), &code),
        loads(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, Some(BPF_CGROUP_INET4_BIND), &code),
    ])
}

/// Some kernels, as 6.1 before about 6.1.34, find the first entry in the place of any other (mended by "bpf: Fix elem_size not being set for
/// inner maps").
fn inner_arrays() -> Presence {
    const RIGHT: u32 = 7;
    let found = sys::create_array(2).and_then(|inner| {
        sys::write_array(inner.as_fd(), 0, &[u64::from(RIGHT - 1), u64::from(RIGHT)])?;
        let outer = sys::create_outer(inner.as_fd())?;
        sys::put_inner(outer.as_fd(), inner.as_fd())?;
        let code =
            Code::new().map(1, outer.as_fd()).put(8, 0).stack(2, 8).call(BpfHelper::BPF_FUNC_map_lookup_elem);
        let code =
            code.skip_if_none(7).copy(1, 0).put(8, 1).stack(2, 8).call(BpfHelper::BPF_FUNC_map_lookup_elem);
        let program = sys::load(
            Kind { program: BPF_PROG_TYPE_SCHED_CLS, attach: None, function: 0 },
            &code.skip_if_none(1).load(0, 0).exit(),
        )?;
        sys::result_of(program.as_fd())
    });
    match found {
        Ok(RIGHT) => Presence::Present(None),
        Ok(_) => Presence::Absent("it finds another entry than it is asked for".to_owned()),
        Err(error) => outcome::<()>(Err(error)),
    }
}

fn loads(program: bpf_prog_type, attach: Option<bpf_attach_type>, code: &[sys::Instruction]) -> Presence {
    outcome(sys::load(Kind { program, attach, function: 0 }, code))
}

fn outcome<T>(result: io::Result<T>) -> Presence {
    match result {
        Ok(_) => Presence::Present(None),
        Err(error) if error.kind() == io::ErrorKind::OutOfMemory => Presence::Unknown(error.to_string()),
        Err(error) => Presence::Absent(format!("the kernel refuses it ({error})")),
    }
}

fn program(kind: ProgramType) -> Presence {
    supported(is_program_supported(kind), || format!("the kernel knows no programs of type {kind:?}"))
}

fn helper(kind: ProgramType, helper: BpfHelper) -> Presence {
    supported(is_helper_supported(kind, helper), || {
        format!("programs of type {kind:?} may not call {}", name(helper))
    })
}

/// As in the kernel's documentation.
fn name(helper: BpfHelper) -> String {
    format!("{helper:?}").replace("BPF_FUNC_", "bpf_")
}

fn map(kind: MapType) -> Presence {
    supported(is_map_supported(kind), || format!("the kernel knows no maps of type {kind:?}"))
}

fn supported<E: ToString>(answer: Result<bool, E>, absent: impl FnOnce() -> String) -> Presence {
    match answer {
        Ok(true) => Presence::Present(None),
        Ok(false) => Presence::Absent(absent()),
        Err(error) => Presence::Unknown(error.to_string()),
    }
}

fn known(present: bool) -> Presence {
    if present { Presence::Present(None) } else { Presence::Absent("the kernel does not know it".to_owned()) }
}

fn no_types() -> Presence {
    Presence::Absent("there is no type information to find it by".to_owned())
}

/// Present if all of these are.
fn all(parts: impl IntoIterator<Item = Presence>) -> Presence {
    let mut unknown = None;
    for part in parts {
        match part {
            Presence::Absent(_) => return part,
            Presence::Unknown(_) => unknown = Some(part),
            Presence::Present(_) => {}
        }
    }
    unknown.unwrap_or(Presence::Present(None))
}

/// Present if any of these is; tells which.
fn which(parts: &[(&str, Presence)]) -> Presence {
    let there = parts.iter().filter(|(_, presence)| matches!(presence, Presence::Present(_)));
    let names: Vec<_> = there.map(|(name, _)| *name).collect();
    if names.is_empty() { known(false) } else { Presence::Present(Some(names.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_missing_is_enough() {
        let absent = || Presence::Absent("none".to_owned());
        let unknown = || Presence::Unknown("EPERM".to_owned());
        let present = || Presence::Present(None);
        assert_eq!(all([present(), present()]), present());
        assert_eq!(all([unknown(), absent(), present()]), absent());
        assert_eq!(all([unknown(), present()]), unknown());
    }

    #[test]
    fn kinds_that_are_there_are_named() {
        let absent = Presence::Absent(String::new());
        let parts = [("old", Presence::Present(None)), ("new", absent.clone())];
        assert_eq!(which(&parts), Presence::Present(Some("old".to_owned())));
        assert!(matches!(which(&[("old", absent)]), Presence::Absent(_)));
    }

    #[test]
    fn helpers_have_the_names_of_the_documentation() {
        assert_eq!(name(BpfHelper::BPF_FUNC_ktime_get_coarse_ns), "bpf_ktime_get_coarse_ns");
    }
}

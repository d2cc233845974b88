//! The programs: what each is for, loading and pinning them.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use aya::programs::{Program, ProgramError};
use aya::{Btf, Ebpf};
use aya_obj::generated::bpf_attach_type;
use berth_common::abi::names;

use super::{
    ControlError,
    error::Context as _,
    features::lsm_is_active,
    refusal::{Refusal, Sources},
    sys,
};

/// Programs that are loaded, each pinned in one directory.
pub struct Programs {
    directory: PathBuf,
    loaded: BTreeMap<&'static str, OwnedFd>,
}

impl Programs {
    /// Loads all that this kernel can use and pins them in `directory`. `sources` are those of the object, for what the
    /// verifier may have to say.
    pub fn load(
        ebpf: &mut Ebpf,
        btf: &Btf,
        directory: &Path,
        sources: impl Fn() -> Sources,
    ) -> Result<Self, ControlError> {
        for name in required() {
            load(ebpf, btf, name, &sources)?;
        }
        let lsm = load_lsm(ebpf, btf, &sources);
        for name in required().chain(lsm.iter().copied()) {
            program(ebpf, name)?
                .pin(directory.join(name))
                .map_err(io::Error::other)
                .context(|| format!("pin program {name}"))?;
        }
        Self::open(directory)
    }

    /// Opens those that are pinned in `directory`.
    pub fn open(directory: &Path) -> Result<Self, ControlError> {
        let mut loaded = BTreeMap::new();
        for name in required() {
            loaded.insert(name, open(directory, name)?);
        }
        for name in optional() {
            if directory.join(name).exists() {
                loaded.insert(name, open(directory, name)?);
            }
        }
        Ok(Self { directory: directory.to_owned(), loaded })
    }

    /// Where one of them is pinned.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<BorrowedFd<'_>> {
        self.loaded.get(name).map(|program| program.as_fd())
    }

    /// Those that belong on every container's cgroup.
    pub fn for_cgroups(&self) -> impl Iterator<Item = (&'static str, BorrowedFd<'_>, bpf_attach_type)> {
        self.on_cgroups().filter(|(name, ..)| !names::ROOT_PROGRAMS.contains(name))
    }

    /// Those that belong on the root of the hierarchy, in the order in which they are to be put there.
    pub fn for_root(&self) -> impl Iterator<Item = (&'static str, BorrowedFd<'_>, bpf_attach_type)> {
        names::ROOT_PROGRAMS.iter().filter_map(|name| self.on_cgroups().find(|(other, ..)| other == name))
    }

    fn on_cgroups(&self) -> impl Iterator<Item = (&'static str, BorrowedFd<'_>, bpf_attach_type)> {
        self.loaded
            .iter()
            .filter_map(|(name, program)| Some((*name, program.as_fd(), cgroup_attach_type(name)?)))
    }
}

/// Where on a cgroup a program is attached, if that is where it belongs.
fn cgroup_attach_type(name: &str) -> Option<bpf_attach_type> {
    Some(match name {
        "berth_create" => bpf_attach_type::BPF_CGROUP_INET_SOCK_CREATE,
        "berth_release" => bpf_attach_type::BPF_CGROUP_INET_SOCK_RELEASE,
        "berth_bind4" => bpf_attach_type::BPF_CGROUP_INET4_BIND,
        "berth_bind6" => bpf_attach_type::BPF_CGROUP_INET6_BIND,
        "berth_connect4" => bpf_attach_type::BPF_CGROUP_INET4_CONNECT,
        "berth_connect6" => bpf_attach_type::BPF_CGROUP_INET6_CONNECT,
        "berth_sendmsg4" => bpf_attach_type::BPF_CGROUP_UDP4_SENDMSG,
        "berth_sendmsg6" => bpf_attach_type::BPF_CGROUP_UDP6_SENDMSG,
        "berth_recvmsg4" => bpf_attach_type::BPF_CGROUP_UDP4_RECVMSG,
        "berth_recvmsg6" => bpf_attach_type::BPF_CGROUP_UDP6_RECVMSG,
        "berth_peer4" => bpf_attach_type::BPF_CGROUP_INET4_GETPEERNAME,
        "berth_peer6" => bpf_attach_type::BPF_CGROUP_INET6_GETPEERNAME,
        "berth_bound4" => bpf_attach_type::BPF_CGROUP_INET4_POST_BIND,
        "berth_bound6" => bpf_attach_type::BPF_CGROUP_INET6_POST_BIND,
        "berth_send" => bpf_attach_type::BPF_CGROUP_INET_EGRESS,
        "berth_receive" => bpf_attach_type::BPF_CGROUP_INET_INGRESS,
        "berth_sockopt" => bpf_attach_type::BPF_CGROUP_SETSOCKOPT,
        "berth_lsm_opt" | "berth_lsm_sock" => bpf_attach_type::BPF_LSM_CGROUP,
        _ => return None,
    })
}

/// The kernel function that an iterator or LSM program hooks into.
fn hook(name: &str) -> Option<&'static str> {
    match name {
        "berth_lsm_opt" => Some("socket_setsockopt"),
        "berth_lsm_sock" => Some("socket_create"),
        _ => names::ITERATORS.iter().find(|(iterator, _)| *iterator == name).map(|(_, kind)| *kind),
    }
}

fn required() -> impl Iterator<Item = &'static str> {
    let tc = [
        names::UPLINK_INGRESS,
        names::UPLINK_EGRESS,
        names::NAT_INGRESS,
        names::NAT_EGRESS,
        names::LOOPBACK_EGRESS,
        names::INTERFACE_INGRESS,
        names::INTERFACE_EGRESS,
        names::HAIRPIN_INGRESS,
        names::HAIRPIN_EGRESS,
        names::CONTROL,
    ];
    let on_cgroups = names::CGROUP_PROGRAMS.iter().chain(names::ROOT_PROGRAMS).copied();
    on_cgroups.chain(tc).chain(names::ITERATORS.iter().map(|(name, _)| *name))
}

fn optional() -> impl Iterator<Item = &'static str> {
    names::LSM_PROGRAMS.iter().copied()
}

/// Loads the programs of BPF LSM, where there is any.
fn load_lsm(ebpf: &mut Ebpf, btf: &Btf, sources: impl Fn() -> Sources) -> &'static [&'static str] {
    if let Err(reason) = lsm_is_active() {
        log::debug!("BPF LSM is not used: {reason}");
        return &[];
    }
    let loaded: Result<Vec<()>, _> =
        names::LSM_PROGRAMS.iter().map(|name| load(ebpf, btf, name, &sources)).collect();
    match loaded {
        Ok(_) => names::LSM_PROGRAMS,
        Err(error) => {
            if let ControlError::Refused(refusal) = &error {
                log::debug!("the verifier on {}:\n{}", refusal.program, refusal.log);
            }
            log::warn!("BPF LSM is there but not usable, 32-bit calls of setsockopt go unseen: {error}");
            &[]
        }
    }
}

fn load(
    ebpf: &mut Ebpf,
    btf: &Btf,
    name: &'static str,
    sources: impl Fn() -> Sources,
) -> Result<(), ControlError> {
    let hook = hook(name);
    let loaded = match (program(ebpf, name)?, hook) {
        (Program::CgroupSock(program), _) => program.load(),
        (Program::CgroupSockAddr(program), _) => program.load(),
        (Program::CgroupSkb(program), _) => program.load(),
        (Program::CgroupSockopt(program), _) => program.load(),
        (Program::SchedClassifier(program), _) => program.load(),
        (Program::LsmCgroup(program), Some(hook)) => program.load(hook, btf),
        (Program::Iter(program), Some(kind)) => program.load(kind, btf),
        _ => return Err(ControlError::Incomplete(name)),
    };
    loaded.map_err(|error| not_loaded(name, error, sources))
}

fn not_loaded(name: &'static str, error: ProgramError, sources: impl Fn() -> Sources) -> ControlError {
    if let ProgramError::LoadError { io_error, verifier_log } = &error {
        let same =
            io_error.raw_os_error().map_or_else(|| io_error.kind().into(), io::Error::from_raw_os_error);
        if let Some(refusal) = Refusal::read(name, same, &verifier_log.to_string(), &sources()) {
            return ControlError::Refused(Box::new(refusal));
        }
    }
    ControlError::Program { name, error: Box::new(error) }
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Program, ControlError> {
    ebpf.program_mut(name).ok_or(ControlError::Incomplete(name))
}

fn open(directory: &Path, name: &str) -> Result<OwnedFd, ControlError> {
    let path = directory.join(name);
    match sys::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(ControlError::Damaged { directory: directory.to_owned(), missing: path })
        }
        opened => opened.context(|| format!("open {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cgroup_program_has_its_place() {
        let with_place = names::CGROUP_PROGRAMS.iter().chain(names::ROOT_PROGRAMS).copied().chain(optional());
        for name in with_place {
            assert!(cgroup_attach_type(name).is_some(), "{name}");
        }
        assert!(cgroup_attach_type(names::CONTROL).is_none());
    }

    #[test]
    fn every_program_that_needs_a_hook_has_one() {
        for name in names::LSM_PROGRAMS {
            assert!(hook(name).is_some(), "{name}");
        }
        assert_eq!(hook("berth_adopt_udp"), Some("udp"));
        assert_eq!(hook("berth_send"), None);
    }
}

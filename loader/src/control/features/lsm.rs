//! BPF among the kernel's security modules.

use std::fs;
use std::io;

use aya::Btf;
use aya_obj::btf::BtfKind;
use aya_obj::generated::{bpf_attach_type, bpf_prog_type};

use super::{Presence, code::Code};
use crate::control::sys::{self, Kind};

/// Where the kernel lists its security modules, if securityfs is mounted.
const MODULES: &str = "/sys/kernel/security/lsm";

/// Whether LSM programs are called at all, or why not. Without `bpf` in the list they load and attach, and nothing comes
/// of it.
pub fn is_active() -> Result<(), String> {
    check(fs::read_to_string(MODULES))
}

fn check(list: io::Result<String>) -> Result<(), String> {
    let list = list.map_err(|error| format!("{MODULES} cannot be read ({error})"))?;
    let list = list.trim();
    if list.split(',').any(|name| name == "bpf") {
        Ok(())
    } else {
        Err(format!("it is not among the active ones, which are {list} (boot with lsm={list},bpf)"))
    }
}

/// Whether programs of the kind that berth has load, and are called.
pub fn presence(btf: &Btf) -> Presence {
    if let Err(why) = is_active() {
        return Presence::Absent(why);
    }
    let Ok(function) = btf.id_by_type_name_kind("bpf_lsm_socket_setsockopt", BtfKind::Func) else {
        return Presence::Absent("this kernel is built without it".to_owned());
    };
    let attach = Some(bpf_attach_type::BPF_LSM_CGROUP);
    let kind = Kind { program: bpf_prog_type::BPF_PROG_TYPE_LSM, attach, function };
    match sys::load(kind, &Code::new().end(1)) {
        Ok(_) => Presence::Present(None),
        Err(error) => Presence::Absent(format!("it is active, but takes no programs ({error})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_must_be_in_the_list() {
        let list = |text: &str| check(Ok(text.to_owned()));
        assert_eq!(list("capability,landlock,bpf\n"), Ok(()));
        let why = list("capability,landlock\n").unwrap_err();
        assert!(why.contains("lsm=capability,landlock,bpf"), "{why}");
        assert!(list("capability,bpfx\n").is_err());
        assert!(check(Err(io::ErrorKind::NotFound.into())).is_err());
    }
}

//! Recognising containers by their names in runtimes.

use super::{ContainersError, Recognised, docker, libvirt, lxc, nspawn, oci, podman};
use crate::{api::runtime::Runtime, config::Runtimes};

/// The running container that a runtime knows by this name.
pub fn of_runtime(places: &Runtimes, runtime: Runtime, name: &str) -> Result<Recognised, ContainersError> {
    let not_running = || ContainersError::NotRunning { runtime, name: name.to_owned() };
    match runtime {
        Runtime::Lxc => lxc::of_lxc(name)?,
        Runtime::Nspawn => nspawn::of_nspawn(name)?,
        Runtime::Libvirt => libvirt::find(places, name)?,
        Runtime::Docker => oci::running(docker::find(places, name)?)?,
        Runtime::Podman => oci::running(podman::find(places, name)?)?,
    }
    .ok_or_else(not_running)
}

/// Whether a runtime knows the container to which it has given this id by this name, too. It need not run.
pub fn is_named(places: &Runtimes, runtime: Runtime, name: &str, id: &str) -> Result<bool, ContainersError> {
    match runtime {
        // They give no ids.
        Runtime::Lxc | Runtime::Nspawn | Runtime::Libvirt => Ok(false),
        Runtime::Docker => docker::is_named(places, name, id),
        Runtime::Podman => podman::is_named(places, name, id),
    }
}

/// Cgroups below which those of a runtime's containers come and go, as far as that is known beforehand.
pub const fn cgroup_parents(runtime: Runtime) -> &'static [&'static str] {
    match runtime {
        Runtime::Lxc => &["/", "/lxc.payload", "/lxc"],
        Runtime::Docker => &["/system.slice", "/docker"],
        Runtime::Podman => &["/machine.slice", "/libpod_parent"],
        // An interface of a domain's is what tells of it.
        Runtime::Libvirt => &[],
        Runtime::Nspawn => &["/machine.slice"],
    }
}

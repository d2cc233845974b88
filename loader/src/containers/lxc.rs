//! Recognising LXC containers by their cgroups.

use super::{ContainersError, Recognised, process::of_cgroups};

/// The running LXC container `name`.
pub(super) fn of_lxc(name: &str) -> Result<Option<Recognised>, ContainersError> {
    // As LXC 4 and later have it, as it is with lxc.cgroup.dir = lxc.payload, and as it was before LXC 4.
    of_cgroups(name, [format!("/lxc.payload.{name}"), format!("/lxc.payload/{name}"), format!("/lxc/{name}")])
}

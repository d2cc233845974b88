//! Recognising LXC containers by their cgroups.

use super::{ContainersError, Hierarchy, Recognised, process::of_cgroups};

/// The running LXC container `name`.
pub(super) fn of_lxc(name: &str) -> Result<Option<Recognised>, ContainersError> {
    // As LXC 4 and later have it, as it is with lxc.cgroup.dir = lxc.payload, and as it was before LXC 4.
    of_cgroups(name, [format!("/lxc.payload.{name}"), format!("/lxc.payload/{name}"), format!("/lxc/{name}")])
}

/// The names of containers that may be running.
pub(super) fn names(hierarchy: &Hierarchy) -> Vec<String> {
    let mut names = Vec::new();
    for name in hierarchy.children("/".as_ref()) {
        names.extend(name.strip_prefix("lxc.payload.").map(str::to_owned));
    }
    for parent in ["/lxc.payload", "/lxc"] {
        names.extend(hierarchy.children(parent.as_ref()));
    }
    names
}

//! Recognising LXC containers.

use std::path::{Component, Path};

use super::{
    Cgroup, ContainersError, Hierarchy, Recognised,
    process::{first, recognise},
};

/// The running LXC container `name`.
pub fn of_lxc(name: &str) -> Result<Recognised, ContainersError> {
    let hierarchy = Hierarchy::find()?;
    let (cgroup, init) = find(&hierarchy, name)?;
    recognise(init, || Ok(cgroup))
}

fn find(hierarchy: &Hierarchy, name: &str) -> Result<(Cgroup, u32), ContainersError> {
    let missing = || ContainersError::NoLxc(name.to_owned());
    let mut components = Path::new(name).components();
    if !matches!((components.next(), components.next()), (Some(Component::Normal(_)), None)) {
        return Err(missing());
    }
    // As LXC 4 and later have it, as it is with lxc.cgroup.dir = lxc.payload, and as it was before LXC 4.
    for path in [format!("lxc.payload.{name}"), format!("lxc.payload/{name}"), format!("lxc/{name}")] {
        let cgroup = match hierarchy.cgroup(Path::new(&path)) {
            Err(ContainersError::NoCgroup { .. }) => continue,
            found => found?,
        };
        // A cgroup can outlive its container.
        if let Some(init) = first(&hierarchy.processes(&cgroup)?) {
            return Ok((cgroup, init));
        }
    }
    Err(missing())
}

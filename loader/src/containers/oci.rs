//! Containers that an OCI runtime (runc, crun) runs for Docker or Podman, which know each by an id as well as by its name.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{
    Cgroup, ContainersError, Hierarchy, Recognised,
    process::{cgroup_path, recognise},
};

/// Fewest digits that are taken for the beginning of an id: as many as `docker ps` and `podman ps` show.
const SHORT_ID: usize = 12;

/// What is known of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Its id.
    pub id: String,
    /// Its first process, if it runs.
    pub pid: Option<u32>,
}

/// Whether a container of this id, and of these names, is meant by `name`.
pub(super) fn is_meant<'a>(name: &str, id: &str, names: impl IntoIterator<Item = &'a str>) -> bool {
    closeness(name, id, names).is_some()
}

/// How closely `name` means a container of this id and of these names, the least being closest: the id before a name, and that before
/// the beginning of an id.
pub(super) fn closeness<'a>(name: &str, id: &str, names: impl IntoIterator<Item = &'a str>) -> Option<u8> {
    if name == id {
        return Some(0);
    }
    if names.into_iter().any(|one| one == name) {
        return Some(1);
    }
    (name.len() >= SHORT_ID && id.starts_with(name)).then_some(2)
}

/// The container, if it runs.
pub(super) fn running(known: Option<Known>) -> Result<Option<Recognised>, ContainersError> {
    let Some(Known { id, pid: Some(pid) }) = known else { return Ok(None) };
    match of_created(&id, pid) {
        // What was written down about it outlives it if the runtime is killed; another process may have its number.
        Err(ContainersError::NoProcess(_) | ContainersError::NotOfContainer { .. }) => Ok(None),
        recognised => recognised.map(Some),
    }
}

/// The container of this id, which has the process `pid`.
pub fn of_created(id: &str, pid: u32) -> Result<Recognised, ContainersError> {
    let cgroup = cgroup_of(id, pid)?;
    recognise(pid, || Ok(cgroup))
}

/// The container's cgroup: the outermost that is named after the id. The process may be in one further inside.
///
/// The number of a process that has ended may be anybody's next, and whoever may make cgroups can name them as he likes. So it has to be
/// root's, as those of runtimes are, and none that somebody may make in a part of the hierarchy that was given to him.
fn cgroup_of(id: &str, pid: u32) -> Result<Cgroup, ContainersError> {
    let not_its = || ContainersError::NotOfContainer { pid, id: id.to_owned() };
    let own = outermost(&cgroup_path(pid)?, id).ok_or_else(not_its)?;
    let hierarchy = Hierarchy::find()?;
    let cgroup = hierarchy.cgroup(&own)?;
    let is_roots = fs::symlink_metadata(hierarchy.directory(&cgroup)).is_ok_and(|found| found.uid() == 0);
    if is_roots { Ok(cgroup) } else { Err(not_its()) }
}

fn outermost(path: &Path, id: &str) -> Option<PathBuf> {
    let names = [
        id.to_owned(),
        format!("docker-{id}.scope"),
        format!("libpod-{id}"),
        format!("libpod-{id}.scope"),
        // With --cgroups=split, in the cgroup of a service.
        format!("libpod-payload-{id}"),
    ];
    let is_own =
        |path: &&Path| path.file_name().is_some_and(|name| names.iter().any(|own| name == own.as_str()));
    if id.is_empty() { None } else { path.ancestors().filter(is_own).last().map(Path::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f4ea1b2c3d4e5f6";

    #[test]
    fn a_cgroup_is_known_by_the_id() {
        for (path, expected) in [
            (
                "/system.slice/docker-3f4ea1b2c3d4e5f6.scope",
                Some("/system.slice/docker-3f4ea1b2c3d4e5f6.scope"),
            ),
            ("/docker/3f4ea1b2c3d4e5f6", Some("/docker/3f4ea1b2c3d4e5f6")),
            (
                "/machine.slice/libpod-3f4ea1b2c3d4e5f6.scope/container",
                Some("/machine.slice/libpod-3f4ea1b2c3d4e5f6.scope"),
            ),
            // Nested in another of ours, or with cgroups of its own inside.
            (
                "/libpod_parent/libpod-3f4ea1b2c3d4e5f6/3f4ea1b2c3d4e5f6/y",
                Some("/libpod_parent/libpod-3f4ea1b2c3d4e5f6"),
            ),
            ("/system.slice/ssh.service", None),
            // Somebody's who only says so.
            ("/user.slice/x-3f4ea1b2c3d4e5f6", None),
        ] {
            assert_eq!(outermost(path.as_ref(), ID), expected.map(PathBuf::from), "{path}");
        }
        assert_eq!(outermost("/a".as_ref(), ""), None);
    }

    #[test]
    fn names_are_whole_and_ids_may_be_cut_short() {
        let is_meant = |name| is_meant(name, ID, ["web", "proxy"]);
        assert!(closeness(ID, ID, []) < closeness("web", ID, ["web"]));
        assert!(closeness("web", ID, ["web"]) < closeness("3f4ea1b2c3d4", ID, []));
        assert!(is_meant("web") && is_meant("proxy") && is_meant(ID) && is_meant("3f4ea1b2c3d4"));
        assert!(!is_meant("we") && !is_meant("3f4ea1b2c3d") && !is_meant("4ea1b2c3d4e5"));
    }
}

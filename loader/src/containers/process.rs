//! Recognising a container by one of its processes.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{Cgroup, ContainersError, Hierarchy, Link, Netns, error::Context as _, veth};

/// How a container is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// It shares the node's network: by its cgroup.
    Shared(Cgroup),
    /// It has a network of its own: by the node's ends of its veth pairs.
    Own(Vec<Link>),
}

/// The container that process `pid` is in.
pub fn of_pid(pid: u32) -> Result<Recognised, ContainersError> {
    recognise(pid, || {
        let path = cgroup_path(pid)?;
        Hierarchy::find()?.cgroup(&path).map_err(|error| match error {
            ContainersError::RootCgroup => ContainersError::HostProcess(pid),
            other => other,
        })
    })
}

/// The container whose cgroup is at the first of these paths where anything runs; `name` stands in them.
pub(super) fn of_cgroups<const N: usize>(
    name: &str,
    paths: [String; N],
) -> Result<Option<Recognised>, ContainersError> {
    // Not a way to another cgroup.
    if matches!(name, "" | "." | "..") || name.contains('/') {
        return Ok(None);
    }
    let hierarchy = Hierarchy::find()?;
    for path in paths {
        let cgroup = match hierarchy.cgroup(Path::new(&path)) {
            Err(ContainersError::NoCgroup { .. }) => continue,
            found => found?,
        };
        // A cgroup can outlive its container.
        if let Some(init) = first(&hierarchy.processes(&cgroup)?) {
            return recognise(init, || Ok(cgroup)).map(Some);
        }
    }
    Ok(None)
}

/// By the network namespace of process `pid`: `cgroup` if that is ours.
pub(super) fn recognise(
    pid: u32,
    cgroup: impl FnOnce() -> Result<Cgroup, ContainersError>,
) -> Result<Recognised, ContainersError> {
    if Netns::of(pid)? == Netns::own()? {
        Ok(Recognised::Shared(cgroup()?))
    } else {
        Ok(Recognised::Own(veth::host_ends(pid)?))
    }
}

/// Of some processes of a container, the one that was there first: the one that is number 1 in a pid namespace, of
/// these the outermost, and otherwise the lowest.
fn first(pids: &[u32]) -> Option<u32> {
    pids.iter()
        .map(|pid| (*pid, namespace_pids(*pid)))
        .filter(|(_, numbers)| !numbers.is_empty())
        .min_by_key(|(pid, numbers)| (numbers.last() != Some(&1), numbers.len(), *pid))
        .map(|(pid, _)| pid)
}

/// The path from the root of the hierarchy of the cgroup that process `pid` is in.
pub(super) fn cgroup_path(pid: u32) -> Result<PathBuf, ContainersError> {
    let text = match fs::read_to_string(format!("/proc/{pid}/cgroup")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ContainersError::NoProcess(pid)),
        text => text.context(|| format!("read the cgroup of process {pid}"))?,
    };
    v2_path(&text).ok_or(ContainersError::NoCgroup2)
}

/// The v2 hierarchy has number 0 and no controllers (cgroups(7)).
fn v2_path(text: &str) -> Option<PathBuf> {
    text.lines().find_map(|line| line.strip_prefix("0::")).map(PathBuf::from)
}

/// Its pid in each pid namespace it is in, from ours inwards; nothing if it is gone.
fn namespace_pids(pid: u32) -> Vec<u32> {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
        return Vec::new();
    };
    status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))
        .map(|numbers| numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_v2_line_is_found_among_v1_lines() {
        let text = "4:memory:/x\n1:name=systemd:/y\n0::/lxc.payload.a/init.scope\n";
        assert_eq!(v2_path(text), Some("/lxc.payload.a/init.scope".into()));
        assert_eq!(v2_path("4:memory:/x\n"), None);
    }

    #[test]
    fn we_have_a_pid_ourselves() {
        let pid = std::process::id();
        assert_eq!(namespace_pids(pid).first(), Some(&pid));
        assert_eq!(first(&[u32::MAX, pid]), Some(pid));
        assert_eq!(first(&[]), None);
    }
}

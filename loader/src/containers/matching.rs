//! Containers that patterns mean: which are there, and whether one that is just being made is meant.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{ContainersError, Hierarchy, docker, libvirt, lxc, nspawn, podman};
use crate::{
    api::{runtime::Runtime, target::Target},
    config::{Glob, Pattern, Runtimes},
};

/// A container that a pattern means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meant {
    /// What it is called where it comes from: by its runtime, or its cgroup.
    pub name: String,
    /// How it is recognised.
    pub target: Target,
}

impl fmt::Display for Meant {
    /// As it is written in a pattern that means it alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.target.runtimes.first_key_value(), self.target.cgroups.first()) {
            (Some((runtime, name)), _) => write!(f, "{runtime}:{name}"),
            (None, Some(path)) => write!(f, "{}", path.display()),
            (None, None) => f.write_str(&self.name),
        }
    }
}

impl Meant {
    /// One that a runtime knows by this name.
    pub fn named(runtime: Runtime, name: String) -> Self {
        let target = Target { runtimes: [(runtime, name.clone())].into(), ..Target::default() };
        Self { name, target }
    }

    fn at(cgroup: PathBuf) -> Self {
        let name = cgroup.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, target: Target { cgroups: vec![cgroup], ..Target::default() } }
    }
}

/// What a runtime has told of a container of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Its name.
    pub name: String,
    /// What is attached to it.
    pub attributes: Vec<(String, String)>,
}

impl Told {
    fn is_meant(&self, pattern: &Pattern, runtime: Runtime) -> bool {
        let mut attributes = self.attributes.iter();
        pattern.is_named(runtime, &self.name)
            || attributes.any(|(key, value)| pattern.has_attribute(runtime, key, value))
    }
}

/// Those that a pattern means and that may be running.
pub fn meant(
    places: &Runtimes,
    hierarchy: &Hierarchy,
    pattern: &Pattern,
) -> Result<Vec<Meant>, ContainersError> {
    let Some(runtime) = pattern.runtime() else {
        let Pattern::Cgroup(glob) = pattern else { return Ok(Vec::new()) };
        return Ok(cgroups(hierarchy, glob).into_iter().map(Meant::at).collect());
    };
    let by_name = |name: String| Told { name, attributes: Vec::new() };
    let told: Vec<_> = match runtime {
        Runtime::Lxc => lxc::names(hierarchy).into_iter().map(by_name).collect(),
        Runtime::Nspawn => nspawn::names(hierarchy).into_iter().map(by_name).collect(),
        Runtime::Libvirt => libvirt::names(places)?.into_iter().map(by_name).collect(),
        Runtime::Docker => docker::running(places)?,
        Runtime::Podman => podman::running(places, matches!(pattern, Pattern::Attribute { .. }))?,
    };
    let meant = told.into_iter().filter(|one| one.is_meant(pattern, runtime));
    Ok(meant.map(|one| Meant::named(runtime, one.name)).collect())
}

/// The container to which an OCI runtime has given this id, if the pattern means it. It need not run.
pub fn meant_by_id(places: &Runtimes, pattern: &Pattern, id: &str) -> Result<Option<Meant>, ContainersError> {
    let (runtime, told) = match pattern.runtime() {
        Some(Runtime::Docker) => (Runtime::Docker, docker::told(places, id)?),
        Some(Runtime::Podman) => (Runtime::Podman, podman::told(places, id)?),
        // They give no ids.
        Some(Runtime::Lxc | Runtime::Nspawn | Runtime::Libvirt) | None => return Ok(None),
    };
    let meant = told.filter(|one| one.is_meant(pattern, runtime));
    Ok(meant.map(|one| Meant::named(runtime, one.name)))
}

/// The paths of cgroups that a pattern means.
fn cgroups(hierarchy: &Hierarchy, glob: &Glob) -> Vec<PathBuf> {
    glob.parts().fold(vec![PathBuf::from("/")], |above, part| {
        above.iter().flat_map(|path| within(hierarchy, path, &part)).collect()
    })
}

fn within(hierarchy: &Hierarchy, path: &Path, part: &Glob) -> Vec<PathBuf> {
    let names = match part.literal() {
        Some(name) => vec![name.to_owned()],
        None => hierarchy.children(path).into_iter().filter(|name| part.is_match(name)).collect(),
    };
    names.into_iter().map(|name| path.join(name)).filter(|path| hierarchy.cgroup(path).is_ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn cgroups_are_found_by_their_paths() {
        let directory = tempfile::tempdir().unwrap();
        let hierarchy = Hierarchy::at(directory.path().canonicalize().unwrap());
        for path in ["ci.1/a", "ci.2/a", "ci.2/b", "other/a"] {
            fs::create_dir_all(hierarchy.mount().join(path)).unwrap();
        }
        fs::write(hierarchy.mount().join("ci.txt"), "").unwrap();
        let found = |text: &str| {
            let places = Runtimes::default();
            let mut all = meant(&places, &hierarchy, &text.parse().unwrap()).unwrap();
            all.sort_by(|one, other| one.target.cgroups.cmp(&other.target.cgroups));
            all.into_iter()
                .map(|one| (one.name, one.target.cgroups[0].display().to_string()))
                .collect::<Vec<_>>()
        };
        let pair = |name: &str, path: &str| (name.to_owned(), path.to_owned());
        assert_eq!(found("ci.*"), [pair("ci.1", "/ci.1"), pair("ci.2", "/ci.2")]);
        assert_eq!(found("ci.*/a"), [pair("a", "/ci.1/a"), pair("a", "/ci.2/a")]);
        assert_eq!(found("/ci.2/?"), [pair("a", "/ci.2/a"), pair("b", "/ci.2/b")]);
        assert_eq!(found("/other/a"), [pair("a", "/other/a")]);
        assert_eq!(found("/none/*"), []);
    }
}

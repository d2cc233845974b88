//! What Podman has written down about its containers: their names in its storage, and their first processes where it runs them.
//!
//! It is read rather than asked for: Podman has the container locked while it starts it, when a hook of ours wants to know.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    ContainersError,
    error::Context as _,
    matching::Told,
    oci::{Known, closeness, is_meant},
};
use crate::{api::runtime::Runtime, config::Runtimes};

/// Its lists there: the second one, in newer versions, of containers that go when they end (`--rm`). Both are in the other directory
/// where storage is transient.
const LISTS: [&str; 2] = ["containers.json", "volatile-containers.json"];

/// With what the directories end in which a storage driver keeps containers (containers/storage, store.go).
const DIRECTORY: &str = "-containers";

/// Of `containers.json` (containers/storage, containers.go).
#[derive(Deserialize)]
struct Container {
    id: String,
    #[serde(default)]
    names: Vec<String>,
}

/// Of what a runtime is given to make a container of (runtime-spec, config.md).
#[derive(Default, Deserialize)]
struct Bundle {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// The container that this name means.
pub(super) fn find(places: &Runtimes, name: &str) -> Result<Option<Known>, ContainersError> {
    let run = directories(&places.podman_run)?;
    let meant = all(places)?.into_iter().filter_map(|one| {
        let closeness = closeness(name, &one.id, one.names())?;
        let pid = run.iter().find_map(|directory| first_process(directory, &one.id));
        Some((closeness, Known { id: one.id, pid }))
    });
    // What a storage driver has kept that is not used any more does not run.
    Ok(meant.min_by_key(|(closeness, known)| (*closeness, known.pid.is_none())).map(|(_, known)| known))
}

/// Those that may be running, with what is attached to them if that is wanted.
pub(super) fn running(places: &Runtimes, with_attributes: bool) -> Result<Vec<Told>, ContainersError> {
    let run = directories(&places.podman_run)?;
    let is_running = |one: &Container| {
        let mut processes = run.iter().filter_map(|directory| first_process(directory, &one.id));
        processes.any(|pid| Path::new("/proc").join(pid.to_string()).exists())
    };
    let mut told = Vec::new();
    for one in all(places)?.into_iter().filter(is_running) {
        // Of one that is being removed there may be nothing left.
        let attributes =
            if with_attributes { one.attributes(places)?.unwrap_or_default() } else { Vec::new() };
        told.extend(one.names.into_iter().next().map(|name| Told { name, attributes }));
    }
    Ok(told)
}

/// What is told of the container of this id.
pub(super) fn told(places: &Runtimes, id: &str) -> Result<Option<Told>, ContainersError> {
    let Some(one) = all(places)?.into_iter().find(|one| one.id == id) else { return Ok(None) };
    let attributes = one.attributes(places)?;
    // It may be one that what cannot be read would tell of.
    let attributes = attributes.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
    let attributes = attributes.context(|| format!("read what Podman was told of container {id}"))?;
    Ok(one.names.into_iter().next().map(|name| Told { name, attributes }))
}

/// Whether this name means the container of this id.
pub(super) fn is_named(places: &Runtimes, name: &str, id: &str) -> Result<bool, ContainersError> {
    Ok(all(places)?.iter().any(|one| one.id == id && is_meant(name, id, one.names())))
}

fn all(places: &Runtimes) -> Result<Vec<Container>, ContainersError> {
    let lasting = directories(&places.podman)?;
    if lasting.is_empty() {
        let place = places.podman.clone();
        return Err(ContainersError::NoRuntime { runtime: Runtime::Podman, place });
    }
    let mut containers = Vec::new();
    for directory in lasting.into_iter().chain(directories(&places.podman_run)?) {
        for list in LISTS.map(|name| directory.join(name)) {
            containers.extend(read(&list).context(|| format!("read {}", list.display()))?);
        }
    }
    Ok(containers)
}

impl Container {
    /// Its annotations; none if they are not written down.
    fn attributes(&self, places: &Runtimes) -> Result<Option<Vec<(String, String)>>, ContainersError> {
        for directory in directories(&places.podman)?.into_iter().chain(directories(&places.podman_run)?) {
            let file = directory.join(&self.id).join("userdata/config.json");
            match fs::read(&file) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                bytes => {
                    let bundle = bytes.and_then(|bytes| Ok(serde_json::from_slice::<Bundle>(&bytes)?));
                    let bundle = bundle.context(|| format!("read {}", file.display()))?;
                    return Ok(Some(bundle.annotations.into_iter().collect()));
                }
            }
        }
        Ok(None)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

/// A storage driver's directory of containers, for each driver; none where there is nothing.
fn directories(place: &Path) -> Result<Vec<PathBuf>, ContainersError> {
    let entries = match fs::read_dir(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.context(|| format!("list {}", place.display()))?,
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter(|path| path.to_string_lossy().ends_with(DIRECTORY)).collect())
}

/// Nothing where there is no list.
fn read(list: &Path) -> io::Result<Vec<Container>> {
    match fs::read(list) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        // While the first one is being written.
        Ok(bytes) if bytes.is_empty() => Ok(Vec::new()),
        bytes => Ok(serde_json::from_slice(&bytes?)?),
    }
}

/// As conmon writes it, which outlives it.
fn first_process(directory: &Path, id: &str) -> Option<u32> {
    fs::read_to_string(directory.join(id).join("userdata/pidfile")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{process, slice};

    use super::*;

    #[test]
    fn containers_are_found_by_name_and_id() {
        let root = tempfile::tempdir().unwrap();
        let (podman, podman_run) = (root.path().join("lib"), root.path().join("run"));
        let (lasting, run) = (podman.join("vfs-containers"), podman_run.join("vfs-containers"));
        let places = Runtimes { podman, podman_run, ..Runtimes::default() };
        let error = find(&places, "web").unwrap_err().to_string();
        assert!(error.contains("Podman keeps no containers at /"), "{error}");

        let ids = ["3f4ea1b2c3d4e5f6", "a94ea1b2c3d4e5f6", "b24ea1b2c3d4e5f6"];
        let userdata = run.join(ids[0]).join("userdata");
        for directory in [&lasting, &userdata] {
            fs::create_dir_all(directory).unwrap();
        }
        let list = format!(
            r#"[{{"id":"{}","names":["web"],"image":"i","layer":"l"}},{{"id":"{}"}}]"#,
            ids[0], ids[1]
        );
        fs::write(lasting.join("containers.json"), list).unwrap();
        let volatile = |name| format!(r#"[{{"id":"{}","names":["{name}"]}}]"#, ids[2]);
        fs::write(lasting.join("volatile-containers.json"), volatile("once")).unwrap();
        fs::write(run.join("containers.json"), volatile("transient")).unwrap();
        // Of a driver that is not used any more.
        let former = places.podman.join("overlay-containers");
        fs::create_dir_all(&former).unwrap();
        fs::write(former.join("containers.json"), r#"[{"id":"0000","names":["web"]}]"#).unwrap();
        fs::write(userdata.join("pidfile"), format!("{}\n", process::id())).unwrap();

        let known = |name| find(&places, name).unwrap();
        let web = Known { id: ids[0].to_owned(), pid: Some(process::id()) };
        assert_eq!(known("web"), Some(web.clone()));
        assert_eq!(known(ids[0]), Some(web));
        assert_eq!(known("a94ea1b2c3d4"), Some(Known { id: ids[1].to_owned(), pid: None }));
        for name in ["once", "transient"] {
            assert_eq!(known(name), Some(Known { id: ids[2].to_owned(), pid: None }));
        }
        let is_named = |name, id| is_named(&places, name, id);
        assert!(is_named("web", ids[0]).unwrap() && is_named("web", "0000").unwrap());
        assert!(!is_named("web", ids[1]).unwrap());
        assert_eq!(known("cache"), None);
        let annotated = lasting.join(ids[0]).join("userdata");
        fs::create_dir_all(&annotated).unwrap();
        fs::write(annotated.join("config.json"), r#"{"ociVersion":"1","annotations":{"berth":"yes"}}"#)
            .unwrap();
        let web = Told { name: "web".to_owned(), attributes: vec![("berth".to_owned(), "yes".to_owned())] };
        assert_eq!(running(&places, true).unwrap(), slice::from_ref(&web));
        assert_eq!(running(&places, false).unwrap()[0].attributes, []);
        assert_eq!(told(&places, ids[0]).unwrap(), Some(web));
        assert_eq!(told(&places, "none").unwrap(), None);
        // What it is meant by cannot be told.
        assert!(
            told(&places, ids[1]).unwrap_err().to_string().contains("what Podman was told of container a94e")
        );
        fs::write(annotated.join("config.json"), "{").unwrap();
        assert!(running(&places, true).is_err() && told(&places, ids[0]).is_err());
        fs::write(former.join("containers.json"), "[{").unwrap();
        assert!(is_named("web", ids[0]).is_err());
    }
}

//! What Docker has written down about its containers.
//!
//! It is read rather than asked for: a daemon that is busy, or waits for a hook of ours, would keep us waiting.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::Deserialize;

use super::{
    ContainersError,
    error::Context as _,
    matching::Told,
    oci::{Known, closeness, is_meant},
};
use crate::{api::runtime::Runtime, config::Runtimes};

/// Of `containers/ID/config.v2.json` (moby, container/container.go).
#[derive(Deserialize)]
struct Container {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "State")]
    state: State,
    #[serde(rename = "Config", default)]
    config: Config,
}

#[derive(Default, Deserialize)]
struct Config {
    #[serde(rename = "Labels", default)]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct State {
    #[serde(rename = "Running", default)]
    running: bool,
    #[serde(rename = "Pid", default)]
    pid: u32,
}

/// The container that this name means.
pub(super) fn find(places: &Runtimes, name: &str) -> Result<Option<Known>, ContainersError> {
    let meant = all(places)?.filter_map(|one| Some((closeness(name, &one.id, one.names())?, one)));
    Ok(meant
        .min_by_key(|(closeness, _)| *closeness)
        .map(|(_, container)| Known { pid: container.first_process(), id: container.id }))
}

/// Those that run.
pub(super) fn running(places: &Runtimes) -> Result<Vec<Told>, ContainersError> {
    let running = all(places)?.filter(|container| container.first_process().is_some());
    Ok(running.filter_map(Container::told).collect())
}

/// What is told of the container of this id.
pub(super) fn told(places: &Runtimes, id: &str) -> Result<Option<Told>, ContainersError> {
    Ok(of_id(places, id)?.and_then(Container::told))
}

/// Whether this name means the container of this id.
pub(super) fn is_named(places: &Runtimes, name: &str, id: &str) -> Result<bool, ContainersError> {
    Ok(of_id(places, id)?.is_some_and(|container| is_meant(name, id, container.names())))
}

fn all(places: &Runtimes) -> Result<impl Iterator<Item = Container>, ContainersError> {
    let place = places.docker.join("containers");
    let entries = match fs::read_dir(&place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ContainersError::NoRuntime { runtime: Runtime::Docker, place });
        }
        entries => entries.context(|| format!("list {}", place.display()))?,
    };
    // One that is being made or removed may have nothing to read.
    Ok(entries.filter_map(|entry| read(&entry.ok()?.path()).ok()?))
}

fn of_id(places: &Runtimes, id: &str) -> Result<Option<Container>, ContainersError> {
    let directory = places.docker.join("containers").join(id);
    read(&directory).context(|| format!("read {}", directory.display()))
}

impl Container {
    fn first_process(&self) -> Option<u32> {
        Some(self.state.pid).filter(|pid| self.state.running && *pid != 0)
    }

    fn told(self) -> Option<Told> {
        let name = self.names()?.to_owned();
        Some(Told { name, attributes: self.config.labels.unwrap_or_default().into_iter().collect() })
    }

    fn names(&self) -> Option<&str> {
        self.name.strip_prefix('/')
    }
}

/// What is written in a container's directory; none if there is nothing.
fn read(directory: &Path) -> io::Result<Option<Container>> {
    match fs::read(directory.join("config.v2.json")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => Ok(Some(serde_json::from_slice(&bytes?)?)),
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    #[test]
    fn containers_are_found_by_name_and_id() {
        let root = tempfile::tempdir().unwrap();
        let places = Runtimes { docker: root.path().to_owned(), ..Runtimes::default() };
        let error = find(&places, "web").unwrap_err().to_string();
        assert!(error.contains("Docker keeps no containers at /") && error.contains("[runtimes]"), "{error}");

        let ids = ["3f4ea1b2c3d4e5f6", "a94ea1b2c3d4e5f6", "0000000000000000"];
        let started = format!(
            r#"{{"State":{{"Running":true,"Pid":712}},"ID":"{}","Name":"/web","Config":{{"Labels":{{"tier":"front"}}}}}}"#,
            ids[0]
        );
        let ended = started.replace("712", "0").replace("true", "false").replace(ids[0], ids[1]);
        let texts = [started, ended.replace("/web", "/db"), "{".to_owned()];
        for (id, text) in ids.iter().zip(&texts) {
            let directory = root.path().join("containers").join(id);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("config.v2.json"), text).unwrap();
        }
        let known = |name| find(&places, name).unwrap();
        let web = Known { id: ids[0].to_owned(), pid: Some(712) };
        assert_eq!(known("web"), Some(web.clone()));
        assert_eq!(known("3f4ea1b2c3d4"), Some(web));
        assert_eq!(known("db"), Some(Known { id: ids[1].to_owned(), pid: None }));
        assert_eq!(known("/web"), None);
        let is_named = |name, id| is_named(&places, name, id);
        assert!(is_named("web", ids[0]).unwrap() && !is_named("web", ids[1]).unwrap());
        assert!(!is_named("web", "none").unwrap() && is_named("web", ids[2]).is_err());
        assert_eq!(known("cache"), None);
        let web = Told { name: "web".to_owned(), attributes: vec![("tier".to_owned(), "front".to_owned())] };
        assert_eq!(running(&places).unwrap(), slice::from_ref(&web));
        assert_eq!(told(&places, ids[0]).unwrap(), Some(web));
        assert_eq!(told(&places, "none").unwrap(), None);
    }
}

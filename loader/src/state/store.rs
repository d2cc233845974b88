//! The state file.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{SetStore, State, StateError, record::VERSION};

/// Name of the file.
const FILE: &str = "state.json";
/// Name of the file while it is written.
const NEW_FILE: &str = "state.json.new";

/// The state file.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// The state file in `directory`, which is made when something is saved.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Where the file is.
    pub fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// Reads the state; none if nothing was ever saved. Leaves the file as it is, whatever is in it.
    pub fn load(&self) -> Result<Option<State>, StateError> {
        let path = self.path();
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|error| failed("read", &path, error))?,
        };
        let corrupt = |error| StateError::Corrupt { path: path.clone(), error };
        // A later version may have any shape, so its number is read first.
        let Versioned { version } = serde_json::from_slice(&bytes).map_err(corrupt)?;
        if version > u64::from(VERSION) {
            return Err(StateError::Newer { path, found: version });
        }
        let mut state: State = serde_json::from_slice(&bytes).map_err(corrupt)?;
        state.containers.sort_by_key(|record| record.id);
        Ok(Some(state))
    }

    /// Replaces the file: after a power cut at any instant, it holds either what was there or `state`, whole.
    pub fn save(&self, state: &State) -> Result<(), StateError> {
        let (path, new) = (self.path(), self.directory.join(NEW_FILE));
        make_directory(&self.directory)?;
        let bytes = serde_json::to_vec(state).map_err(|error| failed("write", &new, error.into()))?;
        write_through(&new, &bytes).map_err(|error| failed("write", &new, error))?;
        fs::rename(&new, &path).map_err(|error| failed("replace", &path, error))?;
        sync_directory(&self.directory)
    }

    /// The files of named sets.
    pub fn sets(&self) -> SetStore {
        SetStore::new(&self.directory)
    }
}

#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

/// Makes a directory, and its own entry such that it outlasts a power cut too.
pub(super) fn make_directory(directory: &Path) -> Result<(), StateError> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| failed("make", directory, error))?;
    directory.parent().map_or(Ok(()), sync_directory)
}

pub(super) fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

pub(super) fn sync_directory(path: &Path) -> Result<(), StateError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|error| failed("sync", path, error))
}

pub(super) fn failed(what: &'static str, path: &Path, error: io::Error) -> StateError {
    StateError::Io { what, path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{mode::Mode, runtime::Runtime, settings::Settings},
        config::Config,
        state::{Attached, Definition, Instance, Record, Reservation},
    };

    fn example() -> State {
        let mut state = State::new();
        state.last_id = 7;
        state.instance = Some(Instance { boot: "b".to_owned(), netns: 5 });
        state.local_ports = vec![40_000];
        state.config = Some(Config::default());
        state.put(Record {
            id: 7,
            name: "b".parse().unwrap(),
            generation: 2,
            definition: None,
            template: Some("t".parse().unwrap()),
            rules: crate::state::Rules {
                ipv4: Some("*filter\nCOMMIT\n".to_owned()),
                changes: 3,
                ..Default::default()
            },
            attached: Attached::default(),
        });
        let definition = Definition {
            cgroups: vec!["/a".into()],
            interfaces: vec!["veth0".to_owned()],
            runtimes: [(Runtime::Lxc, "a".to_owned())].into(),
            settings: Settings {
                mode: Some(Mode::Full),
                ports: Some("80,90-99".parse().unwrap()),
                addresses: Some(vec!["192.0.2.1".parse().unwrap()]),
                ..Settings::default()
            },
        };
        let definition = Some(definition);
        let attached = Attached { cgroups: vec![9], interfaces: vec![2], announced: None };
        state.put(Record {
            id: 3,
            name: "a".parse().unwrap(),
            generation: 1,
            definition,
            template: None,
            rules: crate::state::Rules::default(),
            attached,
        });
        state.reservations.push(Reservation {
            id: 7,
            service: "tcp/80".parse().unwrap(),
            address: "::".parse().unwrap(),
            raw: true,
            to: None,
        });
        state.reservations.push(Reservation {
            id: 3,
            service: "tcp/81".parse().unwrap(),
            address: "0.0.0.0".parse().unwrap(),
            raw: false,
            to: Some("192.0.2.1:8081".parse().unwrap()),
        });
        state
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(&directory.path().join("some/where"));
        assert_eq!(store.load().unwrap(), None);
        let state = example();
        store.save(&state).unwrap();
        assert_eq!(store.load().unwrap(), Some(state.clone()));
        store.save(&State { last_id: 8, ..state }).unwrap();
        assert_eq!(store.load().unwrap().unwrap().last_id, 8);
    }

    #[test]
    fn reservations_of_before_there_was_anything_published_are_read() {
        let text = r#"{"id":1,"service":"tcp/80","address":"0.0.0.0","raw":false}"#;
        let reservation: Reservation = serde_json::from_str(text).unwrap();
        assert!(!reservation.is_published());
        assert_eq!(serde_json::to_string(&reservation).unwrap(), text);
    }

    #[test]
    fn half_a_write_leaves_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        store.save(&example()).unwrap();
        fs::write(directory.path().join(NEW_FILE), "{\"version\": 1, \"las").unwrap();
        assert_eq!(store.load().unwrap(), Some(example_with_generation(&store)));
        store.save(&example()).unwrap();
    }

    fn example_with_generation(store: &Store) -> State {
        State { generation: store.load().unwrap().unwrap().generation, ..example() }
    }

    #[test]
    fn what_it_cannot_read_is_refused_and_kept() {
        for (text, word) in [
            ("", "damaged"),
            ("{\"version\":1", "damaged"),
            ("{\"version\":1}", "damaged"),
            ("{\"version\":99,\"all\":\"new\"}", "has version 99"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let store = Store::new(directory.path());
            fs::write(store.path(), text).unwrap();
            let message = store.load().unwrap_err().to_string();
            assert!(message.contains(word) && !message.contains('\n'), "{message}");
            assert_eq!(fs::read_to_string(store.path()).unwrap(), text);
        }
    }
}

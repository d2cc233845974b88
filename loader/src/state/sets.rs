//! Files of named sets: for each container that has any, one to which every change is appended.
//!
//! A file has one batch of steps a line, as JSON. A line that a power cut has left unfinished is at the end, and counts for
//! nothing. Now and then the file is replaced by one that leads to the same sets at once.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    StateError,
    store::{failed, make_directory, sync_directory, write_through},
};
use crate::sets::Step;

/// Files that are longer than this, and than so many bytes for each entry, are written anew.
const LONG: u64 = 1 << 16;
const LONG_ENTRY: u64 = 128;

/// Steps that were taken together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Counts the changes of a container's sets.
    pub batch: u32,
    /// What was done.
    pub steps: Vec<Step>,
}

/// Whose sets: id and generation.
pub type Whose = (u32, u32);

/// The directory of those files.
#[derive(Clone, Debug)]
pub struct SetStore {
    directory: PathBuf,
}

impl SetStore {
    pub(super) fn new(state: &Path) -> Self {
        Self { directory: state.join("sets") }
    }

    fn path(&self, (id, generation): Whose) -> PathBuf {
        self.directory.join(format!("{id}-{generation}.jsonl"))
    }

    /// All batches that are on file. What is behind the last whole one goes.
    pub fn load(&self, whose: Whose) -> Result<Vec<Batch>, StateError> {
        let path = self.path(whose);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            bytes => bytes.map_err(|error| failed("read", &path, error))?,
        };
        let mut batches = Vec::new();
        let mut end = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(batch) if line.ends_with(b"\n") => batches.push(batch),
                // Nothing was ever written behind a line that was not finished.
                _ if end + line.len() == text.len() => break,
                Ok(_) => break,
                Err(error) => return Err(StateError::Corrupt { path, error }),
            }
            end += line.len();
        }
        if end < text.len() {
            let file =
                OpenOptions::new().write(true).open(&path).map_err(|error| failed("open", &path, error))?;
            let cut = file.set_len(end as u64).and_then(|()| file.sync_all());
            cut.map_err(|error| failed("shorten", &path, error))?;
        }
        Ok(batches)
    }

    /// Adds a batch. Returns whether the file has become so long that it should be replaced, with so many entries in all.
    pub fn append(&self, whose: Whose, batch: &Batch, entries: u64) -> Result<bool, StateError> {
        let path = self.path(whose);
        make_directory(&self.directory)?;
        let fresh = !path.exists();
        let line = [json(&path, batch)?, b"\n".to_vec()].concat();
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed("open", &path, error))?;
        let before = file.metadata().map_err(|error| failed("inspect", &path, error))?.len();
        if let Err(error) = file.write_all(&line).and_then(|()| file.sync_data()) {
            // Half a line must not stand before the next one.
            let _ = file.set_len(before);
            return Err(failed("write", &path, error));
        }
        if fresh {
            sync_directory(&self.directory)?;
        }
        let long = before + line.len() as u64;
        Ok(long > LONG && long > entries.saturating_mul(LONG_ENTRY))
    }

    /// Replaces the file by one with this batch alone.
    pub fn replace(&self, whose: Whose, batch: &Batch) -> Result<(), StateError> {
        make_directory(&self.directory)?;
        let path = self.path(whose);
        let new = path.with_extension("new");
        write_through(&new, &json(&path, batch)?).map_err(|error| failed("write", &new, error))?;
        fs::rename(&new, &path).map_err(|error| failed("replace", &path, error))?;
        sync_directory(&self.directory)
    }

    /// Removes the files of all but these containers.
    pub fn keep_only(&self, all: &[Whose]) -> Result<(), StateError> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(|error| failed("read", &self.directory, error))?,
        };
        let known: Vec<PathBuf> = all.iter().map(|whose| self.path(*whose)).collect();
        for entry in entries {
            let path = entry.map_err(|error| failed("read", &self.directory, error))?.path();
            if !known.contains(&path) {
                fs::remove_file(&path).map_err(|error| failed("remove", &path, error))?;
            }
        }
        Ok(())
    }
}

fn json(path: &Path, batch: &Batch) -> Result<Vec<u8>, StateError> {
    serde_json::to_vec(batch).map_err(|error| failed("write", path, error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(number: u32) -> Batch {
        Batch { batch: number, steps: vec![Step::Add("a".to_owned(), vec!["192.0.2.1".to_owned()])] }
    }

    #[test]
    fn what_was_appended_is_there_but_for_half_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let store = SetStore::new(directory.path());
        assert_eq!(store.load((1, 2)).unwrap(), []);
        store.append((1, 2), &batch(1), 1).unwrap();
        store.append((1, 2), &batch(2), 1).unwrap();
        let path = store.path((1, 2));
        let whole = fs::read(&path).unwrap();
        for cut in 1..whole.len() / 2 {
            fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            assert_eq!(store.load((1, 2)).unwrap(), [batch(1)], "{cut}");
            store.append((1, 2), &batch(3), 1).unwrap();
            assert_eq!(store.load((1, 2)).unwrap(), [batch(1), batch(3)], "{cut}");
        }
        // Blocks that were never written are zeros.
        fs::write(&path, [&whole[..], &[0; 100]].concat()).unwrap();
        assert_eq!(store.load((1, 2)).unwrap(), [batch(1), batch(2)]);
    }

    #[test]
    fn damage_in_the_middle_is_told_and_left() {
        let directory = tempfile::tempdir().unwrap();
        let store = SetStore::new(directory.path());
        store.append((1, 2), &batch(1), 1).unwrap();
        store.append((1, 2), &batch(2), 1).unwrap();
        let path = store.path((1, 2));
        let mut bytes = fs::read(&path).unwrap();
        bytes[3] = b'#';
        fs::write(&path, &bytes).unwrap();
        assert!(store.load((1, 2)).unwrap_err().to_string().contains("damaged"));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn long_files_are_replaced_and_others_go() {
        let directory = tempfile::tempdir().unwrap();
        let store = SetStore::new(directory.path());
        let many = Batch { batch: 1, steps: vec![Step::Flush("x".repeat(70_000))] };
        assert!(!store.append((1, 2), &batch(1), 1).unwrap());
        assert!(!store.append((1, 2), &many, 1_000).unwrap());
        assert!(store.append((1, 2), &batch(1), 1).unwrap());
        store.replace((1, 2), &batch(9)).unwrap();
        store.append((1, 2), &batch(10), 1).unwrap();
        assert_eq!(store.load((1, 2)).unwrap(), [batch(9), batch(10)]);
        store.append((1, 3), &batch(1), 1).unwrap();
        store.keep_only(&[(1, 3)]).unwrap();
        assert_eq!(store.load((1, 2)).unwrap(), []);
        assert_eq!(store.load((1, 3)).unwrap(), [batch(1)]);
    }
}

//! What the rules of others were when somebody last looked.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// Name of the file, in the directory that is gone after a reboot, as rules are.
const FILE: &str = "foreign-rules.json";

/// A look.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When.
    pub at: String,
    /// The rules that there were.
    pub rules: Vec<String>,
}

impl Look {
    /// Now.
    pub fn now(rules: Vec<String>) -> Self {
        Self { at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(), rules }
    }

    /// The last one that was kept in a directory.
    pub fn last(directory: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path(directory)).ok()?).ok()
    }

    /// Keeps it there, if there is such a directory. Nothing depends on it.
    pub fn keep(&self, directory: &Path) {
        let (path, fresh) = (path(directory), directory.join(format!("{FILE}.new")));
        let written = serde_json::to_vec(self).map_err(Into::into).and_then(|bytes| fs::write(&fresh, bytes));
        if written.is_ok() {
            let _ = fs::rename(fresh, path);
        }
    }

    /// What is there now and was not at an earlier look, and the other way round.
    pub fn changes(&self, earlier: &Self) -> (Vec<String>, Vec<String>) {
        (missing(&self.rules, &earlier.rules), missing(&earlier.rules, &self.rules))
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

/// Those of the first that the second has not, or has less often, in their order.
fn missing(of: &[String], from: &[String]) -> Vec<String> {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for rule in from {
        *left.entry(rule).or_default() += 1;
    }
    let is_missing = |rule: &&String| match left.get_mut(rule.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    of.iter().filter(is_missing).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(rules: &[&str]) -> Look {
        Look { at: "then".to_owned(), rules: rules.iter().map(|&rule| rule.to_owned()).collect() }
    }

    #[test]
    fn changes_count_what_is_there_several_times() {
        let (before, after) = (look(&["a", "b", "b", "c"]), look(&["d", "b", "a", "a"]));
        assert_eq!(after.changes(&before), (look(&["d", "a"]).rules, look(&["b", "c"]).rules));
        assert_eq!(before.changes(&before), (vec![], vec![]));
    }

    #[test]
    fn the_last_look_is_kept_where_there_is_room_for_it() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Look::last(directory.path()), None);
        look(&["a"]).keep(directory.path());
        assert_eq!(Look::last(directory.path()), Some(look(&["a"])));
        let nowhere = directory.path().join("none");
        look(&["a"]).keep(&nowhere);
        assert!(!nowhere.exists());
    }
}

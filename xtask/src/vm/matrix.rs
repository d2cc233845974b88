//! The kernels to boot: `tests/kernels.toml`.

use std::fs;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::arch::Arch;
use crate::workspace::Workspace;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    pub suites: Vec<Suite>,
    pub modules: Vec<String>,
    #[serde(rename = "kernel")]
    pub kernels: Vec<Wanted>,
    #[serde(default)]
    cannot: Vec<Cannot>,
    /// Tests that tell nothing of a kernel.
    #[serde(default)]
    native: Vec<Cannot>,
    pub brief: Brief,
}

/// How brief runs go about it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brief {
    /// Beginnings of the names of tests that every kernel runs.
    pub everywhere: Vec<String>,
    /// Of the others, one in so many is some kernel's.
    pub one_in: u32,
}

/// A suite of a Debian archive.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    pub archive: String,
    pub suite: String,
}

/// A kernel that is wanted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    pub name: String,
    /// The machine that it runs on.
    #[serde(default = "usual")]
    pub arch: Arch,
    /// The beginning of its version; the newest of all without it.
    pub series: Option<String>,
    /// Beginnings of the names of the tests that it runs unless told; all if there are none.
    #[serde(default)]
    pub tests: Vec<String>,
}

fn usual() -> Arch {
    Arch::X86_64
}

/// Tests that are not to run somewhere.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cannot {
    test: String,
    kernels: Option<Vec<String>>,
    reason: String,
}

impl Matrix {
    pub fn read(workspace: &Workspace) -> Result<Self> {
        let path = workspace.root.join("tests/kernels.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is wrong", path.display()))
    }

    /// The kernels of these names; the oldest and the newest that run `here` if there are none.
    pub fn select(&self, names: &[String], all: bool, here: Arch) -> Result<Vec<Wanted>> {
        if all {
            return Ok(self.kernels.clone());
        }
        if names.is_empty() {
            let own: Vec<&Wanted> = self.kernels.iter().filter(|kernel| kernel.arch == here).collect();
            return Ok(match own[..] {
                [oldest, .., newest] => vec![oldest.clone(), newest.clone()],
                _ => own.into_iter().cloned().collect(),
            });
        }
        names.iter().map(|name| self.find(name)).collect()
    }

    /// Tests that `kernel` cannot run, or need not if it is to be `brief`; each as the beginning of names and the reason.
    pub fn cannot(&self, kernel: &str, brief: bool) -> Vec<(String, String)> {
        let native = if brief { self.native.as_slice() } else { &[] };
        self.cannot
            .iter()
            .chain(native)
            .filter(|cannot| {
                cannot.kernels.as_ref().is_none_or(|kernels| kernels.iter().any(|name| name == kernel))
            })
            .map(|cannot| (cannot.test.clone(), cannot.reason.clone()))
            .collect()
    }

    fn find(&self, name: &str) -> Result<Wanted> {
        if let Some(kernel) = self.kernels.iter().find(|kernel| kernel.name == name) {
            return Ok(kernel.clone());
        }
        let known: Vec<&str> = self.kernels.iter().map(|kernel| kernel.name.as_str()).collect();
        bail!("tests/kernels.toml has no kernel {name}: it has {}", known.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        suites = []
        modules = []
        kernel = [
            { name = "6.1", series = "6.1" }, { name = "6.12", series = "6.12" }, { name = "newest" },
            { name = "arm", arch = "aarch64" },
        ]
        brief = { everywhere = ["lsm::"], one_in = 2 }
        cannot = [{ test = "a::", kernels = ["6.1"], reason = "old" }, { test = "b", reason = "never" }]
        native = [{ test = "c", reason = "it only parses" }]
    "#;

    #[test]
    fn the_oldest_and_the_newest_are_picked_unless_told() {
        let matrix: Matrix = toml::from_str(TEXT).unwrap();
        let names = |names: &[&str], all| -> Vec<String> {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            matrix.select(&names, all, Arch::X86_64).unwrap().into_iter().map(|kernel| kernel.name).collect()
        };
        assert_eq!(names(&[], false), ["6.1", "newest"]);
        assert_eq!(names(&["6.12"], false), ["6.12"]);
        assert_eq!(names(&[], true).len(), 4);
        assert_eq!(matrix.select(&[], false, Arch::Aarch64).unwrap().len(), 1);
        let error = matrix.select(&["5.4".to_owned()], false, Arch::X86_64).unwrap_err().to_string();
        assert!(error.contains("it has 6.1, 6.12, newest, arm"), "{error}");
    }

    #[test]
    fn what_cannot_run_is_known_by_kernel() {
        let matrix: Matrix = toml::from_str(TEXT).unwrap();
        assert_eq!(matrix.cannot("6.1", false).len(), 2);
        assert_eq!(matrix.cannot("newest", false), [("b".to_owned(), "never".to_owned())]);
        assert_eq!(matrix.cannot("newest", true).len(), 2);
    }

    #[test]
    fn the_project_s_own_matrix_is_well_formed() {
        let text = include_str!("../../../tests/kernels.toml");
        toml::from_str::<Matrix>(text).unwrap();
    }
}

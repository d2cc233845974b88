//! A node to be asked for what it has to refuse.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use berth_tests::leaks::Objects;
use berth_tests::process::run_for;
use berth_tests::{Berth, Output, SharedNode};
use serde_json::Value;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Refused or failed.
pub const FAILED: i32 = 1;
/// The command line makes no sense.
pub const USAGE: i32 = 2;
/// No daemon, and nothing in force.
pub const UNREACHABLE: i32 = 3;
/// No permission, or no support by the kernel.
pub const UNSUPPORTED: i32 = 4;

/// What must not change by a request that is refused.
#[derive(Debug, PartialEq)]
pub struct Snapshot {
    containers: Value,
    ports: Value,
    files: Vec<PathBuf>,
    state: Value,
}

impl Snapshot {
    /// As it is now.
    pub fn take(berth: &Berth) -> Result<Self> {
        let mut files = Vec::new();
        list(berth.pin_dir(), &mut files)?;
        let mut containers = berth.json(["container", "list"])?;
        for container in containers.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            // A guest's kernel may say something at any time.
            container
                .retain(|key, _| !["in", "out", "local", "dropped", "forwarded"].contains(&key.as_str()));
        }
        let mut state: Value = serde_json::from_slice(&fs::read(berth.state_dir().join("state.json"))?)?;
        // Numbers that were given out for what came to nothing are not given out again.
        state.as_object_mut().context("the state")?.retain(|key, _| key != "last_id" && key != "generation");
        Ok(Self { containers, ports: berth.json(["ports", "list"])?, files, state })
    }
}

/// Asks for what has to be refused, one after the other: (command line, exit code, what the one line must say). After
/// each, everything is as it was.
pub fn refuses(node: &SharedNode, cases: &[(&str, i32, &str)]) -> Result<()> {
    let objects = Objects::pinned_under(node.berth.pin_dir())?;
    let before = Snapshot::take(&node.berth)?;
    for &(line, code, words) in cases {
        let output = node.berth.run(line.split_whitespace())?;
        is_refusal(&output, code, words).with_context(|| format!("berth {line}"))?;
        let after = Snapshot::take(&node.berth).with_context(|| format!("after berth {line}"))?;
        assert_eq!(after, before, "berth {line}");
    }
    assert_eq!(Objects::pinned_under(node.berth.pin_dir())?, objects);
    Ok(())
}

/// Runs a command line, whatever comes of it.
pub fn run(command: &mut Command) -> Result<Output> {
    run_for(command, PATIENCE)
}

/// Whether this is a refusal in one clear line.
pub fn is_refusal(output: &Output, code: i32, words: &str) -> Result<()> {
    ensure!(output.code() == Some(code), "not exit code {code}: {output:?}");
    ensure!(output.stdout.is_empty(), "something on standard output: {output:?}");
    // Those that put something in force tell what they do.
    let mut lines = output.stderr.lines().filter(|line| !line.contains(" INFO  berth::"));
    let line = lines.next().unwrap_or_default();
    ensure!(lines.next().is_none(), "not one line: {output:?}");
    ensure!(line.starts_with("berth: ") && line.contains(words), "no {words:?}: {output:?}");
    ensure!(!line.contains("Error") && !line.contains("os error 0"), "not clear: {output:?}");
    Ok(())
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(directory)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        files.push(entry.path());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        }
    }
    Ok(())
}

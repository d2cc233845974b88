//! The test programs, built and gathered.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::setup::cross::Cross;

/// What cargo has built for the privileged tests.
#[derive(Debug, Default)]
pub struct Suite {
    /// Programs with tests in them, by the names of their targets.
    pub tests: Vec<(String, PathBuf)>,
    /// Programs that the tests run.
    pub binaries: Vec<(String, PathBuf)>,
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Builds the tests as `cargo xtask test` does.
pub fn build(cross: Cross) -> Result<Suite> {
    let Cross { mut cargo, arguments } = cross;
    cargo.args(["test", "--package", "berth-tests", "--lib", "--bins", "--tests", "--no-run"]);
    cargo.arg("--message-format=json-render-diagnostics").args(arguments);
    let messages = output(&mut cargo)?;
    let suite = gather(&messages)?;
    if suite.tests.is_empty() {
        bail!("cargo has built no tests");
    }
    Ok(suite)
}

/// What it says of its progress is shown.
fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the tests do not build");
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn gather(messages: &str) -> Result<Suite> {
    let mut suite = Suite::default();
    for line in messages.lines() {
        let message: Message = serde_json::from_str(line).context("cargo's messages are not as expected")?;
        let (Some(target), Some(profile), Some(path)) = (message.target, message.profile, message.executable)
        else {
            continue;
        };
        if message.reason != "compiler-artifact" {
            continue;
        }
        if !profile.test {
            suite.binaries.push((target.name, path));
        } else if target.kind.iter().any(|kind| kind == "bin") {
            // A program's own tests; its name is another's too.
            suite.tests.push((format!("{}-bin", target.name), path));
        } else {
            suite.tests.push((target.name, path));
        }
    }
    suite.tests.sort();
    Ok(suite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_what_they_run_are_told_apart() {
        let artifact = |name: &str, kind: &str, test: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"name":"{name}","kind":["{kind}"]}},
                   "profile":{{"test":{test}}},"executable":"/t/{name}"}}"#
            )
            .replace('\n', "")
        };
        let messages = [
            artifact("ports", "test", true),
            artifact("helper", "bin", false),
            artifact("helper", "bin", true),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        let suite = gather(&messages.join("\n")).unwrap();
        let names: Vec<&str> = suite.tests.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["helper-bin", "ports"]);
        assert_eq!(suite.binaries, [("helper".to_owned(), PathBuf::from("/t/helper"))]);
    }
}

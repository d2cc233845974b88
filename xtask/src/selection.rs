//! Privileged tests by their names: `program::test` or parts of that, as in the machines of `cargo xtask vm`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::command;
use crate::suite::Suite;

/// Test programs, each with those of its tests that are meant.
pub type Selection = Vec<(PathBuf, Vec<String>)>;

/// What is meant by words of a command line: parts of names, and from the first one on that begins with a dash, options.
pub fn split(words: &[String]) -> (&[String], &[String]) {
    let names = words.iter().take_while(|word| !word.starts_with('-')).count();
    words.split_at(names)
}

/// Nothing, if none has such a name.
pub fn select(suite: &Suite, parts: &[String]) -> Result<Selection> {
    let mut selection = Selection::new();
    for (program, path) in &suite.tests {
        let listed = command::output(Command::new(path).args(["--list", "--format", "terse"]))?;
        let tests = meant(program, &listed, parts);
        if !tests.is_empty() {
            selection.push((path.clone(), tests));
        }
    }
    Ok(selection)
}

/// Of what a program has listed.
fn meant(program: &str, listed: &str, parts: &[String]) -> Vec<String> {
    let tests = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    let is_meant = |test: &&str| {
        let name = format!("{program}::{test}");
        parts.iter().any(|part| name.contains(part))
    };
    tests.filter(is_meant).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_come_after_names() {
        let words = words("binds flows --nocapture --skip x");
        let (names, options) = split(&words);
        assert_eq!((names.len(), options.len()), (2, 3));
    }

    #[test]
    fn programs_have_names_too() {
        let listed = "one::a: test\nb: test\nbench: benchmark\n\n2 tests, 1 benchmark\n";
        assert_eq!(meant("binds", listed, &words("binds::b")), ["b"]);
        assert_eq!(meant("binds", listed, &words("s::one")), ["one::a"]);
        assert_eq!(meant("binds", listed, &words("binds")), ["one::a", "b"]);
        assert!(meant("binds", listed, &words("ports")).is_empty());
    }
}

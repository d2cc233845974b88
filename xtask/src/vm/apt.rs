//! A package tree of our own: Debian's packages of any suite, without root and without touching the system's.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::matrix::Suite;
use super::mirrors;
use crate::command;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

pub struct Apt {
    root: PathBuf,
}

/// One file that apt would fetch.
#[derive(Debug, PartialEq, Eq)]
pub struct Download {
    pub file: String,
    pub sha256: String,
}

impl Apt {
    /// The tree in `root`, for these suites; fetches their indexes.
    pub fn update(root: &Path, suites: &[Suite]) -> Result<Self> {
        let apt = Self { root: root.to_path_buf() };
        for directory in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(directory))?;
        }
        fs::write(root.join("status"), "")?;
        fs::write(root.join("sources.list"), sources(suites)?)?;
        fs::write(root.join("apt.conf"), apt.configuration())?;
        command::output(apt.command("apt-get").arg("update"))?;
        Ok(apt)
    }

    /// The packages whose names begin so.
    pub fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let names = command::output(self.command("apt-cache").args(["pkgnames", prefix]))?;
        Ok(names.lines().map(ToOwned::to_owned).collect())
    }

    /// What `fetch` would fetch.
    pub fn downloads(&self, packages: &[String]) -> Result<Vec<Download>> {
        let uris =
            command::output(self.command("apt-get").args(["--print-uris", "download"]).args(packages))?;
        let found: Vec<Download> = uris.lines().filter_map(parse).collect();
        if found.len() != packages.len() {
            bail!("apt-get offers {} files for {}", found.len(), packages.join(" "));
        }
        Ok(found)
    }

    /// Fetches packages into a directory; apt checks them against the signed index.
    pub fn fetch(&self, packages: &[String], directory: &Path) -> Result<()> {
        let mut fetch = self.command("apt-get");
        command::output(fetch.current_dir(directory).arg("download").args(packages)).map(drop)
    }

    /// By a file: the system's own hooks would be run in spite of options on the command line.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.root.join("apt.conf")).env("LC_ALL", "C");
        command
    }

    fn configuration(&self) -> String {
        let root = self.root.display();
        format!(
            "Dir::Etc::main \"/dev/null\";\n\
             Dir::Etc::parts \"/dev/null\";\n\
             Dir::Etc::sourcelist \"{root}/sources.list\";\n\
             Dir::Etc::sourceparts \"/dev/null\";\n\
             Dir::State \"{root}/state\";\n\
             Dir::State::status \"{root}/status\";\n\
             Dir::Cache \"{root}/cache\";\n\
             APT::Sandbox::User \"root\";\n\
             APT::Architecture \"amd64\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::Retries \"2\";\n"
        )
    }
}

fn sources(suites: &[Suite]) -> Result<String> {
    let mirrors = mirrors::of_system();
    let mut text = String::new();
    for suite in suites {
        let mirror = mirrors::find(&mirrors, &suite.archive).with_context(|| {
            format!("this system's package sources name no mirror of Debian's archive {}", suite.archive)
        })?;
        let _ = writeln!(text, "deb [signed-by={KEYRING}] {mirror} {} main", suite.suite);
    }
    Ok(text)
}

/// A line as `'http://…' NAME.deb 123 SHA256:0123…`.
fn parse(line: &str) -> Option<Download> {
    let mut words = line.strip_prefix('\'')?.split_whitespace().skip(1);
    let (file, _, checksum) = (words.next()?, words.next()?, words.next()?);
    Some(Download { file: file.to_owned(), sha256: checksum.strip_prefix("SHA256:")?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_their_checksums() {
        let line =
            "'http://mirror/pool/l/linux/linux-image-1_2%2b3.deb' linux-image-1_2+3.deb 99 SHA256:abcd";
        assert_eq!(
            parse(line),
            Some(Download { file: "linux-image-1_2+3.deb".to_owned(), sha256: "abcd".to_owned() })
        );
        assert_eq!(parse("E: no such package"), None);
    }
}

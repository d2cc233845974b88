//! A package tree of our own: Debian's packages of any suite, without root and without touching the system's.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::files;
use super::matrix::Suite;
use super::mirrors;
use crate::arch::Arch;
use crate::command;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Kept with what was unpacked: the checksums of the packages.
pub const SUMS: &str = "SHA256SUMS";

pub struct Apt {
    root: PathBuf,
    arch: Arch,
}

/// One file that apt would fetch.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Download {
    pub file: String,
    pub sha256: String,
}

impl Apt {
    /// The tree in `root`, for these suites and this machine; fetches their indexes.
    pub fn update(root: &Path, suites: &[Suite], arch: Arch) -> Result<Self> {
        let apt = Self { root: root.to_path_buf(), arch };
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

    /// The packages and all that they depend on.
    pub fn with_dependencies(&self, packages: &[&str]) -> Result<Vec<String>> {
        let mut install = self.command("apt-get");
        install.args(["--simulate", "--no-install-recommends", "install"]).args(packages);
        Ok(command::output(&mut install)?.lines().filter_map(installed).map(ToOwned::to_owned).collect())
    }

    /// What `unpack` would fetch, in the order of its names.
    pub fn downloads(&self, packages: &[String]) -> Result<Vec<Download>> {
        let uris =
            command::output(self.command("apt-get").args(["--print-uris", "download"]).args(packages))?;
        let mut found: Vec<Download> = uris.lines().filter_map(parse).collect();
        found.sort();
        if found.len() != packages.len() {
            bail!("apt-get offers {} files for {}", found.len(), packages.join(" "));
        }
        Ok(found)
    }

    /// Fetches packages, and unpacks them below `work`, where their checksums are then as well. apt checks them against
    /// the signed index; what has come is checked again.
    pub fn unpack(&self, packages: &[String], work: &Path) -> Result<PathBuf> {
        let (debs, tree) = (work.join("debs"), work.join("tree"));
        fs::create_dir_all(&debs)?;
        fs::create_dir_all(&tree)?;
        let downloads = self.downloads(packages)?;
        command::output(self.command("apt-get").current_dir(&debs).arg("download").args(packages))?;
        for download in &downloads {
            let deb = debs.join(&download.file);
            files::check(&deb, &download.sha256)?;
            command::output(Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(&tree))?;
        }
        fs::write(tree.join(SUMS), sums(&downloads))?;
        Ok(tree)
    }

    /// By a file: the system's own hooks would be run in spite of options on the command line.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.root.join("apt.conf")).env("LC_ALL", "C");
        command
    }

    fn configuration(&self) -> String {
        let (root, arch) = (self.root.display(), self.arch.debian());
        format!(
            "Dir::Etc::main \"/dev/null\";\n\
             Dir::Etc::parts \"/dev/null\";\n\
             Dir::Etc::sourcelist \"{root}/sources.list\";\n\
             Dir::Etc::sourceparts \"/dev/null\";\n\
             Dir::State \"{root}/state\";\n\
             Dir::State::status \"{root}/status\";\n\
             Dir::Cache \"{root}/cache\";\n\
             APT::Sandbox::User \"root\";\n\
             APT::Architecture \"{arch}\";\n\
             APT::Architectures {{ \"{arch}\"; }};\n\
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

/// As `sha256sum` would have it.
pub fn sums(downloads: &[Download]) -> String {
    downloads.iter().fold(String::new(), |mut text, Download { file, sha256 }| {
        let _ = writeln!(text, "{sha256} {file}");
        text
    })
}

/// The package of a line as `Inst libc6 (2.36-9 Debian:12.1/oldstable [arm64])`.
fn installed(line: &str) -> Option<&str> {
    line.strip_prefix("Inst ")?.split_whitespace().next()
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

    #[test]
    fn dependencies_are_read_off_what_would_be_installed() {
        assert_eq!(installed("Inst libc6 (2.36-9 Debian:12.1/oldstable [arm64]) []"), Some("libc6"));
        assert_eq!(installed("Conf libc6 (2.36-9 Debian:12.1/oldstable [arm64])"), None);
    }
}

//! Kernels: found, fetched, unpacked, and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::apt::Apt;
use super::files;
use super::matrix::{Matrix, Wanted};
use crate::command;

/// The flavour for virtual machines: small, and quick to boot.
const FLAVOUR: &str = "-cloud-amd64";

/// A kernel that is here.
pub struct Kernel {
    pub name: String,
    /// As `uname -r` says.
    pub release: String,
    pub image: PathBuf,
    pub modules: PathBuf,
}

/// Where kernels come from, and where they are kept.
pub struct Store {
    directory: PathBuf,
    apt: Option<Apt>,
}

impl Store {
    /// Looks at what can be had; without a network, what is here has to do.
    pub fn open(matrix: &Matrix) -> Result<Self> {
        let directory = files::cache()?.join("kernels");
        let apt = match Apt::update(&directory.join("apt"), &matrix.suites) {
            Ok(apt) => Some(apt),
            Err(error) => {
                eprintln!("vm: no package index, so kernels fetched before have to do: {error:#}");
                None
            }
        };
        Ok(Self { directory, apt })
    }

    pub fn get(&self, wanted: &Wanted) -> Result<Kernel> {
        let series = wanted.series.as_deref();
        let release = match &self.apt {
            Some(apt) => newest(releases(&apt.names("linux-image-")?), series),
            None => newest(self.here()?, series),
        };
        let release = release.with_context(|| format!("no kernel {} can be had or is here", wanted.name))?;
        let tree = self.directory.join(&release);
        if !tree.is_dir() {
            self.fetch(&release, &tree)?;
        }
        let image = find(&tree, &|name| name.starts_with("vmlinuz"))
            .with_context(|| format!("the packages of kernel {release} have no vmlinuz"))?;
        let modules = ["lib/modules", "usr/lib/modules"].map(|path| tree.join(path).join(&release));
        let modules = modules
            .into_iter()
            .find(|path| path.join("kernel").is_dir())
            .with_context(|| format!("the packages of kernel {release} have no modules"))?;
        Ok(Kernel { name: wanted.name.clone(), release, image, modules })
    }

    /// The releases that were fetched before.
    fn here(&self) -> Result<Vec<String>> {
        let entries = fs::read_dir(&self.directory)?.collect::<Result<Vec<_>, _>>()?;
        let names = entries.into_iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
        Ok(names.filter(|name| name.ends_with(FLAVOUR)).collect())
    }

    fn fetch(&self, release: &str, tree: &Path) -> Result<()> {
        let Some(apt) = &self.apt else { bail!("kernel {release} is not here") };
        // From 6.19 on the image's package is empty, and image and modules are in others.
        let known = apt.names(&format!("linux-binary-{release}"))?;
        let parts: &[&str] = if known.is_empty() { &["image"] } else { &["binary", "modules"] };
        let packages: Vec<String> = parts.iter().map(|part| format!("linux-{part}-{release}")).collect();
        let work = self.directory.join(format!("{release}.{}", std::process::id()));
        let (debs, unpacked) = (work.join("debs"), work.join("tree"));
        fs::create_dir_all(&debs)?;
        fs::create_dir_all(&unpacked)?;
        let fetched = (|| {
            let downloads = apt.downloads(&packages)?;
            eprintln!("vm: fetching {}", packages.join(" "));
            apt.fetch(&packages, &debs)?;
            for download in &downloads {
                let deb = debs.join(&download.file);
                files::check(&deb, &download.sha256)?;
                command::output(Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(&unpacked))?;
                let line = format!("{} {}\n", download.sha256, download.file);
                files::append(&unpacked.join("SHA256SUMS"), &line)?;
            }
            match fs::rename(&unpacked, tree) {
                // Another run was quicker.
                Err(_) if tree.is_dir() => Ok(()),
                renamed => renamed.context("cannot keep the kernel"),
            }
        })();
        let _ = fs::remove_dir_all(&work);
        fetched
    }
}

/// The releases of kernels among names of packages.
fn releases(packages: &[String]) -> Vec<String> {
    packages
        .iter()
        .filter_map(|name| name.strip_prefix("linux-image-"))
        .filter(|release| release.ends_with(FLAVOUR) && release.matches('.').count() >= 2)
        .map(ToOwned::to_owned)
        .collect()
}

fn newest(mut releases: Vec<String>, series: Option<&str>) -> Option<String> {
    let series = series.map(numbers).unwrap_or_default();
    releases.retain(|release| numbers(release).starts_with(&series));
    releases.into_iter().max_by_key(|release| (numbers(release), release.clone()))
}

fn numbers(text: &str) -> Vec<u32> {
    let mut version = text.split(|byte: char| !byte.is_ascii_digit());
    let mut numbers = Vec::new();
    // What follows the first word that is no number is the flavour.
    while let Some(Ok(number)) = version.next().map(str::parse) {
        numbers.push(number);
    }
    numbers
}

fn find(directory: &Path, matches: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    let entries: Vec<_> = fs::read_dir(directory).ok()?.flatten().collect();
    let file =
        entries.iter().find(|entry| entry.path().is_file() && matches(&entry.file_name().to_string_lossy()));
    if let Some(file) = file {
        return Some(file.path());
    }
    let directories =
        entries.iter().map(fs::DirEntry::path).filter(|path| path.is_dir() && !path.is_symlink());
    directories.filter(|path| !path.ends_with("kernel")).find_map(|path| find(&path, matches))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_a_series_is_found() {
        let packages = [
            "linux-image-6.1.0-9-cloud-amd64",
            "linux-image-6.1.0-56-cloud-amd64",
            "linux-image-6.1.0-57-amd64",
            "linux-image-6.12.117+deb13-cloud-amd64",
            "linux-image-6.12-cloud-amd64",
            "linux-image-cloud-amd64",
            "linux-image-6.1.0-56-cloud-amd64-unsigned",
        ];
        let releases = releases(&packages.map(String::from));
        assert_eq!(newest(releases.clone(), Some("6.1")).as_deref(), Some("6.1.0-56-cloud-amd64"));
        assert_eq!(newest(releases.clone(), None).as_deref(), Some("6.12.117+deb13-cloud-amd64"));
        assert_eq!(newest(releases, Some("5.10")), None);
    }
}

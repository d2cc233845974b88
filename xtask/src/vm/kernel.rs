//! Kernels: found, fetched, unpacked, and kept.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::apt::Apt;
use super::files;
use super::matrix::{Matrix, Wanted};
use crate::arch::Arch;

/// A kernel that is here.
pub struct Kernel {
    pub name: String,
    pub arch: Arch,
    /// As `uname -r` says.
    pub release: String,
    pub image: PathBuf,
    pub modules: PathBuf,
    /// Beginnings of the names of the tests that it runs unless told; all if there are none.
    pub tests: Vec<String>,
}

/// Where the kernels for one machine come from, and where they are kept.
pub struct Store {
    arch: Arch,
    directory: PathBuf,
    apt: Option<Apt>,
}

impl Store {
    /// Looks at what can be had; without a network, what is here has to do.
    pub fn open(matrix: &Matrix, arch: Arch) -> Result<Self> {
        let directory = files::cache()?.join("kernels");
        let apt = match Apt::update(&directory.join(format!("apt-{}", arch.debian())), &matrix.suites, arch) {
            Ok(apt) => Some(apt),
            Err(error) => {
                eprintln!("vm: no package index, so kernels fetched before have to do: {error:#}");
                None
            }
        };
        Ok(Self { arch, directory, apt })
    }

    pub fn get(&self, wanted: &Wanted) -> Result<Kernel> {
        let series = wanted.series.as_deref();
        let release = match &self.apt {
            Some(apt) => newest(releases(&apt.names("linux-image-")?, self.arch), series),
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
        let Wanted { name, tests, .. } = wanted.clone();
        Ok(Kernel { name, arch: self.arch, release, image, modules, tests })
    }

    /// The releases that were fetched before.
    fn here(&self) -> Result<Vec<String>> {
        let entries = fs::read_dir(&self.directory)?.collect::<Result<Vec<_>, _>>()?;
        let names = entries.into_iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
        Ok(names.filter(|name| name.ends_with(&flavour(self.arch))).collect())
    }

    fn fetch(&self, release: &str, tree: &Path) -> Result<()> {
        let Some(apt) = &self.apt else { bail!("kernel {release} is not here") };
        // From 6.19 on the image's package is empty, and image and modules are in others.
        let known = apt.names(&format!("linux-binary-{release}"))?;
        let parts: &[&str] = if known.is_empty() { &["image"] } else { &["binary", "modules"] };
        let packages: Vec<String> = parts.iter().map(|part| format!("linux-{part}-{release}")).collect();
        let work = self.directory.join(format!("{release}.{}", std::process::id()));
        eprintln!("vm: fetching {}", packages.join(" "));
        let fetched = apt.unpack(&packages, &work).and_then(|unpacked| match fs::rename(&unpacked, tree) {
            // Another run was quicker.
            Err(_) if tree.is_dir() => Ok(()),
            renamed => renamed.context("cannot keep the kernel"),
        });
        let _ = fs::remove_dir_all(&work);
        fetched
    }
}

/// The flavour for virtual machines: small, and quick to boot.
fn flavour(arch: Arch) -> String {
    format!("-cloud-{}", arch.debian())
}

/// The releases of a machine's kernels among names of packages.
fn releases(packages: &[String], arch: Arch) -> Vec<String> {
    let flavour = flavour(arch);
    packages
        .iter()
        .filter_map(|name| name.strip_prefix("linux-image-"))
        .filter(|release| release.ends_with(&flavour) && release.matches('.').count() >= 2)
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
            "linux-image-6.1.0-58-cloud-arm64",
            "linux-image-6.12.117+deb13-cloud-amd64",
            "linux-image-6.12-cloud-amd64",
            "linux-image-cloud-amd64",
            "linux-image-6.1.0-56-cloud-amd64-unsigned",
        ];
        let packages = packages.map(String::from);
        let arm = releases(&packages, Arch::Aarch64);
        assert_eq!(newest(arm, None).as_deref(), Some("6.1.0-58-cloud-arm64"));
        let releases = releases(&packages, Arch::X86_64);
        assert_eq!(newest(releases.clone(), Some("6.1")).as_deref(), Some("6.1.0-56-cloud-amd64"));
        assert_eq!(newest(releases.clone(), None).as_deref(), Some("6.12.117+deb13-cloud-amd64"));
        assert_eq!(newest(releases, Some("5.10")), None);
    }
}

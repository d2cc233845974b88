//! The programs that the tests run, and all libraries, for a machine that is not this one: Debian's packages of the
//! release that this system has, unpacked. Nothing in them is run here.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::fcntl::{Flock, FlockArg};

use super::apt::{self, Apt};
use super::elf;
use super::files;
use super::matrix::Suite;
use crate::arch::Arch;

/// What has the programs; what these depend on has the libraries.
const PACKAGES: [&str; 13] = [
    "bpftool",
    "busybox-static",
    "coreutils",
    "dash",
    "ethtool",
    "iperf3",
    "iproute2",
    "iputils-ping",
    "libcap2-bin",
    "procps",
    "tcpdump",
    "traceroute",
    "util-linux",
];

/// Programs that go by another name until a package's own scripts have made a link.
const LINKED: [(&str, &str); 2] = [("sh", "dash"), ("traceroute", "traceroute.db")];

pub struct Userland {
    tree: PathBuf,
    /// As compilers and loaders of libraries call the machine.
    triplet: String,
    /// Held while the tree is read: another run may want to replace it.
    _lock: Flock<File>,
}

impl Userland {
    /// Fetches what is not here, or not as the archive has it now; without a network, what is here has to do.
    pub fn open(arch: Arch) -> Result<Self> {
        let directory = files::cache()?.join("programs");
        fs::create_dir_all(&directory)?;
        let lock = Flock::lock(File::create(directory.join("lock"))?, FlockArg::LockExclusive);
        let lock = lock.map_err(|(_, error)| error).context("cannot wait for another run to end")?;
        let tree = directory.join(arch.debian());
        let apt = Apt::update(&directory.join(format!("apt-{}", arch.debian())), &suites()?, arch);
        match apt.and_then(|apt| refresh(&apt, &tree)) {
            Err(error) if tree.is_dir() => {
                eprintln!("vm: no packages, so programs fetched before have to do: {error:#}");
            }
            fetched => fetched.with_context(|| format!("cannot fetch programs for {}", arch.name()))?,
        }
        Ok(Self { tree, triplet: format!("{}-linux-gnu", arch.name()), _lock: lock })
    }

    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let other = LINKED.into_iter().find(|(link, _)| *link == name).map(|(_, other)| other);
        let directories = ["bin", "sbin", "usr/bin", "usr/sbin"].map(|path| self.tree.join(path));
        let mut places = directories
            .iter()
            .flat_map(|directory| [Some(name), other].into_iter().flatten().map(|name| directory.join(name)));
        places.find(|path| path.is_file())
    }

    /// All that a program needs, each with its place in the machine.
    pub fn libraries(&self, program: &Path) -> Result<Vec<(String, PathBuf)>> {
        let mut found = BTreeMap::new();
        self.add(program, &mut found)?;
        Ok(found.into_iter().collect())
    }

    fn add(&self, file: &Path, found: &mut BTreeMap<String, PathBuf>) -> Result<()> {
        let needs = elf::needs(&fs::read(file)?).with_context(|| format!("look into {}", file.display()))?;
        let libraries = needs.libraries.iter().map(|name| format!("/lib/{}/{name}", self.triplet));
        for place in needs.loader.into_iter().chain(libraries) {
            if found.contains_key(&place) {
                continue;
            }
            let path = self.library(&place).with_context(|| {
                format!("{} needs {place}, which no package for the machine has", file.display())
            })?;
            found.insert(place, path.clone());
            self.add(&path, found)?;
        }
        Ok(())
    }

    /// Packages may have the same place with and without `/usr`.
    fn library(&self, place: &str) -> Option<PathBuf> {
        let place = place.trim_start_matches('/');
        [self.tree.join(place), self.tree.join("usr").join(place)].into_iter().find(|path| path.is_file())
    }
}

/// Programs of this system's release go with the C library that this system's compilers link for another machine.
fn suites() -> Result<Vec<Suite>> {
    let text = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let name = codename(&text).context("/etc/os-release names no release of Debian's")?;
    let suite = |archive: &str, suite| Suite { archive: archive.to_owned(), suite };
    Ok(vec![suite("debian", name.to_owned()), suite("debian-security", format!("{name}-security"))])
}

fn codename(os_release: &str) -> Option<&str> {
    let name = os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(name.trim_matches(['"', '\'']))
}

fn refresh(apt: &Apt, tree: &Path) -> Result<()> {
    let packages = apt.with_dependencies(&PACKAGES)?;
    let sums = apt::sums(&apt.downloads(&packages)?);
    if fs::read_to_string(tree.join(apt::SUMS)).is_ok_and(|here| here == sums) {
        return Ok(());
    }
    eprintln!("vm: fetching {} packages of programs", packages.len());
    let work = tree.with_extension(std::process::id().to_string());
    let fetched = apt.unpack(&packages, &work).and_then(|unpacked| {
        // A third of it, for people.
        fs::remove_dir_all(unpacked.join("usr/share"))?;
        if tree.is_dir() {
            fs::remove_dir_all(tree)?;
        }
        fs::rename(&unpacked, tree).context("cannot keep the programs")
    });
    let _ = fs::remove_dir_all(&work);
    fetched
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read() {
        assert_eq!(codename("NAME=\"Debian\"\nVERSION_CODENAME=bookworm\n"), Some("bookworm"));
        assert_eq!(codename("VERSION_CODENAME=\"trixie\"\n"), Some("trixie"));
        assert_eq!(codename("ID=arch\n"), None);
    }
}

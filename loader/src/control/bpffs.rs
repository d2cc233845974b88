//! The BPF file system, on which everything is pinned.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use super::{ControlError, error::Context as _};

/// Where distributions have it.
const USUAL: &str = "/sys/fs/bpf";

/// What was found at the pin directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bpffs {
    /// It is on a BPF file system.
    Mounted,
    /// It is now: one was mounted here.
    MountedNow(PathBuf),
    /// It is now, but in a mount namespace that is not the host's: the pins are seen, and last, only in there.
    MountedPrivately(PathBuf),
}

/// Makes sure that the pin directory is on a BPF file system: mounts one on /sys/fs/bpf if it is to be in there and
/// there is none.
pub fn ensure_bpffs(pin_dir: &Path) -> Result<Bpffs, ControlError> {
    if is_bpffs(existing(pin_dir))? {
        return Ok(Bpffs::Mounted);
    }
    let usual = Path::new(USUAL);
    if pin_dir == usual || !pin_dir.starts_with(usual) {
        return Err(ControlError::NotBpffs(pin_dir.to_owned()));
    }
    mount(
        Some("bpf"),
        usual,
        Some("bpf"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
        Some("mode=700"),
    )
    .context(|| format!("mount a BPF file system on {USUAL}"))?;
    Ok(if in_hosts_mount_namespace() {
        Bpffs::MountedNow(usual.to_owned())
    } else {
        Bpffs::MountedPrivately(usual.to_owned())
    })
}

/// Fails unless things can be pinned in this directory.
pub(super) fn check(pin_dir: &Path) -> Result<(), ControlError> {
    if !is_bpffs(existing(pin_dir))? {
        return Err(ControlError::NotBpffs(pin_dir.to_owned()));
    }
    if is_dotted(pin_dir) {
        return Err(ControlError::DottedPath(pin_dir.to_owned()));
    }
    Ok(())
}

/// Whether the directory has a name that the kernel keeps for itself.
pub(super) fn is_dotted(pin_dir: &Path) -> bool {
    pin_dir.file_name().is_some_and(|name| name.as_encoded_bytes().contains(&b'.'))
}

/// The path, or what of it exists.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"))
}

fn is_bpffs(path: &Path) -> Result<bool, ControlError> {
    let found = statfs(path).context(|| format!("look at {}", path.display()))?;
    Ok(found.filesystem_type() == BPF_FS_MAGIC)
}

/// If it cannot be told, it most likely is.
fn in_hosts_mount_namespace() -> bool {
    let (ours, hosts) = (fs::read_link("/proc/self/ns/mnt"), fs::read_link("/proc/1/ns/mnt"));
    match (ours, hosts) {
        (Ok(ours), Ok(hosts)) => ours == hosts,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_directory_is_refused_with_advice() {
        let directory = tempfile::tempdir().unwrap();
        let text = ensure_bpffs(&directory.path().join("berth")).unwrap_err().to_string();
        assert!(text.contains("mount -t bpf"), "{text}");
    }
}

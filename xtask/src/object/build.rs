//! Building the eBPF object.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::arch::Arch;
use crate::command;
use crate::setup::BpfToolchain;
use crate::workspace::Workspace;

const TARGET: &str = "bpfel-unknown-none";

/// Builds the object and puts it where the loader's build script looks for it.
pub fn build(workspace: &Workspace, toolchain: &BpfToolchain, arch: Arch) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo();
    command::run(for_bpf(workspace, toolchain, arch, cargo.arg("build")))?;
    let built = workspace.bpf_target(arch).join(TARGET).join("release/berth-ebpf");
    let object = workspace.object(arch);
    replace_if_different(&built, &object)?;
    Ok(object)
}

/// Builds the programs that must be refused.
pub fn fixtures(workspace: &Workspace, toolchain: &BpfToolchain, arch: Arch) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo();
    let cargo = for_bpf(workspace, toolchain, arch, cargo.arg("build"));
    command::run(cargo.args(["--features", "fixtures", "--bin", "fixtures"]))?;
    Ok(workspace.bpf_target(arch).join(TARGET).join("release/fixtures"))
}

/// Lints the eBPF crate as it is built: for the BPF target, with its own toolchain.
pub fn clippy(workspace: &Workspace, toolchain: &BpfToolchain) -> Result<()> {
    let mut clippy = toolchain.clippy();
    command::run(for_bpf(workspace, toolchain, Arch::of(None)?, &mut clippy).args(["--", "-D", "warnings"]))
}

fn for_bpf<'a>(
    workspace: &Workspace,
    toolchain: &BpfToolchain,
    arch: Arch,
    command: &'a mut Command,
) -> &'a mut Command {
    command
        .current_dir(&workspace.root)
        .args(["--package", "berth-ebpf", "--release"])
        .args(["--target", TARGET, "-Zbuild-std=core"])
        .env("CARGO_TARGET_DIR", workspace.bpf_target(arch))
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(arch, toolchain.linker()))
}

/// In cargo's encoded form, in which a path may contain a space.
fn rustflags(arch: Arch, linker: &Path) -> String {
    [
        format!("--cfg=bpf_target_arch=\"{}\"", arch.name()),
        "-Cdebuginfo=2".to_owned(),
        "-Ctarget-cpu=v3".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        format!("-Clinker={}", linker.display()),
    ]
    .join("\x1f")
}

/// Leaves the file alone where it would not change, so that the loader is not built again for nothing.
fn replace_if_different(from: &Path, to: &Path) -> Result<()> {
    let new = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    let old = match fs::read(to) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", to.display())),
    };
    if old.as_ref() == Some(&new) {
        return Ok(());
    }
    // Renamed into place: a build that runs at the same time sees the old object or the new one.
    let unfinished = to.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&unfinished, new)
        .and_then(|()| fs::rename(&unfinished, to))
        .with_context(|| format!("cannot write {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_survive_spaces() {
        let flags = rustflags(Arch::Aarch64, Path::new("/home/a b/bpf-linker"));
        let flags: Vec<&str> = flags.split('\x1f').collect();
        assert!(flags.contains(&"--cfg=bpf_target_arch=\"aarch64\""));
        assert!(flags.contains(&"-Clinker=/home/a b/bpf-linker"));
    }

    #[test]
    fn an_unchanged_object_keeps_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to.o"));
        let modified = || fs::metadata(&to).unwrap().modified().unwrap();

        fs::write(&from, "one").unwrap();
        replace_if_different(&from, &to).unwrap();
        let first = modified();
        replace_if_different(&from, &to).unwrap();
        assert_eq!(modified(), first);

        fs::write(&from, "two").unwrap();
        replace_if_different(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "two");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}

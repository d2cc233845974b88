//! Building for another machine than this: with the compiler that runs us if it has that machine's library, else with
//! the one that builds the eBPF object, which has the library's sources.

use std::process::Command;

use anyhow::{Result, bail};

use super::{BpfToolchain, debian, say};
use crate::arch::Arch;
use crate::command;
use crate::workspace::Workspace;

/// A cargo, and what it is to be told behind its subcommand.
pub struct Cross {
    pub cargo: Command,
    pub arguments: Vec<String>,
}

/// For a target triple; the cargo that runs us for none, or for this machine's own.
pub fn provide(workspace: &Workspace, toolchain: &BpfToolchain, triple: Option<&str>) -> Result<Cross> {
    let Some(triple) = triple else {
        return Ok(Cross { cargo: workspace.cargo(), arguments: Vec::new() });
    };
    let mut arguments = vec!["--target".to_owned(), triple.to_owned()];
    let arch = Arch::of(Some(triple))?;
    let mut cargo = if has_library(triple) {
        workspace.cargo()
    } else {
        say(&format!("no library for {triple}: it is built with the programs"));
        arguments.push("-Zbuild-std=std,panic_unwind".to_owned());
        let mut cargo = toolchain.cargo();
        cargo.current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target);
        cargo
    };
    if !arch.is_here() {
        let linker = linker(triple)?;
        cargo
            .env("BERTH_OBJECT", workspace.object(arch))
            .env(variable(triple, "LINKER"), &linker)
            .env(format!("CC_{}", triple.replace('-', "_")), &linker);
    }
    Ok(Cross { cargo, arguments })
}

fn has_library(triple: &str) -> bool {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--print", "target-libdir", "--target", triple]);
    command::output(&mut rustc).is_ok_and(|directory| {
        std::fs::read_dir(directory.trim_end()).is_ok_and(|mut entries| {
            entries.any(|entry| {
                entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
            })
        })
    })
}

/// The C compiler of the other machine links; it brings that machine's C library.
fn linker(triple: &str) -> Result<String> {
    if let Some(linker) = std::env::var_os(variable(triple, "LINKER")) {
        return Ok(linker.to_string_lossy().into_owned());
    }
    let machine = triple.split('-').next().unwrap_or(triple);
    let name = format!("{machine}-linux-gnu-gcc");
    if command::find(&name).is_none() && debian::is_debian() {
        debian::install(&packages(machine))?;
    }
    if command::find(&name).is_none() {
        bail!("no linker for {triple}: install {name}, or name one in {}", variable(triple, "LINKER"));
    }
    Ok(name)
}

/// Debian's, of the C compiler and the C library.
fn packages(machine: &str) -> [String; 2] {
    let architecture = match machine {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    };
    // Names of packages have no underscores.
    [format!("gcc-{}-linux-gnu", machine.replace('_', "-")), format!("libc6-dev-{architecture}-cross")]
}

fn variable(triple: &str, what: &str) -> String {
    format!("CARGO_TARGET_{}_{what}", triple.replace(['-', '.'], "_").to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_reads_the_variable() {
        assert_eq!(
            variable("aarch64-unknown-linux-gnu", "LINKER"),
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER"
        );
    }

    #[test]
    fn packages_are_named_as_debian_names_them() {
        assert_eq!(packages("aarch64"), ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]);
        assert_eq!(packages("x86_64"), ["gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross"]);
    }

    #[test]
    fn this_machine_has_its_own_library() {
        let own = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        assert!(has_library(&own));
        assert!(!has_library("aarch64-unknown-nothing"));
    }
}

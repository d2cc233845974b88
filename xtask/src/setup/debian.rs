//! Debian's packages.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};

use super::say;
use crate::command;
use crate::privilege;

/// Whether this is Debian itself: its derivatives have neither all of these packages nor these versions.
pub fn is_debian() -> bool {
    fs::read_to_string("/etc/os-release").is_ok_and(|text| names_debian(&text))
}

/// Those of the packages that are not installed.
pub fn missing(packages: &[String]) -> Result<Vec<String>> {
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    // Packages that dpkg has never heard of make it fail, after it has listed the others.
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"])
        .args(packages)
        .output()
        .context("cannot run dpkg-query")?;
    let listed = String::from_utf8_lossy(&output.stdout);
    Ok(not_installed(packages, &listed))
}

/// Installs what is missing of the packages, in one go.
pub fn install(packages: &[String]) -> Result<()> {
    let missing = missing(packages)?;
    if missing.is_empty() {
        return Ok(());
    }
    if !privilege::is_root() {
        bail!("as root, run: {}", commands(&missing));
    }
    update_lists();
    for package in &missing {
        say(&format!("installing Debian's {package}"));
    }
    command::output(apt_get().args(["install", "--no-install-recommends"]).args(&missing))?;
    Ok(())
}

/// What an administrator has to type.
pub fn commands(packages: &[String]) -> String {
    format!("apt-get update && apt-get install --no-install-recommends {}", packages.join(" "))
}

/// Once in a run is enough, and a source that cannot be reached may well be one that is not needed.
fn update_lists() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.swap(true, Ordering::Relaxed) {
        return;
    }
    say("updating the package lists");
    if let Err(error) = command::output(apt_get().arg("update")) {
        say(&format!("going on with the package lists there are: {error:#}"));
    }
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .args(["--quiet", "--assume-yes"])
        // Another package manager at work (unattended upgrades) is waited for.
        .args(["--option", "DPkg::Lock::Timeout=600"])
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn names_debian(os_release: &str) -> bool {
    os_release
        .lines()
        .filter_map(|line| line.strip_prefix("ID="))
        .any(|id| id.trim_matches(['"', '\'']) == "debian")
}

fn not_installed(packages: &[String], listed: &str) -> Vec<String> {
    let installed: Vec<&str> = listed.lines().filter_map(|line| line.strip_suffix(" installed")).collect();
    packages.iter().filter(|package| !installed.contains(&package.as_str())).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_debian_is_debian() {
        assert!(names_debian("NAME=\"Debian\"\nID=debian\n"));
        assert!(names_debian("ID=\"debian\"\nVERSION_ID=12\n"));
        assert!(!names_debian("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(!names_debian(""));
    }

    #[test]
    fn removed_and_unknown_packages_are_missing() {
        let packages = ["lxc", "iperf3", "bpftool"].map(String::from);
        let listed = "lxc installed\niperf3 config-files\n";
        assert_eq!(not_installed(&packages, listed), ["iperf3", "bpftool"]);
    }
}

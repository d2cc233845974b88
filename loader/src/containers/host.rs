//! What the node's kernel is, and what we may do on it.

use std::fs;

use super::{ContainersError, Hierarchy, error::Context as _};
use crate::config::Runtimes;

/// A kernel version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// As in 6.1.
    pub major: u32,
    /// As in 6.1.
    pub minor: u32,
}

impl Release {
    /// The oldest kernel that berth runs on.
    pub const OLDEST: Self = Self { major: 6, minor: 1 };

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(|character: char| !character.is_ascii_digit()).map(str::parse);
        Some(Self { major: numbers.next()?.ok()?, minor: numbers.next()?.ok()? })
    }
}

/// A node on which berth can run.
#[derive(Clone, Debug)]
pub struct Host {
    /// The kernel's release string.
    pub kernel: String,
    /// Its version.
    pub release: Release,
    /// The cgroup hierarchy.
    pub cgroups: Hierarchy,
    /// Where container runtimes keep what they know.
    pub runtimes: Runtimes,
}

impl Host {
    /// Checks privileges, kernel version and cgroup v2, in this order.
    pub fn check() -> Result<Self, ContainersError> {
        let status =
            fs::read_to_string("/proc/self/status").context(|| "read /proc/self/status".to_owned())?;
        let missing = missing_capabilities(&status);
        if !missing.is_empty() {
            return Err(ContainersError::NoPrivilege { missing: missing.join(", ") });
        }
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")
            .context(|| "read /proc/sys/kernel/osrelease".to_owned())?;
        let kernel = kernel.trim_end().to_owned();
        let release = Release::parse(&kernel)
            .filter(|release| *release >= Release::OLDEST)
            .ok_or_else(|| ContainersError::OldKernel { found: kernel.clone() })?;
        Ok(Self { kernel, release, cgroups: Hierarchy::find()?, runtimes: Runtimes::default() })
    }
}

fn missing_capabilities(status: &str) -> Vec<&'static str> {
    // Numbers of capabilities(7). Programs and maps take the last two; attaching takes the first; mounting the BPF
    // file system and entering a container's network namespace take the second.
    const NEEDED: [(&str, u32); 4] =
        [("CAP_NET_ADMIN", 12), ("CAP_SYS_ADMIN", 21), ("CAP_PERFMON", 38), ("CAP_BPF", 39)];

    let held = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    NEEDED.iter().filter(|(_, number)| held >> number & 1 == 0).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_from_all_sorts_of_strings() {
        let release = |major, minor| Some(Release { major, minor });
        assert_eq!(Release::parse("6.18.44-fc-v1"), release(6, 18));
        assert_eq!(Release::parse("6.1.0-13-amd64"), release(6, 1));
        assert_eq!(Release::parse("7.2-rc1"), release(7, 2));
        assert_eq!(Release::parse("next"), None);
        assert!(release(5, 15) < Some(Release::OLDEST));
        assert!(release(6, 10) > Some(Release::OLDEST));
    }

    #[test]
    fn missing_capabilities_are_named() {
        let none = missing_capabilities("Name:\tx\nCapEff:\t000001ffffffffff\n");
        assert!(none.is_empty());
        let docker = missing_capabilities("CapEff:\t00000000a80425fb\n");
        assert_eq!(docker.len(), 4);
        let network = missing_capabilities("CapEff:\t0000000000001000\n");
        assert_eq!(network, ["CAP_SYS_ADMIN", "CAP_PERFMON", "CAP_BPF"]);
    }
}

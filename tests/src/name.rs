//! Names of what a run makes outside its own process, so that a later run can tell whose they were.

use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

const PREFIX: &str = "berth-test-";

/// A name no other run or thread has: `berth-test-<pid>-<n>`.
pub fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}-{number}", process::id())
}

/// The process that made a thing of this name, if a run of these tests did.
pub fn maker(name: &str) -> Option<u32> {
    let (pid, rest) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let ours = rest.starts_with(|c: char| c.is_ascii_digit());
    pid.parse().ok().filter(|_| ours)
}

/// Whether a run of these tests made a thing of this name and is no more. What is left of it is older than any run
/// that lives.
pub fn is_stale(name: &str) -> bool {
    maker(name).is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

#[cfg(test)]
mod tests {
    use super::{is_stale, maker, unique};

    #[test]
    fn own_names_are_known_and_not_stale() {
        let name = unique();
        assert_eq!(maker(&name), Some(std::process::id()));
        assert_eq!(maker(&format!("{name}-node")), Some(std::process::id()));
        assert!(!is_stale(&name));
        assert_ne!(name, unique());
    }

    #[test]
    fn names_of_others_are_left_alone() {
        for name in [
            "",
            "berth",
            "berth-test-",
            "berth-test-x-1",
            "berth-test-12",
            "berth-test-12-x",
            "lxc.payload.a",
        ] {
            assert_eq!(maker(name), None, "{name}");
            assert!(!is_stale(name), "{name}");
        }
    }

    #[test]
    fn a_dead_maker_makes_a_name_stale() {
        // Above the kernel's largest process id.
        assert!(is_stale("berth-test-4194305-0-node"));
    }
}

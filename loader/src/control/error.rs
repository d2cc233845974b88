//! What can go wrong with the kernel.

use std::io;
use std::path::PathBuf;

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;
use berth_common::abi::{
    VERSION,
    config::{MAX_CGROUP_LEVELS, MAX_UPLINKS},
    container::MAX_PORT_RANGES,
    units::ContainerId,
};

use super::{Feature, refusal::Refusal};
use crate::containers::ContainersError;

/// Why something is not in force.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The binary has no programs in it.
    #[error("this berth was built without its eBPF object: build it with `cargo xtask build`")]
    NoObject,
    /// The kernel does not describe its types.
    #[error(
        "this kernel has no type information at /sys/kernel/btf/vmlinux ({0}): berth needs one built with CONFIG_DEBUG_INFO_BTF"
    )]
    NoBtf(String),
    /// Nothing is pinned.
    #[error("nothing of berth is pinned in {0}: start it with `berth daemon` or `berth up`")]
    NotLoaded(PathBuf),
    /// Something is pinned already.
    #[error("a berth is in force already, pinned in {0}")]
    AlreadyLoaded(PathBuf),
    /// What is pinned is not ours.
    #[error("{0} holds things that are not berth's: choose another directory with --pin-dir")]
    Foreign(PathBuf),
    /// What is pinned is another version's.
    #[error(
        "{directory} holds the pins of a berth with ABI version {found}, and this one has version {VERSION}: take that one down with `berth down`, which detaches all containers, and start this one"
    )]
    OtherAbi {
        /// The pin directory.
        directory: PathBuf,
        /// The version found.
        found: u32,
    },
    /// A container's rules in the kernel are of another version.
    #[error(
        "the rules of container {} that are in force are of another version of berth: write them anew with `berth rules restore`",
        .0.0
    )]
    OtherRuleset(ContainerId),
    /// It has more lines than any place for rulesets.
    #[error(
        "the compiled rules take {lines} lines of 64 bytes, of which there can be {limit}: use fewer rules, or simpler ones"
    )]
    RulesetTooLarge {
        /// How many it has.
        lines: u32,
        /// How many there can be.
        limit: u32,
    },
    /// The rules and sets of all containers together are too large.
    #[error("there is no room for more rules and sets on this node: remove some of other containers'")]
    NoShelf,
    /// What should have rules or a set on it is not there.
    #[error(
        "a shelf with rules and sets is missing in the kernel: stop berth, `berth down`, and start it again"
    )]
    LostShelf,
    /// What was to be put in force is no compiled ruleset.
    #[error("these lines are no compiled ruleset: this is an error in berth, please report it")]
    NoRuleset,
    /// Something of what should be pinned is not.
    #[error(
        "{missing} is missing from the pins in {directory}: clear them with `berth down` and start again"
    )]
    Damaged {
        /// The pin directory.
        directory: PathBuf,
        /// What is missing.
        missing: PathBuf,
    },
    /// The pin directory is on an ordinary file system.
    #[error(
        "{0} is not on a BPF file system: mount one there with `mount -t bpf bpf DIRECTORY`, or use --pin-dir /sys/fs/bpf/berth"
    )]
    NotBpffs(PathBuf),
    /// A name that bpffs refuses.
    #[error(
        "the pin directory {0} has a dot in its name, which the BPF file system does not allow: choose another with --pin-dir"
    )]
    DottedPath(PathBuf),
    /// The embedded object cannot be loaded.
    #[error("cannot load the eBPF object: {}", one_line(.0))]
    Object(#[source] Box<EbpfError>),
    /// The object lacks a map or program, or it is of another type.
    #[error("the eBPF object has no usable {0}: build berth anew with `cargo xtask build`")]
    Incomplete(&'static str),
    /// The verifier refused a program.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The kernel does not have what berth cannot do without.
    #[error("berth cannot run on this kernel, which lacks {}: {why}; `berth doctor` lists all it has and lacks", feature.name())]
    Lacking {
        /// What it does not have.
        feature: Feature,
        /// How that showed.
        why: String,
    },
    /// The kernel did not take a program, before its verifier had looked at it.
    #[error("the kernel does not take program {name}: {}", without_log(.error))]
    Program {
        /// Its name.
        name: &'static str,
        /// What the kernel said.
        #[source]
        error: Box<ProgramError>,
    },
    /// A map could not be read or written.
    #[error("cannot {action} map {map}: {}", one_line(.error))]
    Map {
        /// Its name.
        map: &'static str,
        /// What was tried.
        action: &'static str,
        /// What the kernel said.
        #[source]
        error: Box<MapError>,
    },
    /// `lo` was named as an uplink.
    #[error("lo leads to no other host and cannot be an uplink")]
    LoopbackUplink,
    /// There are more uplinks than the programs know.
    #[error("{count} uplinks are too many: berth handles {MAX_UPLINKS}")]
    TooManyUplinks {
        /// How many there are.
        count: usize,
    },
    /// There are more port ranges than the programs know.
    #[error("{count} port ranges are too many for one container: {MAX_PORT_RANGES} are possible")]
    TooManyRanges {
        /// How many there are.
        count: usize,
    },
    /// The containers' cgroups are at too many different depths.
    #[error(
        "cgroup {path} is {level} levels deep, and containers' cgroups are at {MAX_CGROUP_LEVELS} other depths already: move it to one of those"
    )]
    TooManyLevels {
        /// Its path.
        path: PathBuf,
        /// Its level.
        level: u32,
    },
    /// The maps were made for fewer containers.
    #[error("container id {} is beyond the {limit} containers the maps were made for: raise the limit in the configuration and restart with `berth down` and `berth up`", id.0)]
    TooManyContainers {
        /// The id.
        id: ContainerId,
        /// The highest possible.
        limit: u32,
    },
    /// Flows that are there would have no place.
    #[error(
        "the flow table has {slots} slots, and while it is in use it can only become larger than that: for {wanted}, set flows = {wanted} under [sizes] in the configuration, and restart with `berth down` and `berth up`"
    )]
    FewerFlows {
        /// How many it has.
        slots: u32,
        /// How many were wanted.
        wanted: u32,
    },
    /// A table that grows is not done.
    #[error(
        "{0} flows could not be moved to the larger part of the flow table yet: all are found and counted, but lookups cost twice as much until `berth flows resize`, with the same number, or a restart of the daemon has moved them"
    )]
    FlowsStay(u32),
    /// The id is the host's, or nobody's.
    #[error("{} is no container's id", .0.0)]
    NoContainerId(ContainerId),
    /// The id is in use.
    #[error("container {} is in force already", .0.0)]
    ContainerExists(ContainerId),
    /// The id is not in use.
    #[error("container {} is not in force", .0.0)]
    NoContainer(ContainerId),
    /// The generation is zero, or not the one in force.
    #[error("generation {generation} is not that of container {}", id.0)]
    WrongGeneration {
        /// The container.
        id: ContainerId,
        /// The generation.
        generation: u32,
    },
    /// Another container has the cgroup.
    #[error("cgroup {path} is container {}'s already", holder.0)]
    CgroupTaken {
        /// Its path.
        path: PathBuf,
        /// Whose it is.
        holder: ContainerId,
    },
    /// Another container, or the node, has the interface.
    #[error("interface {name} is {} already", holder_of(*holder))]
    InterfaceTaken {
        /// Its name.
        name: String,
        /// Whose it is; the host's if it is an uplink.
        holder: ContainerId,
    },
    /// Looking at the system failed.
    #[error(transparent)]
    Containers(#[from] ContainersError),
    /// A system call failed.
    #[error("cannot {what}: {error}")]
    System {
        /// What was tried, with its object.
        what: String,
        /// What the kernel said.
        #[source]
        error: io::Error,
    },
}

impl ControlError {
    /// Whether the machine or our rights on it are at fault, rather than the request (exit code 4).
    pub fn is_unsupported(&self) -> bool {
        match self {
            Self::NoBtf(_) | Self::NotBpffs(_) | Self::Program { .. } | Self::Lacking { .. } => true,
            Self::Containers(error) => error.is_unsupported(),
            Self::System { error, .. } => error.kind() == io::ErrorKind::PermissionDenied,
            _ => false,
        }
    }

    pub(super) fn map(map: &'static str, action: &'static str) -> impl FnOnce(MapError) -> Self {
        move |error| Self::Map { map, action, error: Box::new(error) }
    }
}

/// Names what was tried when it failed.
pub(super) trait Context<T> {
    /// The error with `what` in front.
    fn context(self, what: impl FnOnce() -> String) -> Result<T, ControlError>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, ControlError> {
        self.map_err(|error| ControlError::System { what: what(), error: error.into() })
    }
}

fn holder_of(holder: ContainerId) -> String {
    if holder == ContainerId::HOST { "an uplink".to_owned() } else { format!("container {}'s", holder.0) }
}

/// The innermost cause is what the kernel said; what is around it names the system call.
fn one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text.lines().next().unwrap_or_default().to_owned()
}

/// The library would print the whole log.
fn without_log(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError { io_error, .. } => io_error.to_string(),
        other => one_line(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_line_with_their_cause() {
        let error = ControlError::Map {
            map: "ADDRESSES",
            action: "write to",
            error: Box::new(MapError::from(aya::sys::SyscallError {
                call: "bpf_map_update_elem",
                io_error: io::Error::from_raw_os_error(libc::E2BIG),
            })),
        };
        let text = error.to_string();
        assert!(text.starts_with("cannot write to map ADDRESSES: "), "{text}");
        assert!(text.contains("Argument list too long"), "{text}");
        assert!(!text.contains('\n'));
    }
}

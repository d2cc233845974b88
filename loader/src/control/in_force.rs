//! What of berth is in force, as its pins and the kernel tell: looked at without changing anything.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::path::Path;

use berth_common::abi::names;

use super::{
    ControlError, Direction, Kernel, Method, Object, Pinned, cgroups,
    error::Context as _,
    pins::{self, Pins},
    place::Place,
    sys, tc,
};

/// What is in force at a pin directory.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The version of its layouts.
    pub abi: u32,
    /// Whether its programs are those in this binary.
    pub own_programs: bool,
    /// Whether BPF LSM's programs are among them.
    pub lsm: bool,
    /// Whether its programs were compiled when they were loaded.
    pub compiled: bool,
    /// Its programs on interfaces.
    pub attached: Vec<Attached>,
    /// On how many containers' cgroups it has programs.
    pub cgroups: usize,
    /// Programs that not all of those have, and how many have not.
    pub missing_on_cgroups: BTreeMap<String, usize>,
    /// Programs for the node's own sockets that are not on the root of the hierarchy.
    pub missing_on_root: Vec<&'static str>,
}

/// A program on an interface.
#[derive(Clone, Debug)]
pub struct Attached {
    /// Index of the interface.
    pub ifindex: u32,
    /// Which packets it sees.
    pub direction: Direction,
    /// Its name.
    pub program: String,
    /// How it is attached.
    pub method: Method,
    /// Whether it still is.
    pub alive: bool,
}

impl Kernel {
    /// What is in force; none if nothing of berth is pinned there.
    pub fn in_force(pin_dir: &Path) -> Result<Option<InForce>, ControlError> {
        let pins = Pins::new(pin_dir);
        let abi = match pins.found()? {
            Pinned::Nothing => return Ok(None),
            Pinned::Foreign => return Err(ControlError::Foreign(pin_dir.to_owned())),
            Pinned::Berth { abi } => abi,
        };
        let own = pins.programs(Object::embedded().digest());
        let directories = pins.program_directories()?;
        let own_programs = directories.contains(&own);
        let directory = if own_programs { Some(&own) } else { directories.first() };
        let programs = match directory {
            Some(directory) => {
                pins::names_in(directory).context(|| format!("read {}", directory.display()))?
            }
            None => Vec::new(),
        };
        let (cgroups, missing_on_cgroups) = on_cgroups(&pins, &programs)?;
        Ok(Some(InForce {
            abi,
            own_programs,
            lsm: names::LSM_PROGRAMS.iter().all(|name| programs.iter().any(|program| program == name)),
            compiled: directory.is_none_or(|directory| is_compiled(&directory.join(names::CONTROL))),
            attached: attached(&pins)?,
            cgroups,
            missing_on_cgroups,
            missing_on_root: missing_on_root(&pins)?,
        }))
    }
}

fn attached(pins: &Pins) -> Result<Vec<Attached>, ControlError> {
    let mut places = tc::places(pins)?;
    places.sort();
    places
        .into_iter()
        .map(|place| {
            let (method, alive) = tc::state(pins, &place)?;
            let Place { ifindex, direction, program } = place;
            Ok(Attached { ifindex, direction, program, method, alive })
        })
        .collect()
}

/// How many cgroups have programs, and which of those that belong there how many have not.
fn on_cgroups(pins: &Pins, programs: &[String]) -> Result<(usize, BTreeMap<String, usize>), ControlError> {
    let mut missing = BTreeMap::new();
    let mut cgroups = pins.attached_cgroups()?;
    cgroups.retain(|cgroup| *cgroup != cgroups::ROOT);
    for &(level, id) in &cgroups {
        let links = pins.cgroup(level, id);
        let there = pins::names_in(&links).context(|| format!("read {}", links.display()))?;
        let belongs = |name: &&str| programs.iter().any(|program| program == name);
        for name in names::CGROUP_PROGRAMS.iter().chain(names::LSM_PROGRAMS).filter(|name| belongs(name)) {
            if !there.iter().any(|link| link == name) {
                *missing.entry((*name).to_owned()).or_insert(0) += 1;
            }
        }
    }
    Ok((cgroups.len(), missing))
}

fn missing_on_root(pins: &Pins) -> Result<Vec<&'static str>, ControlError> {
    let (level, id) = cgroups::ROOT;
    let links = pins.cgroup(level, id);
    let there = pins::names_in(&links).context(|| format!("read {}", links.display()))?;
    let missing = names::ROOT_PROGRAMS.iter().filter(|name| !there.iter().any(|link| link == *name));
    Ok(missing.copied().collect())
}

/// If it cannot be told, then as almost everywhere.
fn is_compiled(program: &Path) -> bool {
    let lengths = sys::open(program).and_then(|program| sys::lengths(program.as_fd()));
    lengths.map_or(true, |(_, compiled)| compiled > 0)
}

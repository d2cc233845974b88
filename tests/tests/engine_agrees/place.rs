//! Where test runs take place: a network namespace with nothing in it, and a cgroup that can be a container's.

use std::fs;
use std::path::{Component, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use berth_tests::{Cgroup, Host, Netns, cgroup, in_netns, name, sysctl};

/// Where test runs take place.
#[derive(Clone)]
pub struct Place {
    host: Host,
    cgroup: u64,
    level: u8,
}

impl Place {
    /// Calls `run` in such a place. A packet of a test run has a socket of its own, made by whoever asks for the run:
    /// in this process's cgroup and this thread's namespace.
    pub fn visit<T: Send>(run: impl FnOnce(&Self) -> Result<T> + Send) -> Result<T> {
        // A process is in one cgroup.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let netns = Netns::create(&name::unique())?;
        for family in ["ipv4", "ipv6"] {
            // Sockets can be bound to addresses that are the node's for the programs only.
            sysctl::set(&netns, &format!("{family}/ip_nonlocal_bind"), "1")?;
        }
        let cgroup = Cgroup::new("agreement")?;
        let path = cgroup.hierarchy_path()?;
        let names = path.components().filter(|part| matches!(part, Component::Normal(_)));
        let level = u8::try_from(names.count())?;
        let place = Self { host: Host::new(netns.clone()), cgroup: cgroup.id()?, level };
        let _visitor = Visitor::enter(&cgroup)?;
        in_netns(&netns, || run(&place))?
    }

    /// The namespace, as somebody who can make sockets.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The cgroup's id.
    pub fn cgroup(&self) -> u64 {
        self.cgroup
    }

    /// How deep in the hierarchy it is.
    pub fn level(&self) -> u8 {
        self.level
    }
}

/// This process, away from its own cgroup. Dropping it goes back.
struct Visitor {
    home: PathBuf,
}

impl Visitor {
    fn enter(cgroup: &Cgroup) -> Result<Self> {
        let text = fs::read_to_string("/proc/self/cgroup")?;
        let home = text.lines().find_map(|line| line.strip_prefix("0::/"));
        let home = cgroup::mount_point()?.join(home.context("this process is in no cgroup of version 2")?);
        cgroup.add(process::id())?;
        Ok(Self { home })
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        let back = fs::write(self.home.join("cgroup.procs"), process::id().to_string());
        // Removing the cgroup will kill what is in it.
        back.unwrap_or_else(|error| panic!("cannot go back to {}: {error}", self.home.display()));
    }
}

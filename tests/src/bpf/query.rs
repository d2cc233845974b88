//! Which programs are attached where, asked of the kernel itself.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use anyhow::Result;

use super::clsact;
use super::counter::Direction;
use super::sys;
use crate::cgroup::Cgroup;
use crate::link;
use crate::netns::{Netns, in_netns};

/// Above every attach type of a cgroup that the newest kernel has.
const ATTACH_TYPES: u32 = 64;

/// The ids of the programs on an interface, in the order in which they run: TCX's, or clsact's where the kernel has no
/// TCX.
pub fn on_interface(netns: &Netns, interface: &str, direction: Direction) -> Result<Vec<u32>> {
    let index = link::index(netns, interface)?;
    match in_netns(netns, || sys::attached(index, direction.tcx()))? {
        // It knows no such place.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            clsact::programs(netns, interface, direction)
        }
        attached => Ok(attached?),
    }
}

/// The ids of the programs on a cgroup, of every kind.
pub fn on_cgroup(cgroup: &Cgroup) -> io::Result<Vec<u32>> {
    let directory = File::open(cgroup.path())?;
    let target = sys::number(directory.as_fd());
    // Types that are not a cgroup's, or not known to this kernel, are refused.
    Ok((0..ATTACH_TYPES).filter_map(|kind| sys::attached(target, kind).ok()).flatten().collect())
}

//! Filters on a clsact qdisc, for kernels before 6.6, which have no TCX: by `tc`, which owes berth nothing.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::counter::{Direction, Place};
use crate::berth::{BPFFS, mount_bpffs};
use crate::netns::Netns;
use crate::{command, name, process};

/// Berth's own filters have priority 1; of one priority, the latest to come is the first to run.
const FIRST: &str = "1";
const LAST: &str = "60000";
/// Not berth's.
const HANDLE: &str = "77";

/// A filter that runs a program. Dropping it takes it off, and leaves the qdisc.
#[derive(Debug)]
pub struct Filter {
    netns: OwnedFd,
    interface: String,
    arguments: [&'static str; 7],
}

impl Filter {
    /// Has a program run for what passes an interface.
    pub fn attach(
        program: &OwnedFd,
        netns: &Netns,
        interface: &str,
        direction: Direction,
        place: Place,
    ) -> Result<Self> {
        mount_bpffs()?;
        let (side, priority) = (direction.name(), place.priority());
        let arguments = [side, "protocol", "all", "prio", priority, "handle", HANDLE];
        // It is an error if it is there already, as berth's may be.
        let _ = process::run(tc(netns)?.args(["qdisc", "add", "dev", interface, "clsact"]));
        let pin = Path::new(BPFFS).join(name::unique());
        let id = id_of(program)?;
        process::ok(Command::new("bpftool").args(["prog", "pin", "id", &id]).arg(&pin))?;
        let mut add = tc(netns)?;
        add.args(["filter", "add", "dev", interface]).args(arguments);
        let added = process::ok(add.args(["bpf", "direct-action", "object-pinned"]).arg(&pin));
        fs::remove_file(&pin)?;
        added?;
        Ok(Self { netns: netns.to_fd()?, interface: interface.to_owned(), arguments })
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        let netns = format!("--net=/proc/{}/fd/{}", std::process::id(), self.netns.as_raw_fd());
        let mut delete = Command::new("nsenter");
        delete.args([&netns, "tc", "filter", "delete", "dev", &self.interface]);
        // It may have gone with its interface.
        let _ = process::run(delete.args(self.arguments).arg("bpf"));
    }
}

/// The ids of the programs that filters on an interface run, in this order.
pub fn programs(netns: &Netns, interface: &str, direction: Direction) -> Result<Vec<u32>> {
    let mut show = tc(netns)?;
    show.args(["-j", "filter", "show", "dev", interface, direction.name()]);
    let text = process::ok(&mut show)?;
    let filters: Vec<serde_json::Value> = serde_json::from_str(&text).context("what tc printed")?;
    let ids = filters.iter().filter_map(|filter| filter["options"]["prog"]["id"].as_u64());
    ids.map(|id| Ok(u32::try_from(id)?)).collect()
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

impl Place {
    fn priority(self) -> &'static str {
        match self {
            Self::First => FIRST,
            Self::Last => LAST,
        }
    }
}

fn tc(netns: &Netns) -> Result<Command> {
    Ok(command::command_in(netns, None, "tc")?)
}

/// As the kernel describes the descriptor.
fn id_of(program: &OwnedFd) -> Result<String> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_fd().as_raw_fd()))?;
    let id = text.lines().find_map(|line| line.strip_prefix("prog_id:"));
    Ok(id.context("a descriptor of no program")?.trim().to_owned())
}

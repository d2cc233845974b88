//! Other programs come into force in the place of those that are there, without a gap.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use berth_tests::bpf::query;
use berth_tests::leaks::Objects;
use berth_tests::topology::{NODE_V4, UPLINK, at};
use berth_tests::{Direction, SharedNode, Sockets, privileged};

use crate::pings::Pings;

#[test]
fn another_berths_programs_replace_those_in_force() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let _listener = node.a.tcp_listen(at(NODE_V4, 8080))?;
    let (links, maps) = (ids(&node, "link")?, kept_maps(&node)?);
    let programs = attached(&node)?;
    let directory = programs_directory(&node)?;
    let pings = Pings::of(&node.a)?;
    pings.during(|| {
        pings.wait_for(20)?;
        node.berth.kill9()?;
        // What was loaded from another object is told by the name of its directory.
        fs::rename(&directory, directory.with_file_name("programs-0123456789abcdef"))?;
        // Commands work with what is in force, and leave it so.
        node.berth.status()?;
        node.berth.ok(["ports", "reserve", "b", "udp/53"])?;
        assert_eq!(attached(&node)?, programs);
        pings.wait_for(20)?;
        node.berth.restart()?;
        pings.wait_for(20)
    })?;

    assert_eq!(programs_directory(&node)?, directory);
    assert_eq!((ids(&node, "link")?, kept_maps(&node)?), (links, maps));
    let replaced = attached(&node)?;
    assert_eq!(replaced.len(), programs.len());
    assert!(replaced.iter().all(|id| !programs.contains(id)), "{replaced:?} for {programs:?}");
    let traffic = node.berth.container("a")?.plane.traffic;
    assert_eq!((traffic.incoming.packets, traffic.outgoing.packets), (pings.count(), pings.count()));
    assert_eq!((node.holders(8080)?.len(), node.holders(53)?.len()), (1, 2));
    let refused = node.b.tcp_listen(at(NODE_V4, 8080)).map_err(|error| error.raw_os_error());
    assert_eq!(refused.err(), Some(Some(libc::EADDRINUSE)));
    Ok(())
}

fn programs_directory(node: &SharedNode) -> Result<PathBuf> {
    let entries = fs::read_dir(node.berth.pin_dir())?.flatten().map(|entry| entry.path());
    let mut found = entries
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("programs-")));
    let directory = found.next().context("no directory of programs")?;
    anyhow::ensure!(found.next().is_none(), "several directories of programs");
    Ok(directory)
}

/// The maps with a pin of their own; programs have their constants in others.
fn kept_maps(node: &SharedNode) -> Result<Vec<u32>> {
    let names = fs::read_dir(node.berth.pin_dir().join("maps"))?.flatten().map(|entry| entry.file_name());
    let names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    let pinned = Objects::pinned_under(node.berth.pin_dir())?;
    let maps = pinned.iter().filter(|object| object.kind == "map");
    // The kernel keeps the first 15 letters.
    let kept = maps.filter(|map| names.iter().any(|name| name.get(..15).unwrap_or(name) == map.name));
    let kept: Vec<u32> = kept.map(|map| map.id).collect();
    anyhow::ensure!(kept.len() == names.len(), "{} of {names:?}", kept.len());
    Ok(kept)
}

fn ids(node: &SharedNode, kind: &str) -> Result<Vec<u32>> {
    let pinned = Objects::pinned_under(node.berth.pin_dir())?;
    Ok(pinned.iter().filter(|object| object.kind == kind).map(|object| object.id).collect())
}

fn attached(node: &SharedNode) -> Result<Vec<u32>> {
    let mut found = query::on_cgroup(node.a.cgroup())?;
    found.extend(query::on_cgroup(node.b.cgroup())?);
    for direction in [Direction::Ingress, Direction::Egress] {
        found.extend(query::on_interface(node.netns(), UPLINK, direction)?);
    }
    found.extend(query::on_interface(node.netns(), "lo", Direction::Egress)?);
    Ok(found)
}

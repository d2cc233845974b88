//! Nodes on which berth cannot work.

use std::fs;

use anyhow::Result;
use berth_tests::leaks::Objects;
use berth_tests::topology::UPLINK;
use berth_tests::{Berth, SharedNode, Topology, privileged};

use crate::node::{UNSUPPORTED, is_refusal, run};
use crate::sandbox::{with_part_of_cgroup2, with_release, without_cgroup2};

const STARTS: [&[&str]; 2] = [&["up", "--uplink", UPLINK], &["daemon", "--uplink", UPLINK]];

#[test]
fn no_cgroup_version_2() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    for line in STARTS.into_iter().chain([&["status"][..]]) {
        let mut command = berth.command(line)?;
        without_cgroup2(&mut command)?;
        is_refusal(&run(&mut command)?, UNSUPPORTED, "no cgroup v2 hierarchy is mounted")?;
    }
    assert!(!berth.pin_dir().exists() && !berth.state_dir().exists());
    Ok(())
}

#[test]
fn without_cgroup_version_2_it_can_be_taken_down() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    node.berth.kill9()?;
    let objects = Objects::pinned_under(node.berth.pin_dir())?;
    let mut command = node.berth.command(["down"])?;
    without_cgroup2(&mut command)?;
    let down = run(&mut command)?;
    assert!(down.success(), "{down:?}");
    objects.wait_until_gone()
}

#[test]
fn a_part_of_the_hierarchy() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let berth = Berth::builder(&Topology::new()?).prepare()?;
    // By a tenant, whose cgroup is the root of what it sees then.
    let mut command = berth.command_by(&node.a, ["up", "--uplink", UPLINK])?;
    with_part_of_cgroup2(&mut command)?;
    is_refusal(&run(&mut command)?, UNSUPPORTED, "shows only a part of the cgroup hierarchy")
}

#[test]
fn a_kernel_that_is_too_old() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    let release = berth.run_dir().with_file_name("osrelease");
    fs::write(&release, "5.15.0-91-generic\n")?;
    for line in STARTS {
        let mut command = berth.command(line)?;
        with_release(&mut command, &release)?;
        let words = "this kernel is 5.15.0-91-generic, and berth needs Linux 6.1";
        is_refusal(&run(&mut command)?, UNSUPPORTED, words)?;
    }
    assert!(!berth.pin_dir().exists());
    Ok(())
}

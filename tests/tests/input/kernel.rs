//! Nodes on which berth cannot work.

use std::fs;

use anyhow::Result;
use berth_tests::leaks::Objects;
use berth_tests::process::run;
use berth_tests::topology::UPLINK;
use berth_tests::{Berth, Endpoint, SharedNode, Topology, privileged};

use crate::node::{UNSUPPORTED, is_refusal, through};

/// In a mount namespace without cgroup version 2.
const WITHOUT_CGROUP2: [&str; 6] = [
    "unshare",
    "--mount",
    "sh",
    "-c",
    r#"for at in $(awk '$3 == "cgroup2" { print $2 }' /proc/mounts); do umount -l "$at" || exit; done; exec "$@""#,
    "sh",
];

#[test]
fn no_cgroup_version_2() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    for line in [&["up", "--uplink", UPLINK][..], &["daemon", "--uplink", UPLINK], &["status"]] {
        let output = run(&mut through(&topology.node, &WITHOUT_CGROUP2, &berth, line)?)?;
        is_refusal(&output, UNSUPPORTED, "no cgroup v2 hierarchy is mounted")?;
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
    let down = run(&mut through(&node.topology.node, &WITHOUT_CGROUP2, &node.berth, &["down"])?)?;
    assert!(down.success(), "{down:?}");
    objects.wait_until_gone()
}

#[test]
fn a_part_of_the_hierarchy() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    let script = r#"for at in $(awk '$3 == "cgroup2" { print $2 }' /proc/mounts); do umount -l "$at" || exit; done
        mount -t cgroup2 none /sys/fs/cgroup && exec "$@""#;
    let inner = berth.command(["up", "--uplink", UPLINK])?;
    // In a cgroup, which is the root of what it sees then.
    let mut command = node.a.command("unshare")?;
    command.args(["--cgroup", "--mount", "sh", "-c", script, "sh"]);
    command.arg(inner.get_program()).args(inner.get_args());
    is_refusal(&run(&mut command)?, UNSUPPORTED, "shows only a part of the cgroup hierarchy")
}

#[test]
fn a_kernel_that_is_too_old() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    let release = berth.run_dir().with_file_name("osrelease");
    fs::write(&release, "5.15.0-91-generic\n")?;
    let script = r#"mount --bind "$RELEASE" /proc/sys/kernel/osrelease && exec "$@""#;
    for line in [&["up", "--uplink", UPLINK][..], &["daemon", "--uplink", UPLINK]] {
        let program = ["unshare", "--mount", "sh", "-c", script, "sh"];
        let mut command = through(&topology.node, &program, &berth, line)?;
        let output = run(command.env("RELEASE", &release))?;
        is_refusal(&output, UNSUPPORTED, "this kernel is 5.15.0-91-generic, and berth needs Linux 6.1")?;
    }
    assert!(!berth.pin_dir().exists());
    Ok(())
}

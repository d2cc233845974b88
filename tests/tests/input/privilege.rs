//! No privilege.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use berth_tests::process::ok;
use berth_tests::{Berth, SharedNode, Topology, privileged, program};

use crate::node::{Snapshot, UNSUPPORTED, is_refusal, run};
use crate::sandbox::{as_nobody, without_capability};

const CAP_PERFMON: u64 = 38;

#[test]
fn nobody_may_ask_the_daemon() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let before = Snapshot::take(&node.berth)?;
    let (_directory, binary) = public_copy()?;
    for line in ["status", "container list", "container rm a", "ports reserve a tcp/80", "daemon", "down"] {
        let mut command = by_nobody(&node.topology, &node.berth, &binary, line)?;
        is_refusal(&run(&mut command)?, UNSUPPORTED, "run it as root")?;
    }
    assert_eq!(Snapshot::take(&node.berth)?, before);
    Ok(())
}

#[test]
fn nobody_may_start_anything() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    let (_directory, binary) = public_copy()?;
    // Directories that anybody may use do not help.
    for directory in [berth.run_dir(), berth.state_dir()] {
        fs::create_dir(&directory)?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777))?;
    }
    for line in ["daemon", "up", "down", "status", "events"] {
        let output = run(&mut by_nobody(&topology, &berth, &binary, line)?)?;
        is_refusal(&output, UNSUPPORTED, "CAP_BPF")?;
    }
    assert!(!berth.pin_dir().exists());
    assert_eq!(fs::read_dir(berth.state_dir())?.count(), 0);
    Ok(())
}

#[test]
fn what_is_missing_is_named() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    let mut command = berth.command(["up"])?;
    without_capability(&mut command, CAP_PERFMON);
    let output = run(&mut command)?;
    is_refusal(&output, UNSUPPORTED, "CAP_PERFMON")?;
    assert!(!output.stderr.contains("CAP_BPF"), "{output:?}");
    Ok(())
}

fn by_nobody(topology: &Topology, berth: &Berth, binary: &Path, line: &str) -> Result<Command> {
    let inner = berth.command(line.split_whitespace())?;
    let mut command = berth_tests::Endpoint::command(&topology.node, &binary.to_string_lossy())?;
    command.args(inner.get_args());
    as_nobody(&mut command);
    Ok(command)
}

/// A copy of berth where everybody can run it.
fn public_copy() -> Result<(tempfile::TempDir, PathBuf)> {
    let directory = tempfile::tempdir()?;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
    let copy = directory.path().join("berth");
    // By another process: a child of another thread's could keep our file open for writing meanwhile.
    let source = program::find("berth", "BERTH_BIN")?;
    ok(Command::new("install").args(["-m", "755"]).args([&source, &copy]))?;
    Ok((directory, copy))
}

//! No BPF file system where the pins are to be.

use std::fs;
use std::process::Command;

use anyhow::Result;
use berth_tests::bpf::query;
use berth_tests::topology::UPLINK;
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Berth, Direction, Endpoint, Topology, privileged};

use crate::node::{FAILED, UNREACHABLE, UNSUPPORTED, is_refusal, run};
use crate::sandbox::without_bpffs;

#[test]
fn it_is_mounted() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    // Several commands that share their mounts: the pins end with those.
    let script = r#""$@" status && exit 9
        "$@" up --uplink uplink0 && "$@" status --json && "$@" down && test ! -e "$PINS""#;
    let inner = berth.command::<&str>([])?;
    let mut command = topology.node.command("sh")?;
    command.args(["-c", script, "sh"]).arg(inner.get_program()).args(inner.get_args());
    without_bpffs(command.env("PINS", berth.pin_dir()));
    let output = run(&mut command)?;
    assert!(output.success(), "{output:?}");
    let status: serde_json::Value = serde_json::from_str(&output.stdout)?;
    assert_eq!(status["uplinks"], serde_json::json!([UPLINK]));
    assert!(output.stderr.contains("mounted a BPF file system at /sys/fs/bpf"), "{output:?}");
    assert!(!berth.pin_dir().exists());
    Ok(())
}

#[test]
fn enforcement_ends_with_a_private_one() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    let mut up = berth.command(["up", "--uplink", UPLINK])?;
    without_bpffs(&mut up);
    let output = run(&mut up)?;
    assert!(output.success(), "{output:?}");
    wait::until_true("programs to be gone", LIMIT, || {
        Ok(query::on_interface(topology.node.netns(), UPLINK, Direction::Ingress)?.is_empty())
    })?;
    let mut status = berth.command(["status"])?;
    without_bpffs(&mut status);
    is_refusal(&run(&mut status)?, UNREACHABLE, "nothing is pinned at")
}

#[test]
fn pin_directories_that_cannot_be() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    let ordinary = berth.run_dir().with_file_name("pins").display().to_string();
    let dotted = format!("{}.d", berth.pin_dir().display());
    for (pins, code, words) in [
        (ordinary.as_str(), UNSUPPORTED, "is not on a BPF file system: mount one there"),
        (dotted.as_str(), FAILED, "has a dot in its name"),
    ] {
        for line in [&["up", "--uplink", UPLINK][..], &["daemon", "--uplink", UPLINK]] {
            let output = run(&mut pinning_at(&topology, &berth, pins, line)?)?;
            is_refusal(&output, code, words)?;
            assert!(fs::metadata(pins).is_err());
        }
    }
    Ok(())
}

fn pinning_at(topology: &Topology, berth: &Berth, pins: &str, line: &[&str]) -> Result<Command> {
    let inner = berth.command(line)?;
    let own = berth.pin_dir().as_os_str();
    let mut command = topology.node.command(&inner.get_program().to_string_lossy())?;
    command.args(inner.get_args().map(|argument| if argument == own { pins.as_ref() } else { argument }));
    Ok(command)
}

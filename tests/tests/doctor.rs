//! `berth doctor`: what it says of this machine, and of what is in force.

#[path = "input/sandbox.rs"]
#[allow(dead_code, reason = "what refusals are tried with, of which this needs a part")]
mod sandbox;

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use berth_common::abi;
use berth_tests::bpf::sys;
use berth_tests::process::{ok, run_for};
use berth_tests::topology::UPLINK;
use berth_tests::{
    Berth, Counter, Direction, Endpoint as _, Place, SharedNode, Topology, in_netns, link, privileged,
};
use serde_json::Value;

use sandbox::{as_nobody, with_release, without_cgroup2};

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// No permission, or no support by the kernel.
const UNSUPPORTED: Option<i32> = Some(4);

#[test]
fn berth_can_run_where_these_tests_do() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    let report = berth.json(["doctor"])?;
    assert_eq!(
        (&report["able"], &report["obstacles"]),
        (&Value::Bool(true), &Value::Array(vec![])),
        "{report}"
    );
    assert_eq!(report["in_force"], Value::Null);
    for feature in features(&report)? {
        for field in ["name", "need", "purpose"] {
            assert!(feature[field].is_string(), "{feature}");
        }
        if feature["need"] == "required" {
            assert_eq!(feature["present"], true, "{feature}");
        }
        if feature["present"] == false {
            assert!(feature["found"].is_string(), "{feature}");
        }
    }
    assert!(!berth.pin_dir().exists() && !berth.state_dir().exists(), "looking has left something");

    let table = berth.ok(["doctor"])?;
    for feature in features(&report)? {
        let name = feature["name"].as_str().context("a name")?;
        assert!(table.lines().any(|line| line.split(' ').next() == Some(name)), "no {name}: {table}");
    }
    assert!(table.lines().last().is_some_and(|line| line.starts_with("berth can run here")), "{table}");
    Ok(())
}

#[test]
fn what_it_finds_is_what_others_find() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    let report = berth.json(["doctor"])?;
    let netns = topology.node.netns();
    let index = link::index(netns, UPLINK)?;
    let tcx = in_netns(netns, || sys::attached(index, Direction::Ingress.tcx()))?.is_ok();
    assert_eq!(present(&report, "tcx")?, Some(tcx));
    // Needed, and tried, only where there is no TCX.
    assert_eq!(present(&report, "clsact")?, (!tcx).then_some(true));
    if let Ok(setting) = fs::read_to_string("/proc/sys/net/core/bpf_jit_enable") {
        assert_eq!(present(&report, "jit")?, Some(setting.trim() != "0"));
        let harden = fs::read_to_string("/proc/sys/net/core/bpf_jit_harden")?;
        let plain = setting.trim() != "0" && harden.trim() != "2";
        assert_eq!(present(&report, "jit-unhardened")?, Some(plain));
    }
    let modules = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    if !modules.trim().split(',').any(|name| name == "bpf") {
        assert_eq!(present(&report, "bpf-lsm")?, Some(false));
    }
    Ok(())
}

#[test]
fn what_is_in_force_is_told() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    // It asks no daemon.
    node.berth.kill9()?;
    let report = node.berth.json(["doctor"])?;
    let tcx = present(&report, "tcx")?.context("tcx was not tried")?;
    let found = &report["in_force"];
    assert_eq!(found["pin_dir"].as_str(), node.berth.pin_dir().to_str());
    assert_eq!(
        (&found["abi"], &found["own_programs"]),
        (&Value::from(abi::VERSION), &Value::Bool(true)),
        "{found}"
    );
    assert_eq!(Some(&found["compiled"]), present(&report, "jit")?.map(Value::Bool).as_ref(), "{found}");
    assert_eq!(Some(&found["bpf_lsm"]), present(&report, "bpf-lsm")?.map(Value::Bool).as_ref(), "{found}");
    assert_eq!((&found["cgroups"], &found["degraded"]), (&Value::from(2), &Value::Array(vec![])), "{found}");
    let interfaces = found["interfaces"].as_array().context("no list")?;
    for (name, count) in [(UPLINK, 4), ("lo", 1)] {
        let interface = interfaces.iter().find(|interface| interface["name"] == name);
        let interface = interface.with_context(|| format!("no {name}: {found}"))?;
        assert_eq!(interface["method"], if tcx { "tcx" } else { "clsact" });
        assert_eq!(interface["programs"].as_array().map(Vec::len), Some(count), "{interface}");
    }
    assert_eq!(interfaces.len(), 2, "{found}");
    Ok(())
}

#[test]
fn programs_of_others_are_told() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let others = || -> Result<Vec<Value>> {
        let report = node.berth.json(["doctor"])?;
        let programs = report["in_force"]["foreign"]["programs"].as_array().context("no list")?;
        Ok(programs.iter().filter(|program| program["interface"] == UPLINK).cloned().collect())
    };
    let report = node.berth.json(["doctor"])?;
    let by = if present(&report, "tcx")? == Some(true) { "tcx" } else { "filter" };
    let before = others()?;
    for (direction, way) in [(Direction::Ingress, "ingress"), (Direction::Egress, "egress")] {
        let counter = Counter::attach(node.topology.node.netns(), UPLINK, direction, Place::First)?;
        let hook = format!("{by} {way}");
        let mut now = others()?;
        assert_eq!(now.len(), before.len() + 1, "{now:?}");
        now.retain(|program| program["hook"] == *hook && !before.contains(program));
        assert!(now.len() == 1 && now[0]["program"].is_string(), "{hook}: {now:?}");
        drop(counter);
        assert_eq!(others()?, before);
    }
    Ok(())
}

#[test]
fn what_has_been_lost_is_degraded() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    node.berth.kill9()?;
    ok(node.topology.node.command("ip")?.args(["link", "delete", UPLINK]))?;
    let report = node.berth.json(["doctor"])?;
    let degraded = report["in_force"]["degraded"].as_array().context("no list")?;
    for words in [
        "berth_nat_in no longer sees the incoming",
        "berth_up_in no longer sees the incoming",
        "berth_up_out no longer sees the outgoing",
        "berth_nat_out no longer sees the outgoing",
    ] {
        let said = degraded.iter().filter_map(Value::as_str).any(|line| line.contains(words));
        assert!(said, "no {words:?}: {report}");
    }
    assert_eq!(degraded.len(), 4, "{report}");
    let table = node.berth.ok(["doctor"])?;
    assert_eq!(table.lines().filter(|line| line.starts_with("degraded: ")).count(), 4, "{table}");
    Ok(())
}

#[test]
fn in_another_network_namespace_it_says_so() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    node.berth.kill9()?;
    let mut command = node.berth.command_by(&node.topology.remote, ["doctor", "--json"])?;
    let report: Value = serde_json::from_str(&ok(&mut command)?)?;
    let degraded = report["in_force"]["degraded"].as_array().context("no list")?;
    let lines: Vec<_> = degraded.iter().filter_map(Value::as_str).collect();
    assert!(lines.len() == 1 && lines[0].contains("another network namespace"), "{report}");
    Ok(())
}

#[test]
fn where_berth_cannot_run_it_says_why() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    let mut command = berth.command(["doctor"])?;
    without_cgroup2(&mut command)?;
    let output = run_for(&mut command, PATIENCE)?;
    assert_eq!(output.code(), UNSUPPORTED, "{output:?}");
    let line =
        output.stdout.lines().find(|line| line.starts_with("cgroup2 ")).context("no line of cgroup2")?;
    assert_eq!(line.split_whitespace().nth(1), Some("no"), "{line}");
    let lines: Vec<_> = output.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{output:?}");
    assert!(lines[0].starts_with("berth: berth cannot run here: this kernel lacks cgroup2"), "{output:?}");

    let release = berth.config_file().with_file_name("osrelease");
    fs::write(&release, "5.15.0-91-generic\n")?;
    let mut command = berth.command(["doctor", "--json"])?;
    with_release(&mut command, &release)?;
    let output = run_for(&mut command, PATIENCE)?;
    assert_eq!(output.code(), UNSUPPORTED, "{output:?}");
    let report: Value = serde_json::from_str(&output.stdout)?;
    assert_eq!(report["able"], false);
    assert_eq!(report["kernel"], "5.15.0-91-generic");
    assert!(output.stderr.contains("needs Linux 6.1"), "{output:?}");
    Ok(())
}

#[test]
fn it_needs_privileges() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    let mut command = berth.command(["doctor"])?;
    as_nobody(&mut command);
    let output = run_for(&mut command, PATIENCE)?;
    assert_eq!((output.code(), output.stdout.as_str()), (UNSUPPORTED, ""), "{output:?}");
    assert!(output.stderr.contains("needs root"), "{output:?}");
    Ok(())
}

fn features(report: &Value) -> Result<&Vec<Value>> {
    report["features"].as_array().context("no list of features")
}

/// Whether a feature is there; nothing if that was not tried.
fn present(report: &Value, name: &str) -> Result<Option<bool>> {
    let feature = features(report)?.iter().find(|feature| feature["name"] == name);
    Ok(feature.and_then(|feature| feature["present"].as_bool()))
}

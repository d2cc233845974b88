//! Configuration that makes no sense.

use std::fs;

use anyhow::Result;
use berth_tests::leaks::Objects;
use berth_tests::topology::UPLINK;
use berth_tests::{Berth, SharedNode, Tenant, Topology, privileged};

use crate::node::{FAILED, is_refusal};

#[test]
fn a_first_start_names_file_and_line() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    for (text, line, words) in [
        ("# ours\nuplink = ['eth0']\n", 2, "unknown field `uplink`"),
        ("\n\nunowned = 'maybe'\n", 3, "unknown variant `maybe`"),
        ("[sizes]\nflows = 3\n", 2, "3 is not from 1024"),
        ("uplinks = [\n", 1, ""),
        ("[defaults]\n\nmode = 'open'\n", 3, "open"),
    ] {
        let berth = Berth::builder(&topology).config(text).prepare()?;
        for command in ["daemon", "up"] {
            let output = berth.run([command, "--uplink", UPLINK])?;
            is_refusal(&output, FAILED, &format!("{}:{line}: ", berth.config_file().display()))?;
            is_refusal(&output, FAILED, words)?;
        }
        assert!(!berth.pin_dir().exists() && !berth.state_dir().exists());
    }
    Ok(())
}

#[test]
fn a_missing_file_is_told() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    fs::remove_file(berth.config_file())?;
    is_refusal(&berth.run(["up", "--uplink", UPLINK])?, FAILED, "cannot read")?;
    Ok(())
}

#[test]
fn later_the_last_good_one_holds() -> Result<()> {
    privileged!();
    let mut node = SharedNode::configured("[defaults]\nmax_flows = 77\n")?;
    let objects = Objects::pinned_under(node.berth.pin_dir())?;
    fs::write(node.berth.config_file(), "[defaults]\nmax_flows = many\n")?;
    node.berth.kill9()?;
    node.berth.restart()?;
    let status = node.berth.status()?;
    let problem = status.rest["daemon"]["problem"].as_str().unwrap_or_default();
    let place = format!("{}:2: ", node.berth.config_file().display());
    assert!(problem.contains(&place) && !problem.contains('\n'), "{problem}");
    assert!(problem.contains("the last configuration that made sense holds"), "{problem}");
    assert!(node.berth.log()?.contains(&place));
    assert_eq!(status.containers.len(), 2);
    assert!(status.containers.iter().all(|one| one.flows.limit == 77), "{:?}", status.containers);
    assert_eq!(Objects::pinned_under(node.berth.pin_dir())?, objects);

    fs::write(node.berth.config_file(), "[defaults]\nmax_flows = 78\n")?;
    node.berth.restart()?;
    let status = node.berth.status()?;
    assert!(status.rest["daemon"]["problem"].is_null());
    assert!(status.containers.iter().all(|one| one.flows.limit == 78));
    Ok(())
}

#[test]
fn one_broken_declaration_leaves_the_others() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let (c, d) = (Tenant::new(&topology.node, "c")?, Tenant::new(&topology.node, "d")?);
    let mut berth = Berth::builder(&topology).prepare()?;
    let directory = berth.config_file().with_file_name("containers");
    fs::create_dir(&directory)?;
    let declare = |name: &str, tenant: &Tenant, rest: &str| {
        let text = format!("cgroups = ['{}']\n{rest}", tenant.cgroup().path().display());
        fs::write(directory.join(format!("{name}.toml")), text)
    };
    declare("c", &c, "mode = 'open'\n")?;
    declare("d", &d, "mode = 'full'\nmax_flows = 5\n")?;
    declare("e", &d, "")?;
    berth.restart()?;
    let status = berth.status()?;
    let names: Vec<_> = status.containers.iter().map(|one| (one.name.as_str(), one.mode.as_str())).collect();
    assert_eq!(names, [("d", "full")]);
    let problem = status.rest["daemon"]["problem"].as_str().unwrap_or_default();
    assert!(problem.contains("c.toml:2: unknown variant `open`"), "{problem}");
    let log = berth.log()?;
    assert!(log.contains("e.toml: ") && log.contains("which is container d's"), "{log}");

    declare("c", &c, "mode = 'stateful'\n")?;
    fs::remove_file(directory.join("e.toml"))?;
    berth.restart()?;
    let status = berth.status()?;
    assert!(status.rest["daemon"]["problem"].is_null());
    let mut names: Vec<_> = status.containers.iter().map(|one| one.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["c", "d"]);
    Ok(())
}

#[test]
fn uplinks_that_are_none() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    is_refusal(&berth.run(["up", "--uplink", "none0"])?, FAILED, "there is no interface none0")?;
    assert!(!berth.pin_dir().exists());
    is_refusal(&berth.run(["up", "--uplink", "lo"])?, FAILED, "lo leads to no other host")?;
    assert!(!berth.pin_dir().exists());
    Ok(())
}

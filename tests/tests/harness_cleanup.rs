//! The harness leaves nothing behind, however a test ends.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use berth_tests::bpf::query;
use berth_tests::echo::Echo;
use berth_tests::leaks::{Objects, qdiscs};
use berth_tests::topology::{NODE_V4, UPLINK, remote_addresses};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{
    Berth, Direction, Endpoint, Pair, Place, Process, Sockets, Tenant, Topology, cgroup, name, netns,
    privilege, privileged, program, sweep, topology,
};

/// Everything a test may have, at once.
struct Everything {
    _pair: Pair,
    _echo: Echo,
    _process: Process,
    _host_process: Process,
    tenant: Tenant,
    topology: Topology,
}

impl Everything {
    fn make() -> Result<Self> {
        let topology = Topology::builder().with_far().build()?;
        let tenant = Tenant::new(&topology.node, "a")?;
        Ok(Self {
            _pair: Pair::attach(topology.node.netns(), UPLINK, Place::First)?,
            _echo: Echo::start(&topology.remote, &remote_addresses(), 7)?,
            _process: Process::spawn(tenant.command("sleep")?.arg("600"))?,
            _host_process: Process::spawn(topology.node.command("sleep")?.arg("600"))?,
            tenant,
            topology,
        })
    }

    fn traces(&self) -> Result<Traces> {
        let far = self.topology.far.as_ref().context("no far host")?;
        let hosts = [&self.topology.node, &self.topology.remote, far];
        let node = self.topology.node.netns();
        let mut programs = query::on_interface(node, UPLINK, Direction::Ingress)?;
        programs.extend(query::on_interface(node, UPLINK, Direction::Egress)?);
        Ok(Traces {
            inode: node.inode()?,
            paths: hosts
                .iter()
                .map(|host| host.netns().path())
                .chain([self.tenant.cgroup().path().into()])
                .collect(),
            objects: Objects::of_programs(programs)?,
        })
    }
}

/// What would be left of it.
struct Traces {
    inode: u64,
    paths: Vec<PathBuf>,
    objects: Objects,
}

impl Traces {
    fn are_there(&self) -> Result<bool> {
        let processes = program::processes_in_netns(self.inode)?;
        Ok(processes.len() == 3 && self.paths.iter().all(|path| path.exists()))
    }

    fn are_gone(&self) -> Result<bool> {
        Ok(program::processes_in_netns(self.inode)?.is_empty()
            && !self.paths.iter().any(|path| path.exists()))
    }
}

#[test]
fn nothing_is_left_after_a_test() -> Result<()> {
    privileged!();
    let everything = Everything::make()?;
    let traces = everything.traces()?;
    assert!(traces.are_there()?);
    assert_eq!(traces.objects.alive()?, traces.objects);
    assert_eq!(traces.objects.iter().count(), 4, "two programs and two maps");
    drop(everything);
    assert!(traces.are_gone()?);
    traces.objects.wait_until_gone()
}

#[test]
fn nothing_is_left_after_a_panic() -> Result<()> {
    privileged!();
    let mut traces = None;
    let result = catch_unwind(AssertUnwindSafe(|| {
        let everything = Everything::make()?;
        traces = Some(everything.traces()?);
        // So that there is a panic, and not an end in good order.
        assert!(everything.tenant.cgroup().processes()?.is_empty(), "as told");
        anyhow::Ok(())
    }));
    assert!(result.is_err());
    assert!(traces.context("it never was there")?.are_gone()?);
    Ok(())
}

/// Not a test by itself: what the one below kills.
#[test]
#[ignore = "waits to be killed"]
fn a_run_that_is_killed() -> Result<()> {
    privileged!();
    let _everything = Everything::make()?;
    fs::create_dir(std::env::temp_dir().join(name::unique()))?;
    println!("made");
    std::thread::sleep(Duration::from_secs(600));
    Ok(())
}

#[test]
fn a_killed_run_is_swept() -> Result<()> {
    privileged!();
    let arguments = ["--ignored", "--exact", "--nocapture", "a_run_that_is_killed"];
    let mut run = Process::spawn(Command::new(std::env::current_exe()?).args(arguments))?;
    let ready =
        wait::until_true("the run to have made everything", LIMIT, || Ok(run.stdout()?.contains("made\n")));
    ready.with_context(|| run.stderr().unwrap_or_default())?;
    let pid = run.id();
    assert!(!left_by(pid)?.is_empty());
    sweep::now()?;
    assert_eq!(left_by(pid)?.len(), 5, "the sweep took what is in use: {:?}", left_by(pid)?);
    run.kill()?;
    assert_eq!(left_by(pid)?.len(), 5, "{:?}", left_by(pid)?);
    let node = left_by(pid)?.into_iter().find(|path| path.ends_with(format!("berth-test-{pid}-0-node")));
    let inode = fs::metadata(node.context("no node is left")?)?.ino();
    // The spawner has seen the end of its socket; what the run has started goes on.
    assert!(program::processes_in_netns(inode)?.len() >= 2);
    sweep::now()?;
    assert!(program::processes_in_netns(inode)?.is_empty());
    assert_eq!(left_by(pid)?, Vec::<PathBuf>::new());
    Ok(())
}

#[test]
fn without_privilege_a_test_fails_unless_it_may_be_left_out() -> Result<()> {
    privileged!();
    let run = |allowed: &str| {
        let mut command = Command::new("/proc/self/exe");
        command.args(["--exact", "--nocapture", "nothing_is_left_after_a_test"]);
        command.uid(65_534).env(privilege::ALLOW, allowed);
        berth_tests::process::run(&mut command)
    };
    let output = run("1")?;
    assert!(
        output.success() && output.stderr.contains("NOT RUN: nothing_is_left_after_a_test: "),
        "{output:?}"
    );
    let output = run("0")?;
    let text = output.stdout + &output.stderr;
    assert!(output.status.code() == Some(101) && text.contains("does not run as root"), "{text}");
    Ok(())
}

/// Stands for berth: keeps what the harness relies on, and nothing else.
const STAND_IN: &str = r#"#!/bin/sh
while :; do case "$1" in
--config) config=$2; shift 2;; --run-dir) run=$2; shift 2;; --state-dir) state=$2; shift 2;;
--pin-dir) pins=$2; shift 2;; *) break;; esac; done
case "$1" in
daemon) [ "$2 $3" = "--uplink uplink0" ] || exit 2; echo "reading $config" >&2; grep -q refuse "$config" && exit 4
    mkdir -p "$run" "$state" "$pins"; echo $$ > "$run/pid"; : > "$run/berth.sock"; exec sleep 600;;
status) kill -0 "$(cat "$run/pid")" 2>/dev/null || { echo "no daemon" >&2; exit 3; }; echo '{"version":"0"}';;
down) rmdir "$pins"; rm "$run/pid"; echo down >> "$state/log";;
*) exit 2;;
esac
"#;

fn stand_in() -> Result<(tempfile::TempDir, PathBuf)> {
    let directory = tempfile::tempdir()?;
    let (text, program) = (directory.path().join("text"), directory.path().join("berth"));
    fs::write(&text, STAND_IN)?;
    // Written by another process: a child that some other thread makes meanwhile would keep our file open for writing,
    // and then it could not be run.
    berth_tests::process::ok(Command::new("install").args(["-m", "755"]).args([&text, &program]))?;
    Ok((directory, program))
}

#[test]
fn an_instance_lives_and_ends() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let (_directory, binary) = stand_in()?;
    let mut berth = Berth::builder(&topology).binary(&binary).start()?;
    assert!(berth.pin_dir().is_dir());
    assert_eq!(berth.json(["status"])?["version"], "0");
    assert!(berth.log()?.starts_with("reading "));
    let first = berth.daemon_id();

    berth.kill9()?;
    assert_eq!(berth.run(["status"])?.code(), Some(3));
    let error = format!("{:#}", berth.ok(["status"]).unwrap_err());
    assert!(error.contains("no daemon"), "{error}");
    assert!(berth.pin_dir().is_dir());
    berth.restart()?;
    assert_ne!(berth.daemon_id(), first);
    berth.down()?;
    assert!(!berth.pin_dir().exists());
    assert_eq!(fs::read_to_string(berth.state_dir().join("log"))?, "down\n");

    berth.restart()?;
    let (pins, state) = (berth.pin_dir().to_owned(), berth.state_dir());
    drop(berth);
    assert!(!pins.exists() && !state.exists());
    Ok(())
}

#[test]
fn an_instance_that_does_not_start_says_why() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let (_directory, binary) = stand_in()?;
    let started = Berth::builder(&topology).binary(&binary).config("refuse = true").start();
    let error = format!("{:#}", started.unwrap_err());
    assert!(error.contains("the daemon has ended") && error.contains("reading "), "{error}");
    Ok(())
}

#[test]
fn a_fresh_node_has_no_qdiscs_and_no_programs() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    assert_eq!(qdiscs(topology.node.netns())?, []);
    let tenant = Tenant::new(&topology.node, "a")?;
    let _listener = tenant.tcp_listen(topology::at(NODE_V4, 80))?;
    assert!(query::on_cgroup(tenant.cgroup())?.is_empty());
    assert!(Objects::pinned_under(Path::new("/sys/fs/bpf/none-such"))?.is_empty());
    Ok(())
}

/// Namespaces, cgroups and directories that bear the name of a process.
fn left_by(pid: u32) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for directory in [cgroup::mount_point()?, netns::DIRECTORY.into(), std::env::temp_dir()] {
        for entry in fs::read_dir(directory)?.flatten() {
            let ours = entry.file_name().to_str().and_then(name::maker) == Some(pid);
            found.extend(ours.then(|| entry.path()));
        }
    }
    Ok(found)
}

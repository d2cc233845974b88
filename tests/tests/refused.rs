//! Programs that the kernel's verifier refuses: how that is told, and that what is in force stays so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use berth_tests::leaks::Objects;
use berth_tests::process::run_for;
use berth_tests::topology::{NODE_V4, REMOTE_V4, UPLINK, at};
use berth_tests::{Berth, Output, SharedNode, Sockets as _, Topology, object as programs, privileged};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

/// How long a start may take that comes to nothing.
const PATIENCE: Duration = Duration::from_secs(20);
/// The exit code for it.
const UNVERIFIED: Option<i32> = Some(5);
/// The program that is spoilt.
const PROGRAM: &str = "berth_up_in";
/// What is wrong with it then, in the verifier's words.
const COMPLAINT: &str = "invalid bpf_context access off=28672 size=8";

#[test]
fn a_refusal_names_program_line_and_reason_and_leaves_nothing() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    let spoilt = spoil(berth.config_file().with_file_name("spoilt.o"))?;
    for command in ["up", "daemon"] {
        let output = start(&berth, command, &spoilt)?;
        is_refusal(&berth, &output)?;
        assert!(!berth.pin_dir().exists(), "{output:?}");
        let beside = berth.pin_dir().with_extension("new");
        assert!(!beside.exists(), "{output:?}");
        fs::remove_file(log(&berth))?;
    }
    // The same without the lines that help developers.
    let spoilt = spoilt.to_str().context("a path that is not UTF-8")?;
    let output = berth.run(["-q", "up", "--uplink", UPLINK, "--object", spoilt])?;
    assert_eq!((output.code(), output.stderr.lines().count()), (UNVERIFIED, 1), "{output:?}");
    Ok(())
}

#[test]
fn programs_in_force_stay_when_others_are_refused() -> Result<()> {
    privileged!();
    let mut node = SharedNode::new()?;
    let listener = node.topology.remote.tcp_listen(at(REMOTE_V4, 80))?;
    let _held = node.a.tcp_listen(at(NODE_V4, 8080))?;
    let spoilt = spoil(node.berth.config_file().with_file_name("spoilt.o"))?;
    node.berth.kill9()?;
    let (objects, files) = (Objects::pinned_under(node.berth.pin_dir())?, files(node.berth.pin_dir())?);

    for command in ["daemon", "up"] {
        is_refusal(&node.berth, &start(&node.berth, command, &spoilt)?)?;
        assert_eq!(Objects::pinned_under(node.berth.pin_dir())?, objects);
        assert_eq!(self::files(node.berth.pin_dir())?, files);
    }
    let refused = node.b.tcp_listen(at(NODE_V4, 8080)).map_err(|error| error.raw_os_error());
    assert_eq!(refused.err(), Some(Some(libc::EADDRINUSE)));
    let before = node.berth.container("a")?.plane.traffic;
    let _connection = node.a.tcp_connect(listener.local_addr()?)?;
    let after = node.berth.container("a")?.plane.traffic;
    assert!(after.outgoing.packets > before.outgoing.packets, "{before:?} {after:?}");

    node.berth.restart()?;
    assert_eq!(Objects::pinned_under(node.berth.pin_dir())?, objects);
    Ok(())
}

#[test]
fn another_build_of_the_programs_can_be_loaded() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    // The same programs, but for a byte at the end that belongs to nothing.
    let other = berth.config_file().with_file_name("other.o");
    fs::write(&other, [fs::read(programs::path()?)?, vec![0]].concat())?;
    let output = start(&berth, "up", &other)?;
    assert!(output.success(), "{output:?}");
    let found = berth.json(["doctor"])?;
    assert_eq!(found["in_force"]["own_programs"], false, "{found}");
    berth.ok(["up", "--uplink", UPLINK])?;
    let found = berth.json(["doctor"])?;
    assert_eq!(found["in_force"]["own_programs"], true, "{found}");
    Ok(())
}

#[test]
fn a_file_that_is_no_object_is_no_refusal() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let berth = Berth::builder(&topology).prepare()?;
    let missing = berth.config_file().with_file_name("missing.o");
    for (file, words) in [(berth.config_file(), "eBPF object"), (missing, "No such file")] {
        let output = start(&berth, "up", &file)?;
        assert_eq!((output.code(), output.stderr.lines().count()), (Some(1), 1), "{output:?}");
        assert!(output.stderr.contains(words), "{output:?}");
        assert!(!berth.pin_dir().exists());
    }
    Ok(())
}

fn start(berth: &Berth, command: &str, object: &Path) -> Result<Output> {
    let object = object.to_str().context("a path that is not UTF-8")?;
    run_for(&mut berth.command([command, "--uplink", UPLINK, "--object", object])?, PATIENCE)
}

fn is_refusal(berth: &Berth, output: &Output) -> Result<()> {
    ensure!(output.code() == UNVERIFIED, "not exit code 5: {output:?}");
    let mut lines = output.stderr.lines().filter(|line| !line.contains(" INFO  berth::"));
    let line = lines.next().unwrap_or_default();
    let beginning =
        format!("berth: the kernel's verifier refuses program {PROGRAM} at ebpf/src/hooks/tc.rs:");
    ensure!(line.starts_with(&beginning), "program and line are not named: {output:?}");
    let log = log(berth);
    let path = log.to_str().context("a path that is not UTF-8")?;
    ensure!(line.contains(COMPLAINT) && line.contains(path), "reason and log are not named: {output:?}");
    // The instruction, too, and what the verifier said of it.
    let details: Vec<_> = lines.collect();
    ensure!(details.last().is_some_and(|line| line.trim() == COMPLAINT), "no complaint: {output:?}");
    ensure!(details.iter().any(|line| line.contains("*(u64 *)(r1 +28672)")), "no instruction: {output:?}");
    ensure!(details.iter().all(|line| line.starts_with("  ")), "not set apart: {output:?}");
    let whole = fs::read_to_string(&log)?;
    ensure!(whole.contains(COMPLAINT) && whole.contains("processed "), "not the whole log: {whole}");
    Ok(())
}

fn log(berth: &Berth) -> PathBuf {
    berth.state_dir().join(format!("refused-{PROGRAM}.log"))
}

/// A copy of the object in which a program begins by reading far beyond its context.
fn spoil(copy: PathBuf) -> Result<PathBuf> {
    /// `r0 = *(u64 *)(r1 + 28672)`
    const READ: [u8; 8] = [0x79, 0x10, 0x00, 0x70, 0, 0, 0, 0];

    let mut bytes = fs::read(programs::path()?)?;
    let offset = {
        let file = object::File::parse(bytes.as_slice())?;
        let program = file.symbols().find(|symbol| symbol.name() == Ok(PROGRAM));
        let program = program.with_context(|| format!("no {PROGRAM} in the object"))?;
        let section = file.section_by_index(program.section_index().context("a symbol of no section")?)?;
        let relocated = section.relocations().any(|(offset, _)| offset == program.address());
        ensure!(!relocated, "the first instruction is filled in when it is loaded");
        let (start, _) = section.file_range().context("a section that is not in the file")?;
        usize::try_from(start + program.address())?
    };
    bytes.get_mut(offset..offset + READ.len()).context("a symbol beyond the file")?.copy_from_slice(&READ);
    fs::write(&copy, bytes)?;
    Ok(copy)
}

fn files(directory: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        }
        found.insert(entry.path());
    }
    Ok(found)
}

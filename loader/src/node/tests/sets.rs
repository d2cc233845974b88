//! Named sets: on file and in the kernel, or in neither.

use std::path::PathBuf;

use super::*;
use crate::api::{
    rules::{Edit, Family, Table},
    set::Commands,
};

fn change(bench: &mut Bench, container: &str, words: &str) -> Result<Response, NodeError> {
    let commands = Commands::Words(words.split(' ').map(str::to_owned).collect());
    bench.execute(Request::SetsChange { name: name(container), commands, exist: false })
}

fn restore(bench: &mut Bench, container: &str, text: &str) -> Result<Response, NodeError> {
    let commands = Commands::Text(text.to_owned());
    bench.execute(Request::SetsChange { name: name(container), commands, exist: false })
}

fn saved(bench: &mut Bench, container: &str) -> String {
    match bench.execute(Request::SetsSave { name: name(container), set: None }).unwrap() {
        Response::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

fn with_two() -> Bench {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    bench.add("b", cgroup("/b")).unwrap();
    change(&mut bench, "a", "create s hash:ip").unwrap();
    change(&mut bench, "b", "create s hash:ip").unwrap();
    change(&mut bench, "a", "add s 192.0.2.1 192.0.2.2").unwrap();
    bench
}

#[test]
fn each_has_a_number_of_its_own() {
    let mut bench = with_two();
    assert_eq!(bench.node.kernel.sets.keys().copied().collect::<Vec<_>>(), [0, 1]);
    change(&mut bench, "a", "destroy s").unwrap();
    assert_eq!(bench.node.kernel.sets.keys().copied().collect::<Vec<_>>(), [1]);
    restore(&mut bench, "a", "create x hash:ip\ncreate y hash:net\n").unwrap();
    assert_eq!(bench.node.kernel.sets.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    bench.execute(Request::ContainerRemove { name: name("a") }).unwrap();
    assert_eq!(bench.node.kernel.sets.keys().copied().collect::<Vec<_>>(), [1]);
    let files = fs::read_dir(bench.directory.path().join("state/sets")).unwrap();
    assert_eq!(files.count(), 1);
}

/// As when a berth was killed while it removed one.
#[test]
fn what_is_no_containers_goes_at_the_next_start() {
    let mut bench = with_two();
    let stray = bench.node.kernel.sets[&0].clone();
    bench.node.kernel.sets.insert(7, stray);
    let bench = bench.again();
    assert_eq!(bench.node.kernel.sets.keys().copied().collect::<Vec<_>>(), [0, 1]);
    // Not while it cannot be told whose it is; nor does anybody get the number.
    let files = fs::read_dir(bench.directory.path().join("state/sets")).unwrap();
    let of_a = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("1-");
    let file = files.map(|file| file.unwrap().path()).find(of_a).unwrap();
    let whole = fs::read(&file).unwrap();
    fs::write(&file, "{}\n{}\n").unwrap();
    let mut bench = bench.again();
    assert_eq!(bench.node.kernel.sets.keys().copied().collect::<Vec<_>>(), [0, 1]);
    change(&mut bench, "b", "add s 192.0.2.1").unwrap();
    bench.refuses("is damaged", |bench| change(bench, "b", "create t hash:ip"));
    fs::write(&file, whole).unwrap();
    change(&mut bench, "b", "create t hash:ip").unwrap();
    assert_eq!(bench.node.kernel.sets.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn what_the_kernel_refuses_is_not_remembered() {
    let mut bench = with_two();
    for (failing, words) in [
        ("change_set", "add s 192.0.2.3"),
        ("change_set", "del s 192.0.2.1"),
        ("set_set", "create more hash:net"),
        ("set_set", "flush s"),
        ("remove_set", "destroy s"),
    ] {
        // What another berth has put into the kernel is replaced as a whole first.
        change(&mut bench, "a", "add s 192.0.2.4").unwrap();
        change(&mut bench, "a", "del s 192.0.2.4").unwrap();
        let before = (saved(&mut bench, "a"), bench.node.kernel.sets.clone().into_keys().collect::<Vec<_>>());
        bench.node.kernel.failing = Some(failing);
        assert!(change(&mut bench, "a", words).is_err(), "{words}");
        bench.node.kernel.failing = None;
        // Where putting it back failed, too, the next request does so.
        assert_eq!(saved(&mut bench, "a"), before.0, "{words}");
        assert_eq!(bench.node.kernel.sets.clone().into_keys().collect::<Vec<_>>(), before.1, "{words}");
        let mut again = bench.again();
        assert_eq!(saved(&mut again, "a"), before.0, "{words}");
        bench = again;
    }
}

#[test]
fn the_next_berth_leaves_them_as_they_are() {
    let mut bench = with_two();
    let before = (saved(&mut bench, "a"), bench.node.kernel.sets.clone());
    bench.node.kernel.failing = Some("set_set");
    let mut bench = bench.again();
    assert!(bench.node.problem.is_none(), "{:?}", bench.node.problem);
    assert_eq!((saved(&mut bench, "a"), &bench.node.kernel.sets), (before.0.clone(), &before.1));
    bench.node.kernel.failing = None;
    let mut bench = bench.rebooted();
    assert_eq!(saved(&mut bench, "a"), before.0);
    assert_eq!(bench.node.kernel.sets.len(), 2);
    // What the kernel has after that is replaced as a whole first, then line by line.
    change(&mut bench, "a", "add s 192.0.2.3").unwrap();
    bench.node.kernel.failing = Some("set_set");
    change(&mut bench, "a", "add s 192.0.2.4").unwrap();
}

#[test]
fn rules_and_sets_need_each_other() {
    let mut bench = with_two();
    let command = |words: &str| Edit {
        name: name("a"),
        family: Family::Ipv4,
        table: Table::Filter,
        command: words.split(' ').map(str::to_owned).collect(),
        confirm: None,
    };
    let rule = "INPUT -m set --match-set s src -j DROP";
    bench.refuses("no set t", |bench| {
        bench.execute(Request::RulesEdit(command("-A INPUT -m set --match-set t src -j DROP")))
    });
    bench.execute(Request::RulesEdit(command(&format!("-A {rule}")))).unwrap();
    bench.refuses("named by a rule", |bench| change(bench, "a", "destroy s"));
    let before = bench.node.kernel.rulesets.clone();
    let mut bench = bench.rebooted();
    assert!(bench.node.problem.is_none(), "{:?}", bench.node.problem);
    assert_eq!(bench.node.kernel.rulesets, before);
    change(&mut bench, "a", "add s 192.0.2.9").unwrap();
    assert_eq!(bench.node.kernel.rulesets, before);
    bench.execute(Request::RulesEdit(command(&format!("-D {rule}")))).unwrap();
    change(&mut bench, "a", "destroy s").unwrap();
}

use super::*;
use crate::api::mode::Mode;

#[test]
fn declared_containers_are_added_though_they_are_not_there_yet() {
    let mut bench = Bench::new();
    declare(&mut bench, &[("later.toml", "cgroups = ['/later']\nmax_flows = 9\n")]);
    assert!(bench.node.kernel.containers[&1].cgroups.is_empty());
    bench.node.observer.cgroups.insert("/later".into(), 50);
    bench.node.refresh().unwrap();
    let spec = &bench.node.kernel.containers[&1];
    assert_eq!((spec.cgroups[0].id, spec.flow_limit), (50, 9));
    assert_eq!(bench.node.problem, None);
}

#[test]
fn what_the_file_says_wins_and_the_rest_stays() {
    let mut bench = Bench::new();
    let settings = Settings { mode: Some(Mode::Full), max_flows: Some(5), ..Settings::default() };
    bench.add_with("a", cgroup("/a"), settings).unwrap();
    declare(&mut bench, &[("a.toml", "cgroups = ['/b']\nmax_flows = 6\n")]);
    let spec = &bench.node.kernel.containers[&1];
    assert_eq!((spec.flow_limit, spec.cgroups[0].id), (6, 11));
    assert_eq!(spec.mode, berth_common::abi::container::Mode::Full);
}

#[test]
fn one_bad_file_keeps_no_other_container_away() {
    let mut bench = Bench::new();
    bench.add("b", cgroup("/b")).unwrap();
    declare(
        &mut bench,
        &[
            ("a.toml", "cgroups = ['/a']\n"),
            ("clash.toml", "cgroups = ['/b/inner']\n"),
            ("wrong.toml", "cgroup = '/x'\n"),
        ],
    );
    assert_eq!(bench.node.kernel.containers.len(), 2);
    assert!(bench.node.problem.as_ref().unwrap().contains("clash.toml: cgroup /b/inner overlaps /b"));
}

#[test]
fn removing_a_declared_container_says_that_it_comes_back() {
    let mut bench = Bench::new();
    declare(&mut bench, &[("a.toml", "cgroups = ['/a']\n")]);
    let done = bench.execute(Request::ContainerRemove { name: name("a") }).unwrap();
    assert!(matches!(done, Response::Done { notes } if notes[0].contains("comes back")));
}

use super::*;
use crate::{
    api::runtime::Runtime,
    config,
    containers::{Link, Recognised},
    node::Observer as _,
};

const RULES: &str = "*filter\n:INPUT DROP\n-A INPUT -p tcp --dport 80 -j ACCEPT\nCOMMIT\n";

/// What the files in `containers/` say is read, as at a start.
fn declare(bench: &mut Bench, files: &[(&str, &str)]) {
    let containers = bench.directory.path().join("containers");
    fs::create_dir_all(&containers).unwrap();
    for (name, text) in files {
        fs::write(containers.join(name), text).unwrap();
    }
    bench.node.declare(config::declared(&bench.node.config_path));
}

fn start(bench: &mut Bench, runtime: Runtime, name: &str, link: Link) {
    bench.node.observer.runtimes.insert((runtime, name.to_owned()), Recognised::Own(vec![link]));
    bench.node.refresh().unwrap();
}

fn names(bench: &Bench) -> Vec<&str> {
    bench.node.state.containers.iter().map(|record| record.name.as_str()).collect()
}

#[test]
fn containers_are_taken_in_as_they_start_and_let_go_when_they_are_gone() {
    let mut bench = Bench::new();
    let template = "match = 'lxc:ci-*'\nmax_flows = 7\nrules = 'ci.rules'\n";
    declare(&mut bench, &[("ci.toml", template), ("ci.rules", RULES)]);
    assert_eq!(names(&bench), [""; 0]);
    start(&mut bench, Runtime::Lxc, "web", link("veth1", 4));
    assert_eq!(names(&bench), [""; 0]);
    start(&mut bench, Runtime::Lxc, "ci-1", link("veth0", 3));
    assert_eq!(names(&bench), ["ci-1"]);
    let spec = &bench.node.kernel.containers[&1];
    assert_eq!((spec.interfaces.clone(), spec.flow_limit), (vec![link("veth0", 3)], 7));
    assert!(bench.node.kernel.rulesets.contains_key(&1));
    assert_eq!(bench.saved(), bench.node.state);
    assert_eq!(bench.saved().containers[0].template, Some(name("ci")));

    // It is not looked for again, nor after a restart.
    bench.node.refresh().unwrap();
    let mut bench = bench.again();
    declare(&mut bench, &[]);
    bench.node.refresh().unwrap();
    assert_eq!(names(&bench), ["ci-1"]);

    bench.node.observer.runtimes.clear();
    bench.node.observer.links.retain(|link| link.name != "veth0");
    bench.node.refresh().unwrap();
    bench.node.refresh().unwrap();
    assert_eq!((names(&bench), bench.node.kernel.containers.len()), (vec![""; 0], 0));
    assert_eq!(bench.saved(), bench.node.state);
}

#[test]
fn cgroups_are_taken_in_by_their_paths() {
    let mut bench = Bench::new();
    declare(&mut bench, &[("ci.toml", "match = ['/ci/*', '/jobs/*']\n")]);
    let parents = bench.node.cgroup_parents();
    assert_eq!(parents, [std::path::Path::new("/cg/ci"), std::path::Path::new("/cg/jobs")]);
    for (number, path) in [(50, "/ci/a@b"), (51, "/jobs/c"), (52, "/ci/x/y")] {
        bench.node.observer.cgroups.insert(path.into(), number);
    }
    bench.node.refresh().unwrap();
    assert_eq!(names(&bench), ["a_b", "c"]);
    assert_eq!(bench.node.kernel.containers[&1].cgroups[0].id, 50);
    bench.node.observer.cgroups.remove(std::path::Path::new("/jobs/c"));
    bench.node.refresh().unwrap();
    assert_eq!(names(&bench), ["a_b"]);
}

#[test]
fn what_is_a_container_already_is_left_alone() {
    let mut bench = Bench::new();
    bench.node.observer.runtimes.insert(lxc("ci-1"), Recognised::Own(vec![link("veth0", 3)]));
    bench.add("own", Target { runtimes: [lxc("ci-1")].into(), ..Target::default() }).unwrap();
    bench.add("a", cgroup("/a")).unwrap();
    declare(&mut bench, &[("ci.toml", "match = ['lxc:*', '/a']\n")]);
    bench.node.refresh().unwrap();
    assert_eq!(names(&bench), ["own", "a"]);
    assert!(bench.node.told.is_empty());
}

#[test]
fn what_cannot_be_taken_in_is_told_and_not_in_force() {
    let mut bench = Bench::new();
    bench.add("ci-1", cgroup("/a")).unwrap();
    let wrong = RULES.replace("ACCEPT", "NOWHERE");
    declare(
        &mut bench,
        &[
            ("ci.toml", "match = 'lxc:ci-*'\n"),
            ("db.toml", "match = 'lxc:db-*'\nrules = 'db.rules'\n"),
            ("db.rules", &wrong),
            ("z.toml", "match = 'lxc:z'\n"),
        ],
    );
    start(&mut bench, Runtime::Lxc, "ci-1", link("veth0", 3));
    start(&mut bench, Runtime::Lxc, "db-1", link("veth1", 4));
    // What is another's.
    bench.node.observer.cgroups.insert("/a/z".into(), 60);
    let payload = bench.node.observer.cgroup("/a/z".as_ref()).unwrap();
    bench.node.observer.runtimes.insert(lxc("z"), Recognised::Shared(payload));
    bench.node.refresh().unwrap();
    assert_eq!((names(&bench), bench.node.kernel.containers.len()), (vec!["ci-1"], 1));
    let told: Vec<_> = bench.node.told.iter().map(String::as_str).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for (told, expected) in told.iter().zip(["there is a container ci-1 already", "NOWHERE", "overlaps /a"]) {
        assert!(told.contains(expected) && !told.contains('\n'), "{told}");
    }
    assert_eq!(bench.saved(), bench.node.state);
    // Nor is it tried again and again, or let in when a hook asks.
    let last_id = bench.node.state.last_id;
    bench.node.refresh().unwrap();
    assert_eq!((bench.node.state.last_id, bench.node.told.len()), (last_id, 3));
    bench.refuses("NOWHERE", |it| {
        it.execute(Request::Announce { lxc: "db-2".to_owned(), interface: "veth1".to_owned() })
    });
    bench.node.observer.runtimes.clear();
    bench.node.refresh().unwrap();
    assert!(bench.node.told.is_empty());
}

#[test]
fn a_hook_has_them_taken_in_before_they_run() {
    let mut bench = Bench::new();
    declare(&mut bench, &[("ci.toml", "match = ['lxc:ci-*', 'podman:ci-*']\nrules = 'r'\n"), ("r", RULES)]);
    bench.execute(Request::Announce { lxc: "ci-1".to_owned(), interface: "veth0".to_owned() }).unwrap();
    bench.node.observer.ids.insert((Runtime::Podman, "ci-2".to_owned()), "3f4e".to_owned());
    bench.node.observer.processes.insert(712, Recognised::Own(vec![link("veth1", 4)]));
    bench.execute(Request::AnnounceProcess { oci: "3f4e".to_owned(), pid: 712 }).unwrap();
    for (id, expected) in [(1, link("veth0", 3)), (2, link("veth1", 4))] {
        assert_eq!(bench.node.kernel.containers[&id].interfaces, [expected]);
        assert!(bench.node.kernel.rulesets.contains_key(&id));
    }
    // They have not started yet, but they will.
    bench.node.refresh().unwrap();
    assert_eq!(names(&bench), ["ci-1", "ci-2"]);
    // One never did.
    bench.node.observer.links.retain(|link| link.name != "veth0");
    bench.node.refresh().unwrap();
    assert_eq!(names(&bench), ["ci-2"]);
    // What no template means is not a container.
    let other = bench.execute(Request::Announce { lxc: "web".to_owned(), interface: "veth0".to_owned() });
    assert!(matches!(other.unwrap(), Response::Done { notes } if notes[0].contains("no container")));
}

#[test]
fn what_a_template_says_anew_holds_for_those_that_are_there() {
    let mut bench = Bench::new();
    declare(&mut bench, &[("ci.toml", "match = 'lxc:*'\nmax_flows = 7\nmax_ports = 9\n")]);
    start(&mut bench, Runtime::Lxc, "c", link("veth0", 3));
    let mut bench = bench.again();
    declare(&mut bench, &[("ci.toml", "match = 'lxc:*'\nmax_flows = 8\nrules = 'r'\n"), ("r", RULES)]);
    let spec = &bench.node.kernel.containers[&1];
    assert_eq!((spec.flow_limit, spec.port_limit), (8, 9));
    assert!(bench.node.kernel.rulesets.contains_key(&1));
    assert_eq!(bench.node.problem, None);
}

#[test]
fn removing_one_says_that_it_comes_back() {
    let mut bench = Bench::new();
    declare(&mut bench, &[("ci.toml", "match = 'lxc:*'\n")]);
    start(&mut bench, Runtime::Lxc, "c", link("veth0", 3));
    let done = bench.execute(Request::ContainerRemove { name: name("c") }).unwrap();
    assert!(matches!(done, Response::Done { notes } if notes[0].contains("comes back while it runs")));
    bench.node.refresh().unwrap();
    assert_eq!(names(&bench), ["c"]);
}

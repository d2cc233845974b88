use super::*;
use crate::{
    api::runtime::Runtime,
    containers::{Link, Recognised},
    node::Observer as _,
};

const RULES: &str = "*filter\n:INPUT DROP\n-A INPUT -p tcp --dport 80 -j ACCEPT\nCOMMIT\n";

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
    assert!(bench.node.failures.is_empty());
}

fn told(bench: &Bench) -> Vec<&str> {
    bench.node.failures.values().map(|failure| failure.problem.as_str()).collect()
}

#[test]
fn what_cannot_be_taken_in_is_told_and_not_in_force() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    let wrong = RULES.replace("ACCEPT", "NOWHERE");
    declare(
        &mut bench,
        &[
            ("db.toml", "match = 'lxc:db-*'\nrules = 'db.rules'\n"),
            ("db.rules", &wrong),
            ("z.toml", "match = 'lxc:z'\n"),
        ],
    );
    start(&mut bench, Runtime::Lxc, "db-1", link("veth1", 4));
    // What is another's.
    bench.node.observer.cgroups.insert("/a/z".into(), 60);
    let payload = bench.node.observer.cgroup("/a/z".as_ref()).unwrap();
    bench.node.observer.runtimes.insert(lxc("z"), Recognised::Shared(payload));
    bench.node.refresh().unwrap();
    assert_eq!((names(&bench), bench.node.kernel.containers.len()), (vec!["a"], 1));
    assert_eq!(told(&bench).len(), 2);
    for (told, expected) in told(&bench).iter().zip(["NOWHERE", "overlaps /a"]) {
        assert!(told.contains(expected) && !told.contains('\n'), "{told}");
    }
    // Nor is it tried again at each look, or let in when a hook asks.
    let before = bench.node.state.clone();
    bench.node.refresh().unwrap();
    assert_eq!((bench.node.state.last_id, told(&bench).len()), (before.last_id, 2));
    let announce = |bench: &mut Bench| {
        bench.execute(Request::Announce { lxc: "db-2".to_owned(), interface: "veth0".to_owned() })
    };
    assert!(announce(&mut bench).unwrap_err().to_string().contains("NOWHERE"));
    assert_eq!((&bench.node.state.containers, &bench.saved()), (&before.containers, &bench.node.state));
    bench.node.observer.runtimes.clear();
    bench.node.refresh().unwrap();
    assert_eq!(told(&bench), [""; 0]);
}

#[test]
fn what_the_kernel_refuses_leaves_nothing() {
    let mut bench = Bench::new();
    declare(&mut bench, &[("ci.toml", "match = 'lxc:*'\nrules = 'r'\n"), ("r", RULES)]);
    for call in ["add_container", "update_container", "set_ruleset"] {
        bench.node.kernel.failing = Some(call);
        bench.node.failures.clear();
        start(&mut bench, Runtime::Lxc, "c", link("veth0", 3));
        assert_eq!((names(&bench), bench.node.kernel.containers.len()), (vec![""; 0], 0), "{call}");
        assert_eq!((told(&bench).len(), &bench.saved()), (1, &bench.node.state), "{call}");
    }
    bench.node.kernel.failing = None;
    bench.node.failures.clear();
    bench.node.refresh().unwrap();
    assert_eq!(names(&bench), ["c"]);
}

#[test]
fn each_has_a_name_of_its_own() {
    let mut bench = Bench::new();
    let long = "x".repeat(70);
    declare(&mut bench, &[("ci.toml", "match = ['lxc:*', 'docker:*']\n")]);
    let service = "tcp/80".parse().unwrap();
    bench.execute(Request::PortReserve { name: name("later"), service, address: None, raw: false }).unwrap();
    let reservations = bench.node.state.reservations.clone();
    for (index, name) in ["a b", "host", "later", &long].into_iter().enumerate() {
        let number = u32::try_from(index).unwrap() + 30;
        bench.node.observer.links.push(link(&format!("v{index}"), number));
        start(&mut bench, Runtime::Lxc, name, link(&format!("v{index}"), number));
    }
    bench.node.observer.links.push(link("v9", 39));
    start(&mut bench, Runtime::Docker, "a_b", link("v9", 39));
    let all = names(&bench);
    assert_eq!(all.len(), 6, "{all:?}");
    assert_eq!((all[0], all[1]), ("later", "a_b"));
    for (name, begin) in all[2..].iter().zip(["host-", "later-", &long[..54], "a_b-"]) {
        assert!(name.starts_with(begin) && name.len() <= 63, "{name}");
    }
    // Ports that are reserved for who is to be called so are not his, and stay reserved.
    bench.node.observer.runtimes.clear();
    bench.node.observer.links.retain(|link| !link.name.starts_with('v'));
    bench.node.refresh().unwrap();
    assert_eq!((names(&bench), &bench.node.state.reservations), (vec!["later"], &reservations));
}

#[test]
fn a_file_of_its_own_takes_one_over() {
    let mut bench = Bench::new();
    declare(&mut bench, &[("ci.toml", "match = 'lxc:*'\nmax_flows = 7\n")]);
    start(&mut bench, Runtime::Lxc, "c", link("veth0", 3));
    start(&mut bench, Runtime::Lxc, "d", link("veth1", 4));
    declare(&mut bench, &[("c.toml", "lxc = 'c'\nmax_flows = 9\n"), ("dd.toml", "lxc = 'd'\n")]);
    bench.node.refresh().unwrap();
    assert_eq!(names(&bench), ["c", "dd"]);
    assert_eq!(bench.node.kernel.containers[&1].flow_limit, 9);
    bench.node.observer.runtimes.clear();
    bench.node.observer.links.retain(|link| !link.name.starts_with("veth"));
    bench.node.refresh().unwrap();
    assert_eq!((names(&bench), bench.node.problem.as_deref()), (vec!["c", "dd"], None));
}

#[test]
fn who_may_be_meant_by_what_is_not_understood_does_not_start() {
    let mut bench = Bench::new();
    declare(&mut bench, &[("ci.toml", "match = 'lxc:*'\nrules = 'none'\n")]);
    let announce = |bench: &mut Bench| {
        bench.execute(Request::Announce { lxc: "c".to_owned(), interface: "veth0".to_owned() })
    };
    bench.refuses("may be meant by what is not understood", announce);
    declare(&mut bench, &[("none", RULES)]);
    announce(&mut bench).unwrap();
    assert_eq!(names(&bench), ["c"]);
}

/// Rules that name its own interface hold as soon as that is there.
#[test]
fn its_own_interface_is_known_to_its_rules() {
    let mut bench = Bench::new();
    let rules = "*filter\n-A INPUT -i veth0 -j DROP\nCOMMIT\n";
    declare(&mut bench, &[("ci.toml", "match = 'lxc:*'\nrules = 'r'\n"), ("r", rules)]);
    bench.execute(Request::Announce { lxc: "c".to_owned(), interface: "veth0".to_owned() }).unwrap();
    let generation = bench.node.kernel.rulesets[&1];
    bench.node.refresh().unwrap();
    assert_eq!(bench.node.kernel.rulesets[&1], generation, "they were right before");
}

/// What has been registered otherwise is in force as it is, and starts.
#[test]
fn a_hook_leaves_alone_what_is_anothers() {
    let mut bench = Bench::new();
    declare(&mut bench, &[("ci.toml", "match = 'lxc:*'\n")]);
    bench.add("by-hand", interface("veth0")).unwrap();
    let done =
        bench.execute(Request::Announce { lxc: "c".to_owned(), interface: "veth0".to_owned() }).unwrap();
    assert!(matches!(done, Response::Done { notes } if notes[0].contains("is a container's already")));
    assert_eq!(names(&bench), ["by-hand"]);
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

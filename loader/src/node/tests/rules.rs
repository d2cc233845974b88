//! Rules: remembered and in force as a whole, or not at all.

use berth_common::abi::{
    counters::Traffic,
    guard::{MAX_CONNLIMITS, MAX_RECENT_LISTS},
};

use super::*;
use crate::api::rules::{Edit, Family, Restore, Table};

fn restore(bench: &mut Bench, container: &str, rules: &str) -> Result<Response, NodeError> {
    let text = format!("*filter\n{rules}\nCOMMIT\n");
    let restore = Restore { name: name(container), family: Family::Ipv4, text, check: false, confirm: None };
    bench.execute(Request::RulesRestore(restore))
}

fn edit(bench: &mut Bench, container: &str, command: &str) -> Result<Response, NodeError> {
    let command = command.split(' ').map(str::to_owned).collect();
    let (family, table) = (Family::Ipv4, Table::Filter);
    bench.execute(Request::RulesEdit(Edit { name: name(container), family, table, command, confirm: None }))
}

fn saved(bench: &mut Bench, container: &str, counters: bool) -> String {
    let request = Request::RulesSave { name: name(container), family: Family::Ipv4, counters };
    match bench.execute(request).unwrap() {
        Response::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

fn generation(bench: &Bench) -> Option<u64> {
    bench.node.kernel.rulesets.get(&1).copied()
}

#[test]
fn each_change_is_a_ruleset_of_its_own() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    assert!(!bench.node.kernel.containers[&1].has_rules);
    restore(&mut bench, "a", "-A INPUT -p tcp -j DROP").unwrap();
    assert!(bench.node.kernel.containers[&1].has_rules);
    let first = generation(&bench).unwrap();
    edit(&mut bench, "a", "-A INPUT -p udp -j DROP").unwrap();
    assert!(generation(&bench).is_some_and(|second| second != first));
    assert_eq!(bench.saved(), bench.node.state);
    edit(&mut bench, "a", "-F INPUT").unwrap();
    assert_eq!((generation(&bench), bench.node.kernel.containers[&1].has_rules), (None, false));
}

#[test]
fn what_the_kernel_refuses_is_not_remembered() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    restore(&mut bench, "a", "-A INPUT -p tcp -j DROP").unwrap();
    let before = (generation(&bench), saved(&mut bench, "a", false));
    bench.node.kernel.failing = Some("set_ruleset");
    restore(&mut bench, "a", "-A INPUT -p udp -j DROP").unwrap_err();
    bench.node.kernel.failing = None;
    assert_eq!((generation(&bench), saved(&mut bench, "a", false)), before);
    assert_eq!(bench.saved(), bench.node.state);
}

#[test]
fn numbers_that_may_be_in_the_kernel_are_not_given_again() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    let set = |name| format!("-A INPUT -m recent --name {name} --set");
    restore(&mut bench, "a", &set("one")).unwrap();
    let first = generation(&bench).unwrap();
    bench.node.kernel.failing = Some("set_ruleset");
    restore(&mut bench, "a", &set("two")).unwrap_err();
    bench.node.kernel.failing = None;
    restore(&mut bench, "a", &set("three")).unwrap();
    assert_eq!(bench.node.kernel.objects[&1], [3]);
    assert_eq!(generation(&bench).unwrap(), first + 2);
}

#[test]
fn what_is_kept_is_put_right_at_the_next_start() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    restore(&mut bench, "a", "-A INPUT -m recent --name one --set").unwrap();
    bench.node.kernel.objects.clear();
    bench.node.rules.clear();
    bench.node.load_rules(1).unwrap();
    assert_eq!(bench.node.kernel.objects[&1], [1]);
}

#[test]
fn what_is_kept_for_a_name_stays_with_it() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    let limit =
        |name| format!("-A INPUT -m hashlimit --hashlimit-upto 1/sec --hashlimit-name {name} -j ACCEPT");
    let objects = |bench: &Bench| bench.node.kernel.objects[&1].clone();
    restore(&mut bench, "a", &format!("{}\n{}\n{}", limit("one"), limit("two"), limit("one"))).unwrap();
    assert_eq!(objects(&bench), [1, 2]);
    restore(&mut bench, "a", &format!("-A INPUT -p tcp\n{}\n{}", limit("two"), limit("three"))).unwrap();
    assert_eq!(objects(&bench), [2, 3]);
    // What went and comes back is another.
    restore(&mut bench, "a", &limit("one")).unwrap();
    assert_eq!(objects(&bench), [4]);
    edit(&mut bench, "a", "-F INPUT").unwrap();
    restore(&mut bench, "a", &limit("one")).unwrap();
    assert_eq!(objects(&bench), [5]);
}

#[test]
fn a_container_has_so_many_connlimits_and_lists() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    let settings = Settings { mode: Some(crate::api::mode::Mode::Stateful), ..Settings::default() };
    let (name, target) = (name("a"), Target::default());
    bench.execute(Request::ContainerSet { name, target, settings, drop_rules: false }).unwrap();
    let rules = |count: usize| {
        let rule =
            |port| format!("-A INPUT -p tcp --dport {port} -m connlimit --connlimit-above 3 -j DROP\n");
        (1..=count).map(rule).collect::<String>()
    };
    restore(&mut bench, "a", &rules(MAX_CONNLIMITS)).unwrap();
    let before = generation(&bench);
    let failure = restore(&mut bench, "a", &rules(MAX_CONNLIMITS + 1)).unwrap_err().to_string();
    assert!(
        failure.starts_with("connlimit is asked for by 33 rules, both families together, and 32 may"),
        "{failure}"
    );
    let lists = |count: usize| (1..=count).map(|name| format!("-A INPUT -m recent --name {name} --set\n"));
    let failure = restore(&mut bench, "a", &lists(MAX_RECENT_LISTS + 1).collect::<String>()).unwrap_err();
    assert!(failure.to_string().starts_with("the rules name 33 lists of recent addresses"), "{failure}");
    assert_eq!(generation(&bench), before);
}

#[test]
fn counters_follow_their_rules() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    restore(&mut bench, "a", "-A INPUT -p tcp\n-A INPUT -p udp\n-A INPUT -p tcp").unwrap();
    let counted = bench.node.kernel.counted.get_mut(&1).unwrap();
    for (place, number) in counted.iter_mut().zip(1..) {
        *place = Traffic { packets: number, bytes: number * 100 };
    }
    // Those that are the same keep their order; INPUT's policy keeps its own.
    restore(&mut bench, "a", "-A INPUT -p icmp\n-A INPUT -p tcp\n-A INPUT -p tcp\n-A INPUT -p udp").unwrap();
    let text = saved(&mut bench, "a", true);
    let lines: Vec<&str> = text.lines().collect();
    let expected = [
        "*filter",
        ":INPUT ACCEPT [4:400]",
        ":FORWARD ACCEPT [6:600]",
        ":OUTPUT ACCEPT [5:500]",
        "[0:0] -A INPUT -p icmp",
        "[1:100] -A INPUT -p tcp",
        "[3:300] -A INPUT -p tcp",
        "[2:200] -A INPUT -p udp",
        "COMMIT",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_family_without_rules_goes_on_with_nothing() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    let rules = "*filter\n-A INPUT -p tcp\nCOMMIT\n".to_owned();
    let six = Restore { name: name("a"), family: Family::Ipv6, text: rules, check: false, confirm: None };
    bench.execute(Request::RulesRestore(six)).unwrap();
    restore(&mut bench, "a", "-A INPUT -p tcp").unwrap();
    for place in bench.node.kernel.counted.get_mut(&1).unwrap() {
        *place = Traffic { packets: 1, bytes: 100 };
    }
    bench.execute(Request::RulesFlush { name: name("a"), family: Family::Ipv4 }).unwrap();
    restore(&mut bench, "a", "-A INPUT -p tcp").unwrap();
    assert!(saved(&mut bench, "a", true).contains(":INPUT ACCEPT [0:0]\n"));
}

#[test]
fn the_next_berth_leaves_them_as_they_are() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    restore(&mut bench, "a", "-A INPUT -p tcp -j DROP").unwrap();
    bench.node.kernel.failing = Some("set_ruleset");
    let mut bench = bench.again();
    assert!(bench.node.problem.is_none(), "{:?}", bench.node.problem);
    assert!(saved(&mut bench, "a", false).contains("-A INPUT -p tcp -j DROP\n"));
    assert!(bench.node.kernel.containers[&1].has_rules);
    bench.node.kernel.failing = None;
    let before = generation(&bench);
    let bench = bench.rebooted();
    assert_eq!(generation(&bench), before);
    assert!(bench.node.kernel.containers[&1].has_rules);
}

#[test]
fn names_of_interfaces_are_followed() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    restore(&mut bench, "a", "-A INPUT -i wg+ -j DROP").unwrap();
    let before = generation(&bench);
    bench.node.observer.links.push(link("other0", 9));
    bench.node.refresh().unwrap();
    assert_eq!(generation(&bench), before);
    bench.node.observer.links.push(link("wg0", 10));
    bench.node.refresh().unwrap();
    assert_ne!(generation(&bench), before);
    assert!(saved(&mut bench, "a", false).contains("-A INPUT -i wg+ -j DROP\n"));
}

#[test]
fn what_goes_with_the_container_goes() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    restore(&mut bench, "a", "-A INPUT -p tcp -j DROP").unwrap();
    bench.execute(Request::ContainerRemove { name: name("a") }).unwrap();
    assert!(bench.node.rules.is_empty() && generation(&bench).is_none());
}

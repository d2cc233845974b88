//! Rules in table nat: for whom, and what of them goes on.

use berth_common::abi::counters::Traffic;

use super::*;
use crate::api::{
    mode::Mode,
    rules::{Family, Restore},
    spoofing::Spoofing,
};

const MASQUERADE: &str = "-A POSTROUTING -j MASQUERADE";

fn restore_in(
    bench: &mut Bench,
    family: Family,
    table: &str,
    rules: &str,
    check: bool,
) -> Result<Response, NodeError> {
    let text = format!("*{table}\n{rules}\nCOMMIT\n");
    bench.execute(Request::RulesRestore(Restore { name: name("web"), family, text, check, confirm: None }))
}

fn restore(bench: &mut Bench, rules: &str) -> Result<Response, NodeError> {
    restore_in(bench, Family::Ipv4, "nat", rules, false)
}

fn full() -> Settings {
    let addresses = Some(vec![address("10.0.3.10"), address("10.0.3.11")]);
    Settings { mode: Some(Mode::Full), addresses, ..Settings::default() }
}

fn set(bench: &mut Bench, target: Target, settings: Settings) -> Result<Response, NodeError> {
    bench.execute(Request::ContainerSet { name: name("web"), target, settings, drop_rules: false })
}

fn translates(bench: &Bench) -> bool {
    bench.node.rules.get(&1).is_some_and(|loaded| loaded.pair.translates())
}

#[test]
fn a_container_of_an_interface_in_mode_full_may_have_them() {
    let mut bench = Bench::new();
    bench.add_with("web", interface("veth0"), full()).unwrap();
    restore_in(&mut bench, Family::Ipv4, "filter", "-A INPUT -p tcp", false).unwrap();
    assert!(!translates(&bench));
    restore(&mut bench, MASQUERADE).unwrap();
    assert!(translates(&bench));
    bench.refuses("mode stateful does not have it", |it| {
        set(it, Target::default(), Settings { mode: Some(Mode::Stateful), ..Settings::default() })
    });
    restore(&mut bench, ":OWN -").unwrap();
    assert!(!translates(&bench));
    restore_in(&mut bench, Family::Ipv6, "nat", MASQUERADE, false).unwrap();
    assert!(translates(&bench));
    let target = Target::default();
    let settings = Settings { mode: Some(Mode::Stateful), ..Settings::default() };
    bench.execute(Request::ContainerSet { name: name("web"), target, settings, drop_rules: true }).unwrap();
    assert!(!translates(&bench));
    bench.refuses("feature nat: mode stateful does not have it", |it| restore(it, MASQUERADE));
}

#[test]
fn nobody_translates_the_nodes_addresses() {
    const WORDS: &str = "web shares the node's addresses, which rules in table nat would translate for all";
    let mut bench = Bench::new();
    bench.add_with("web", cgroup("/a"), Settings { addresses: None, ..full() }).unwrap();
    bench.refuses(WORDS, |it| restore(it, MASQUERADE));
    bench.refuses(WORDS, |it| restore_in(it, Family::Ipv6, "nat", MASQUERADE, true));
    restore(&mut bench, ":OWN -").unwrap();
    set(&mut bench, interface("veth0"), Settings::default()).unwrap();
    restore(&mut bench, MASQUERADE).unwrap();
    bench.refuses(WORDS, |it| set(it, cgroup("/a"), Settings::default()));
    restore(&mut bench, "").unwrap();
    set(&mut bench, cgroup("/a"), Settings::default()).unwrap();
}

#[test]
fn sources_are_the_containers_own() {
    let mut bench = Bench::new();
    bench.add_with("web", interface("veth0"), full()).unwrap();
    let to = |chain: &str, addresses: &str| format!("-A {chain} -p tcp -j SNAT --to-source {addresses}");
    restore(&mut bench, &to("POSTROUTING", "10.0.3.10-10.0.3.11:1024-2047")).unwrap();
    restore(&mut bench, &to("POSTROUTING", ":1024-2047")).unwrap();
    // What it sees itself is its own affair.
    restore(&mut bench, &to("INPUT", "192.0.2.1")).unwrap();
    let words = "line 2: -A POSTROUTING -p tcp -j SNAT --to-source 10.0.3.11-10.0.3.12: web may not send from all of \
                 10.0.3.11-10.0.3.12: its own are 10.0.3.10, 10.0.3.11; name";
    bench.refuses(words, |it| restore(it, &to("POSTROUTING", "10.0.3.11-10.0.3.12")));
    bench.refuses("line 4: -A OWN -j SNAT", |it| {
        restore(it, ":OWN -\n-A POSTROUTING -j OWN\n-A OWN -j SNAT --to-source 192.0.2.1")
    });
    bench.refuses("may not send from all of fd00::1", |it| {
        restore_in(it, Family::Ipv6, "nat", "-A POSTROUTING -j SNAT --to-source fd00::1", false)
    });
    let others = [
        Settings { routes: Some(true), ..Settings::default() },
        Settings { routes: Some(false), spoofing: Some(Spoofing::Allow), ..Settings::default() },
        Settings { spoofing: Some(Spoofing::Deny), addresses: Some(Vec::new()), ..Settings::default() },
    ];
    for settings in others {
        set(&mut bench, Target::default(), settings).unwrap();
        restore(&mut bench, &to("POSTROUTING", "192.0.2.1")).unwrap();
    }
}

#[test]
fn their_counters_go_on() {
    let mut bench = Bench::new();
    bench.add_with("web", interface("veth0"), full()).unwrap();
    restore(&mut bench, "-A PREROUTING -p tcp -j REDIRECT\n-A POSTROUTING -j MASQUERADE").unwrap();
    for (place, number) in bench.node.kernel.counted.get_mut(&1).unwrap().iter_mut().zip(1..) {
        *place = Traffic { packets: number, bytes: number * 100 };
    }
    restore(&mut bench, "-A PREROUTING -p udp -j REDIRECT\n-A PREROUTING -p tcp -j REDIRECT").unwrap();
    let request = Request::RulesSave { name: name("web"), family: Family::Ipv4, counters: true };
    let Response::Text(text) = bench.execute(request).unwrap() else { panic!("no text") };
    let lines: Vec<&str> = text.lines().skip_while(|line| *line != "*nat").collect();
    let expected = [
        "*nat",
        ":PREROUTING ACCEPT [3:300]",
        ":INPUT ACCEPT [4:400]",
        ":OUTPUT ACCEPT [5:500]",
        ":POSTROUTING ACCEPT [6:600]",
        "[0:0] -A PREROUTING -p udp -j REDIRECT",
        "[1:100] -A PREROUTING -p tcp -j REDIRECT",
        "COMMIT",
    ];
    assert_eq!(lines, expected);
    let held = |bench: &Bench| bench.node.rules[&1].pair.entries();
    assert_eq!(held(&bench), 2);
}

#[test]
fn nobody_is_sent_to_himself() {
    let mut bench = Bench::new();
    bench.add_with("web", interface("veth0"), full()).unwrap();
    let own = "-A OUTPUT -p udp -j DNAT --to-destination 10.0.3.10-10.0.3.12";
    bench.refuses("would ask itself by its own address", |it| restore(it, own));
    restore(&mut bench, "-A PREROUTING -p udp -j DNAT --to-destination 10.0.3.11").unwrap();
    restore(&mut bench, "-A OUTPUT -p udp -j DNAT --to-destination 10.0.3.12").unwrap();
}

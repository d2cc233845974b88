use std::path::Path;

use berth_common::{
    abi::{
        address::Address,
        nat::{NatAddresses, NatOwner, Translation},
        units::{ContainerId, Port, Ticks, Zone},
    },
    engine::nat::stamp,
};

use super::*;
use crate::{
    api::{masquerade::Masquerade, mode::Mode},
    containers::{LinkAddress, Recognised},
    control::{Nat, Translations},
    node::Observer as _,
};

const ADDRESSES: [&str; 2] = ["10.0.3.10", "fd00:3::10"];

fn full() -> Settings {
    let addresses = Some(ADDRESSES.map(address).into());
    Settings { mode: Some(Mode::Full), addresses, ..Settings::default() }
}

fn masquerade(text: &str) -> Settings {
    Settings { masquerade: Some(text.parse().unwrap()), ..Settings::default() }
}

fn set(bench: &mut Bench, settings: Settings) -> Result<Response, NodeError> {
    let target = Target::default();
    bench.execute(Request::ContainerSet { name: name("web"), target, settings, drop_rules: false })
}

fn nat(bench: &Bench) -> &Nat {
    bench.node.kernel.nat.as_ref().unwrap()
}

/// Where packets come from: address, interface, and whose they are.
fn sources(bench: &Bench) -> Vec<(String, u32, u32)> {
    let sources = nat(bench).sources.iter();
    sources.map(|(from, owner)| (from.address.to_string(), from.ifindex, owner.container.0)).collect()
}

/// What becomes of the container's own addresses.
fn owners(bench: &Bench) -> [(u32, Address); 2] {
    ADDRESSES.map(|text| {
        let of = |(from, _): &&(_, _)| -> bool {
            let from: &berth_common::abi::nat::NatSource = from;
            from.address == address(text).into()
        };
        let (_, owner) = nat(bench).sources.iter().find(of).unwrap();
        (owner.masquerade, owner.to)
    })
}

#[test]
fn a_container_in_mode_full_may_be_translated() {
    let mut bench = Bench::new();
    assert!(nat(&bench).sources.is_empty() && nat(&bench).uplinks.is_empty());
    assert_eq!(nat(&bench).ports, 61_000..=65_535);
    bench.add_with("web", interface("veth0"), full()).unwrap();
    assert_eq!(sources(&bench), [("10.0.3.10".to_owned(), 3, 1), ("fd00:3::10".to_owned(), 3, 1)]);
    let generation = bench.node.kernel.containers[&1].generation;
    assert!(nat(&bench).sources.iter().all(|(_, owner)| owner.generation == generation));
    assert_eq!(owners(&bench), [(NatOwner::UNTRANSLATED, Address::ANY6); 2]);

    // In another mode, without a known address, or without an interface it is not.
    set(&mut bench, Settings { mode: Some(Mode::Stateful), ..Settings::default() }).unwrap();
    assert!(sources(&bench).is_empty());
    let nothing_known = Settings { addresses: Some(Vec::new()), ..full() };
    set(&mut bench, nothing_known).unwrap();
    assert!(sources(&bench).is_empty());
    set(&mut bench, full()).unwrap();
    assert_eq!(sources(&bench).len(), 2);
    bench.node.observer.links.retain(|link| link.name != "veth0");
    bench.node.refresh().unwrap();
    assert!(sources(&bench).is_empty());
    bench.add_with("a", cgroup("/a"), Settings { addresses: None, ..full() }).unwrap();
    assert!(sources(&bench).is_empty());
}

#[test]
fn masquerading_goes_by_the_uplink_or_by_what_is_given() {
    let mut bench = Bench::new();
    bench.add_with("web", interface("veth0"), full()).unwrap();
    set(&mut bench, masquerade("yes")).unwrap();
    assert_eq!(owners(&bench), [(NatOwner::UPLINK, Address::ANY6); 2]);
    // Of the family of the address alone.
    set(&mut bench, masquerade("192.0.2.1")).unwrap();
    let given = (NatOwner::TO, address("192.0.2.1").into());
    assert_eq!(owners(&bench), [given, (NatOwner::UNTRANSLATED, Address::ANY6)]);
    bench.refuses("192.0.2.9 is none of the node's own addresses", |it| set(it, masquerade("192.0.2.9")));
    let bench = &mut bench.rebooted();
    assert_eq!(owners(bench)[0], given);
    set(bench, masquerade("no")).unwrap();
    assert_eq!(owners(bench)[0].0, NatOwner::UNTRANSLATED);
}

#[test]
fn masquerading_asks_for_mode_full_and_what_can_be_translated() {
    let mut bench = Bench::new();
    let on = || masquerade("yes");
    bench.refuses("mode stateless does not allow web to be masqueraded", |it| {
        it.add_with("web", interface("veth0"), Settings { mode: None, ..full().overlaid(&on()) })
    });
    bench.refuses("web has no interface of its own", |it| {
        it.add_with("web", cgroup("/a"), full().overlaid(&on()))
    });
    bench.refuses("no address of web is known", |it| {
        it.add_with("web", interface("veth0"), Settings { addresses: None, ..full().overlaid(&on()) })
    });
    bench.add_with("web", interface("veth0"), full().overlaid(&on())).unwrap();
    let stateful = || Settings { mode: Some(Mode::Stateful), ..Settings::default() };
    bench.refuses("give it --mode full, or --masquerade no", |it| set(it, stateful()));
    bench.refuses("no address of web is known", |it| {
        set(it, Settings { addresses: Some(Vec::new()), ..Settings::default() })
    });
    set(&mut bench, stateful().overlaid(&masquerade("no"))).unwrap();
    assert!(sources(&bench).is_empty());
}

#[test]
fn masquerading_takes_no_ports_of_sockets() {
    let mut bench = Bench::new();
    bench.add_with("web", interface("veth0"), full()).unwrap();
    bench.node.config.nat.ports.0 = "60999-61999".parse().unwrap();
    let words = "takes ports 60999-61999, and net.ipv4.ip_local_port_range (32768-60999) gives";
    bench.refuses(words, |it| set(it, masquerade("yes")));
    bench.node.config.nat.ports.0 = "61000-61999".parse().unwrap();
    set(&mut bench, masquerade("yes")).unwrap();
    assert_eq!(nat(&bench).ports, 61_000..=61_999);
}

#[test]
fn a_bridge_is_followed() {
    let mut bench = Bench::new();
    bench
        .add_with(
            "web",
            interface("veth0"),
            Settings { addresses: Some(vec![address("10.0.3.10")]), ..full() },
        )
        .unwrap();
    let indices =
        |bench: &Bench| sources(bench).into_iter().map(|(_, ifindex, _)| ifindex).collect::<Vec<_>>();
    assert_eq!(indices(&bench), [3]);
    bench.node.observer.masters.insert(3, 20);
    bench.node.refresh().unwrap();
    assert_eq!(indices(&bench), [3, 20]);
    bench.node.observer.masters.insert(3, 21);
    bench.node.refresh().unwrap();
    assert_eq!(indices(&bench), [3, 21]);
    bench.node.observer.masters.clear();
    bench.node.refresh().unwrap();
    assert_eq!(indices(&bench), [3]);
}

/// Its bridge comes after the hook has told of it, and changes nothing else.
#[test]
fn a_bridge_is_followed_while_a_container_starts() {
    let mut bench = Bench::new();
    bench.node.observer.runtimes.insert(lxc("web"), Recognised::Own(vec![link("veth0", 3)]));
    bench.add_with("web", Target { runtimes: [lxc("web")].into(), ..Target::default() }, full()).unwrap();
    bench.node.observer.runtimes.clear();
    let announced = Request::Announce { lxc: "web".to_owned(), interface: "veth1".to_owned() };
    bench.node.observer.links.retain(|link| link.name != "veth0");
    bench.execute(announced).unwrap();
    assert_eq!(sources(&bench).len(), 2);
    bench.node.observer.masters.insert(4, 20);
    bench.node.refresh().unwrap();
    assert_eq!(sources(&bench).len(), 4);
    assert_eq!(bench.node.kernel.containers[&1].interfaces, [link("veth1", 4)]);
}

#[test]
fn one_address_on_one_bridge_is_the_first_one_s() {
    let mut bench = Bench::new();
    bench.node.observer.masters.extend([(3, 20), (4, 20)]);
    let one = || Settings { addresses: Some(vec![address("10.0.3.10")]), ..full() };
    bench.add_with("web", interface("veth0"), one()).unwrap();
    bench.add_with("v", interface("veth1"), one()).unwrap();
    let of = |ifindex, owner| ("10.0.3.10".to_owned(), ifindex, owner);
    assert_eq!(sources(&bench), [of(3, 1), of(4, 2), of(20, 1)]);
    assert_eq!(bench.node.clashes.len(), 1);
    bench.execute(Request::ContainerRemove { name: name("web") }).unwrap();
    assert_eq!(sources(&bench), [of(4, 2), of(20, 2)]);
    assert!(bench.node.clashes.is_empty());
}

#[test]
fn uplinks_have_their_first_address_of_each_family() {
    let mut bench = Bench::new();
    bench.node.observer.source_addresses =
        [(3, "10.0.3.1"), (2, "192.0.2.1"), (2, "192.0.2.2"), (20, "2001:db8::1")]
            .map(|(ifindex, text)| LinkAddress { ifindex, address: address(text), prefix: 24 })
            .into();
    bench.add_with("web", interface("veth0"), full()).unwrap();
    let v4 = address("192.0.2.1").into();
    assert_eq!(nat(&bench).uplinks, [(2, NatAddresses { v4, v6: Address::ANY6, router: [0; 8] })]);
    // A port of a bridge that has them.
    bench.node.observer.masters.insert(2, 20);
    bench.node.observer.source_addresses.retain(|one| one.ifindex != 2);
    bench.node.refresh().unwrap();
    let v6 = address("2001:db8::1").into();
    assert_eq!(nat(&bench).uplinks, [(2, NatAddresses { v4: Address::ANY4, v6, router: [0; 8] })]);
    bench.node.uplinks = Uplinks::Named(Vec::new());
    bench.node.refresh().unwrap();
    assert!(nat(&bench).uplinks.is_empty());
}

#[test]
fn interfaces_have_the_address_that_is_beside_the_node_s() {
    let mut bench = Bench::new();
    bench.node.observer.source_addresses =
        vec![LinkAddress { ifindex: 20, address: address("10.0.4.1"), prefix: 24 }];
    let addresses = Some(vec![address("10.0.3.10"), address("10.0.4.10"), address("fd00::10")]);
    bench.add_with("web", interface("veth0"), Settings { addresses, ..full() }).unwrap();
    let inside = |v4: &str, router| {
        let (v4, v6) = (address(v4).into(), address("fd00::10").into());
        [(3, NatAddresses { v4, v6, router })]
    };
    // Nobody knows: the first.
    assert_eq!(nat(&bench).insides, inside("10.0.3.10", [0; 8]));
    bench.node.observer.masters.insert(3, 20);
    bench.node.refresh().unwrap();
    assert_eq!(nat(&bench).insides, inside("10.0.4.10", [2, 0, 0, 0, 0, 20, 0, 0]));
}

#[test]
fn a_failure_changes_nothing() {
    let mut bench = Bench::new();
    bench.add_with("web", interface("veth0"), full()).unwrap();
    let before = nat(&bench).clone();
    bench.node.kernel.failing = Some("set_translation");
    assert!(set(&mut bench, masquerade("yes")).is_err());
    bench.node.kernel.failing = None;
    assert_eq!(bench.saved().containers[0].definition.as_ref().unwrap().settings, full());
    bench.node.refresh().unwrap();
    assert_eq!(*nat(&bench), before);
}

#[test]
fn the_node_s_own_sockets_are_served_if_it_says_so_and_all_else_without_them() {
    let mut bench = Bench::new();
    assert_eq!(bench.node.kernel.serves_node, None);
    bench.node.config.nat.from_node = true;
    bench.node.restore().unwrap();
    assert_eq!(bench.node.kernel.serves_node, Some(bench.node.observer.cgroup_directory(Path::new("/"))));
    assert_eq!(bench.node.problem, None);
    bench.node.kernel.failing = Some("serve_node");
    bench.node.restore().unwrap();
    let problem = bench.node.problem.clone().unwrap();
    assert!(problem.contains("does not reach published ports") && !problem.contains('\n'), "{problem}");
    bench.node.kernel.failing = None;
    bench.node.config.nat.from_node = false;
    bench.node.restore().unwrap();
    assert_eq!(bench.node.kernel.serves_node, None);
}

#[test]
fn a_declared_container_is_masqueraded() {
    let mut bench = Bench::new();
    let containers = bench.directory.path().join("containers");
    fs::create_dir_all(&containers).unwrap();
    let text = "lxc = 'web'\naddresses = ['10.0.3.10']\nmode = 'full'\nmasquerade = true\n";
    fs::write(containers.join("web.toml"), text).unwrap();
    bench.node.declare(crate::config::declared(&bench.node.config_path));
    assert_eq!(bench.node.problem, None);
    let settings = bench.node.state.containers[0].definition.clone().unwrap().settings;
    assert_eq!(settings.masquerade, Some(Masquerade::Yes));
    fs::write(containers.join("web.toml"), text.replace("full", "stateful")).unwrap();
    bench.node.declare(crate::config::declared(&bench.node.config_path));
    assert!(bench.node.problem.as_ref().unwrap().contains("does not allow web to be masqueraded"));
}

#[test]
fn flows_show_how_they_look_from_outside() {
    use berth_common::abi::{counters, flow};
    let mut bench = Bench::new();
    bench.add_with("web", interface("veth0"), full()).unwrap();
    let key = flow::FlowKey {
        low: address("10.0.3.10").into(),
        high: address("198.51.100.7").into(),
        low_port: Port(4_000),
        high_port: Port(80),
        zone_protocol: Zone::of(ContainerId(1)).0 << 8 | 6,
    };
    let flow = flow::Flow {
        expires: berth_common::abi::units::Nanos::seconds(160),
        key,
        state: flow::State(flow::State::OPENER_LOW),
        opener: ContainerId(1),
        responder: ContainerId::UNOWNED,
        port_epoch: 0,
        next: 0,
        created: Ticks(0),
        out: counters::Traffic::default(),
        back: counters::Traffic::default(),
        numbers: [0; flow::NUMBERS],
        verdicts: [[0; 2]; 2],
    };
    bench.node.kernel.flows = vec![flow, flow];
    let outer = flow::FlowKey { low: address("192.0.2.1").into(), low_port: Port(61_000), ..key };
    let translation = Translation { stamp: stamp(&key, Ticks(0)), outer, is_low: 1, padding: 0 };
    bench.node.kernel.translations = Translations::from_iter([(1, translation)]);
    let list = Request::FlowsList {
        owner: None,
        filter: crate::api::flow_filter::FlowFilter::default(),
        page: crate::api::flow_filter::Page::default(),
    };
    let listed = serde_json::to_value(bench.execute(list).unwrap()).unwrap();
    let mut seen: Vec<_> = (0..2).map(|index| listed["value"][index]["nat"].clone()).collect();
    seen.sort_by_key(|nat| !nat.is_null());
    assert_eq!(seen, [serde_json::Value::Null, serde_json::json!({"address": "192.0.2.1", "port": 61000})]);
}

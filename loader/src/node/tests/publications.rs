use berth_common::abi::{
    port::{Claim, PortKey},
    units::{self, ContainerId, Port},
};
use serde_json::{Value, json};

use super::*;
use crate::api::{mode::Mode, reservation::Service};

/// With an interface of its own, and in mode full.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.add_with("web", interface("veth0"), of_web()).unwrap();
    bench
}

fn of_web() -> Settings {
    let addresses = ["10.0.3.10", "10.0.3.9", "fe80::9", "fd00:3::10"].map(address);
    Settings { mode: Some(Mode::Full), addresses: Some(addresses.into()), ..Settings::default() }
}

fn set(bench: &mut Bench, settings: Settings) -> Result<Response, NodeError> {
    let target = Target::default();
    bench.execute(Request::ContainerSet { name: name("web"), target, settings, drop_rules: false })
}

fn publish(services: &str) -> Request {
    publish_to(services, [None, None], None)
}

fn publish_to(services: &str, [at, to]: [Option<&str>; 2], to_port: Option<u16>) -> Request {
    Request::PublishAdd {
        name: name("web"),
        services: services.parse().unwrap(),
        address: at.map(address),
        to_address: to.map(address),
        to_port,
    }
}

fn unpublish(services: &str, at: Option<&str>) -> Request {
    let services = services.parse().unwrap();
    Request::PublishRemove { name: name("web"), services, address: at.map(address) }
}

fn ports(request: fn(Name, Service) -> Request, service: &str) -> Request {
    request(name("web"), service.parse().unwrap())
}

fn reserve(name: Name, service: Service) -> Request {
    Request::PortReserve { name, service, address: None, raw: false }
}

fn release(name: Name, service: Service) -> Request {
    Request::PortRelease { name, service, address: None }
}

fn notes(response: Response) -> Vec<String> {
    match response {
        Response::Done { notes } => notes,
        other => panic!("{other:?}"),
    }
}

/// What is published, as `ADDRESS:PORT TO:PORT`.
fn listed(bench: &mut Bench) -> Vec<String> {
    let Response::Publications(all) = bench.execute(Request::PublishList).unwrap() else { panic!() };
    all.iter().map(|one| format!("{}:{} {}:{}", one.address, one.port, one.to_address, one.to_port)).collect()
}

/// What of it is in the kernel, likewise.
fn translated(bench: &Bench) -> Vec<String> {
    let nat = bench.node.kernel.nat.as_ref().unwrap();
    let published = nat.published.iter();
    published
        .map(|(key, value)| {
            assert_eq!((value.container, value.generation), (ContainerId(1), generation(bench)));
            format!("{}:{} {}:{}", key.address, key.port.0, value.end.address, value.end.port)
        })
        .collect()
}

fn generation(bench: &Bench) -> u32 {
    bench.node.kernel.containers[&1].generation
}

#[test]
fn a_port_is_published_and_taken_back() {
    let mut bench = bench();
    assert!(notes(bench.execute(publish("tcp/80")).unwrap()).is_empty());
    let both = [":::80 fd00:3::10:80", "0.0.0.0:80 10.0.3.10:80"];
    assert_eq!(listed(&mut bench), both);
    let mut found = translated(&bench);
    found.sort();
    assert_eq!(found, ["0.0.0.0:80 10.0.3.10:80", ":::80 fd00:3::10:80"]);
    assert!(
        bench.node.kernel.ports.iter().all(|(_, claim)| *claim == Claim::permanent(ContainerId(1), false))
    );
    assert_eq!(bench.saved(), bench.node.state);
    assert_eq!(notes(bench.execute(publish("tcp/80")).unwrap()), ["it was published already"]);

    bench.execute(unpublish("tcp/80", Some("::"))).unwrap();
    assert_eq!(listed(&mut bench), both[1..]);
    assert_eq!(translated(&bench), both[1..]);
    bench.execute(unpublish("tcp/80", None)).unwrap();
    assert!(bench.node.kernel.ports.is_empty() && translated(&bench).is_empty());
    bench.refuses("tcp/80 of web is not published", |it| it.execute(unpublish("tcp/80", None)));
}

#[test]
fn a_list_has_the_documented_shape() {
    let mut bench = bench();
    bench.execute(publish_to("udp/53", [Some("192.0.2.1"), Some("10.0.3.9")], Some(5353))).unwrap();
    let answer = |bench: &mut Bench, request| -> Value {
        serde_json::to_value(bench.execute(request).unwrap()).unwrap()["value"].take()
    };
    let expected = json!([{
        "container": "web", "protocol": "udp", "address": "192.0.2.1", "port": 53,
        "to_address": "10.0.3.9", "to_port": 5353,
    }]);
    assert_eq!(answer(&mut bench, Request::PublishList), expected);
    assert_eq!(answer(&mut bench, Request::PortsList)[0]["by"], "publish");
}

#[test]
fn a_range_goes_on_to_as_many_ports() {
    let mut bench = bench();
    let shifted = publish_to("tcp/8000-8002", [Some("192.0.2.1"), None], Some(65_533));
    bench.execute(shifted.clone()).unwrap();
    let last = "192.0.2.1:8002 10.0.3.10:65535";
    assert_eq!((listed(&mut bench).len(), listed(&mut bench)[2].as_str()), (3, last));
    bench.refuses("has no room from port 65534 on", |it| {
        it.execute(publish_to("tcp/8000-8002", [None, None], Some(65_534)))
    });
    // What of it is published already stays.
    bench.execute(unpublish("tcp/8001-8007", None)).unwrap();
    assert_eq!(listed(&mut bench), ["192.0.2.1:8000 10.0.3.10:65533"]);
    bench.execute(shifted).unwrap();
    assert_eq!(bench.node.kernel.ports.len(), 3);
}

#[test]
fn the_kernel_is_kept_from_handing_them_out() {
    let mut bench = bench();
    let done = notes(bench.execute(publish("tcp/40000-40002")).unwrap());
    assert!(
        done[0].starts_with("3 ports from 40000 to 40002 are in net.ipv4.ip_local_reserved_ports"),
        "{done:?}"
    );
    let path = bench.directory.path().join("ip_local_reserved_ports");
    let local = || fs::read_to_string(&path).unwrap().trim().to_owned();
    assert_eq!(local(), "40000-40002");
    bench.execute(unpublish("tcp/40001", None)).unwrap();
    assert_eq!(local(), "40000-40000,40002-40002");
    bench.execute(Request::ContainerRemove { name: name("web") }).unwrap();
    assert_eq!(local(), "");
}

#[test]
fn all_or_none() {
    let mut bench = bench();
    bench.add("b", cgroup("/b")).unwrap();
    let key = "tcp/81".parse::<Service>().unwrap().keys(None)[1];
    bench.node.kernel.taken = Some((key, ContainerId(2)));
    bench.refuses("tcp/81 at :: is held by b", |it| it.execute(publish("tcp/80-82")));
    bench.node.kernel.taken = None;
    bench.node.kernel.failing = Some("set_translation");
    assert!(bench.execute(publish("tcp/80")).is_err());
    assert!(bench.node.kernel.ports.is_empty() && bench.saved().reservations.is_empty());
}

#[test]
fn what_is_reserved_is_not_published_and_the_other_way_round() {
    let mut bench = bench();
    bench.execute(ports(reserve, "tcp/80")).unwrap();
    bench.execute(publish("tcp/81")).unwrap();
    bench.refuses("`berth ports release web tcp/80` first", |it| it.execute(publish("tcp/80")));
    bench.refuses("tcp/80 of web is reserved, not published", |it| it.execute(unpublish("tcp/80", None)));
    bench.refuses("`berth publish rm web tcp/81`", |it| it.execute(ports(release, "tcp/81")));
    bench.refuses("tcp/81 at 0.0.0.0 is published to 10.0.3.10:81 already", |it| {
        it.execute(ports(reserve, "tcp/81"))
    });
    bench.refuses("is published to 10.0.3.10:81 already", |it| {
        it.execute(publish_to("tcp/81", [None, None], Some(8081)))
    });
}

#[test]
fn what_sockets_are_bound_to_is_not_published() {
    let mut bench = bench();
    bench.execute(Request::ContainerRemove { name: name("web") }).unwrap();
    let both = Target { cgroups: vec!["/a".into()], ..interface("veth0") };
    bench.add_with("web", both, of_web()).unwrap();
    let key = "tcp/80".parse::<Service>().unwrap().keys(Some(address("192.0.2.1")))[0];
    bench.node.kernel.ports.push((key, Claim::bound(ContainerId(bench.node.state.last_id))));
    bench.refuses("sockets of web are bound to tcp/80", |it| it.execute(publish("tcp/80")));
    bench.execute(publish_to("tcp/80", [Some("::"), None], None)).unwrap();
    bench.execute(publish("udp/80")).unwrap();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut bench = bench();
    bench.refuses("there is no container b", |it| {
        let services = "tcp/80".parse().unwrap();
        it.execute(Request::PublishRemove { name: name("b"), services, address: None })
    });
    for (at, to, words) in [
        (Some("192.0.2.7"), None, "192.0.2.7 is none of the node's own addresses"),
        (Some("127.0.0.1"), None, "127.0.0.1 is none of the node's own"),
        (Some("192.0.2.1"), Some("fd00:3::10"), "192.0.2.1 cannot be published to web"),
        (None, Some("10.0.3.11"), "10.0.3.11 is none of web's addresses"),
        (None, Some("fe80::9"), "fe80::9 is none of web's addresses that other hosts could reach"),
    ] {
        bench.refuses(words, |it| it.execute(publish_to("tcp/80", [at, to], None)));
    }
    let alone = Settings { addresses: Some(vec![address("192.0.2.1")]), ..Settings::default() };
    bench.add_with("b", cgroup("/b"), alone).unwrap();
    bench.refuses("192.0.2.1 is none of the node's own addresses", |it| {
        it.execute(publish_to("tcp/80", [Some("192.0.2.1"), None], None))
    });
}

#[test]
fn only_for_mode_full_and_an_interface_of_its_own() {
    let mut bench = Bench::new();
    bench.add("web", cgroup("/a")).unwrap();
    bench.refuses("web has no interface of its own", |it| it.execute(publish("tcp/80")));
    bench.execute(Request::ContainerRemove { name: name("web") }).unwrap();
    bench.add("web", interface("veth0")).unwrap();
    bench.refuses("no address of web is known", |it| it.execute(publish("tcp/80")));
    set(&mut bench, Settings { mode: None, ..of_web() }).unwrap();
    bench.refuses(
        "mode stateless does not allow published ports; use `berth container set web --mode full`",
        |it| it.execute(publish("tcp/80")),
    );
    set(&mut bench, Settings { mode: Some(Mode::Full), ..Settings::default() }).unwrap();
    bench.execute(publish("tcp/80")).unwrap();
}

#[test]
fn what_a_publication_needs_stays() {
    let mut bench = bench();
    bench.execute(publish("tcp/80")).unwrap();
    for (settings, words) in [
        (
            Settings { mode: Some(Mode::Stateful), ..Settings::default() },
            "mode stateful does not allow published ports; `berth publish rm web tcp/80` first",
        ),
        (
            Settings { addresses: Some(vec![address("10.0.3.10")]), ..Settings::default() },
            "tcp/80 is published to fd00:3::10; `berth publish rm web tcp/80` before",
        ),
    ] {
        bench.refuses(words, |it| set(it, settings));
    }
    let fewer =
        Settings { addresses: Some(["10.0.3.10", "fd00:3::10"].map(address).into()), ..Settings::default() };
    set(&mut bench, fewer).unwrap();
    bench.refuses("web has no interface of its own", |it| {
        let (target, settings) = (cgroup("/a"), Settings::default());
        it.execute(Request::ContainerSet { name: name("web"), target, settings, drop_rules: false })
    });
    let gone = notes(bench.execute(Request::ContainerRemove { name: name("web") }).unwrap());
    assert_eq!(gone, ["2 published ports went with it"]);
    assert!(bench.saved().reservations.is_empty() && translated(&bench).is_empty());
}

#[test]
fn it_is_published_while_it_is_there() {
    let mut bench = bench();
    bench.execute(publish("tcp/80")).unwrap();
    bench.node.observer.links.retain(|link| link.name != "veth0");
    bench.node.refresh().unwrap();
    assert!(translated(&bench).is_empty());
    // The port stays its own.
    assert_eq!((bench.node.kernel.ports.len(), listed(&mut bench).len()), (2, 2));
    bench.node.observer.links.push(link("veth0", 9));
    bench.node.refresh().unwrap();
    assert_eq!(translated(&bench).len(), 2);
}

#[test]
fn it_comes_back_after_a_reboot_and_with_the_next_berth() {
    let mut bench = bench();
    bench.execute(publish("tcp/80")).unwrap();
    let before = (listed(&mut bench), translated(&bench));
    let mut bench = bench.again();
    assert_eq!((listed(&mut bench), translated(&bench)), before);
    let mut bench = bench.rebooted();
    assert_eq!((listed(&mut bench), translated(&bench)), before);
    assert_eq!(bench.node.kernel.ports.len(), 2);
}

#[test]
fn a_node_that_does_not_route_is_told_of() {
    let mut bench = bench();
    fs::create_dir(bench.directory.path().join("ipv4")).unwrap();
    fs::write(bench.directory.path().join("ipv4/ip_forward"), "0\n").unwrap();
    let done = notes(bench.execute(publish("tcp/80")).unwrap());
    assert_eq!(done, ["nothing is routed to it or from it until net.ipv4.ip_forward is 1"]);
    assert!(notes(bench.execute(publish_to("tcp/81", [Some("::"), None], None)).unwrap()).is_empty());
}

#[test]
fn a_program_of_the_node_s_keeps_its_port() {
    let mut bench = bench();
    let key =
        |address: &str, port| PortKey::new(units::Protocol::TCP, super::address(address).into(), Port(port));
    bench.node.observer.bound = vec![key("0.0.0.0", 22), key("2001:db8::1", 80)];
    for service in ["tcp/22", "tcp/80", "tcp/20-30"] {
        let error = bench.execute(publish(service)).unwrap_err().to_string();
        assert!(error.contains("the node's own is bound to"), "{error}");
    }
    bench.execute(publish("udp/22")).unwrap();
    bench.execute(publish_to("tcp/80", [Some("192.0.2.1"), None], None)).unwrap();
    // Of a container's sockets it is the reservation in the kernel that tells.
    bench.node.kernel.ports.push((key("0.0.0.0", 22), Claim::bound(ContainerId(99))));
    bench.execute(publish("tcp/22")).unwrap();
}

use super::*;
use crate::{
    api::{error::ApiError, mode::Mode, packet_sockets::PacketSockets},
    containers::Recognised,
    node::Observer as _,
};

fn set(bench: &mut Bench, target: Target, settings: Settings) -> Result<Response, NodeError> {
    bench.execute(Request::ContainerSet { name: name("a"), target, settings, drop_rules: false })
}

fn addresses(texts: &[&str]) -> Settings {
    Settings { addresses: Some(texts.iter().map(|text| address(text)).collect()), ..Settings::default() }
}

#[test]
fn a_container_comes_into_force() {
    let mut bench = Bench::new();
    let settings = Settings { ports: Some("80,90-99".parse().unwrap()), ..addresses(&["192.0.2.1"]) };
    bench.add_with("a", cgroup("/cg/a"), settings).unwrap();
    let spec = &bench.node.kernel.containers[&1];
    assert_eq!((spec.cgroups[0].id, spec.flow_limit, spec.ranges.len()), (10, 8_192, 2));
    assert_eq!(bench.node.kernel.adopted, [(1, vec![10])]);
    assert_eq!(bench.node.kernel.owned[0].0, address("192.0.2.1"));
    assert_eq!(bench.saved(), bench.node.state);
}

#[test]
fn a_process_is_remembered_by_what_it_leads_to() {
    let mut bench = Bench::new();
    let shared = Recognised::Shared(bench.node.observer.cgroup("/a".as_ref()).unwrap());
    bench.node.observer.processes.insert(7, shared);
    bench.node.observer.processes.insert(8, Recognised::Own(vec![link("veth0", 3)]));
    bench.add("a", Target { pid: Some(7), ..Target::default() }).unwrap();
    bench.add("b", Target { pid: Some(8), ..Target::default() }).unwrap();
    let by = |index: usize| bench.node.state.containers[index].definition.as_ref().unwrap().recognised_by();
    assert_eq!((by(0), by(1)), (vec!["cgroup:/a".to_owned()], vec!["interface:veth0".to_owned()]));
}

#[test]
fn what_cannot_be_is_refused_whole() {
    let mut bench = Bench::new();
    bench.add_with("b", cgroup("/b"), addresses(&["192.0.2.9"])).unwrap();
    bench.add("v", interface("veth0")).unwrap();

    bench.refuses("there is a container b already", |it| it.add("b", cgroup("/a")));
    bench.refuses("nothing says how", |it| it.add("c", Target::default()));
    bench.refuses("there is no cgroup /none", |it| it.add("c", cgroup("/none")));
    bench.refuses("overlaps /b, which is container b's", |it| it.add("c", cgroup("/b/inner")));
    bench.refuses("overlaps /b, which is container b's", |it| it.add("c", cgroup("/b")));
    bench.refuses("there is no interface eth9", |it| it.add("c", interface("eth9")));
    bench.refuses("interface veth0 is container v's", |it| it.add("c", interface("veth0")));
    bench.refuses("interface eth0 is an uplink", |it| it.add("c", interface("eth0")));
    bench.refuses("interface lo is an uplink or", |it| it.add("c", interface("lo")));
    bench.refuses("there is no process 5", |it| it.add("c", Target { pid: Some(5), ..Target::default() }));
    bench.refuses("192.0.2.9 is container b's", |it| {
        it.add_with("c", cgroup("/a"), addresses(&["192.0.2.9"]))
    });
    for unfit in ["0.0.0.0", "::", "224.0.0.1", "127.0.0.1", "::1", "255.255.255.255"] {
        bench.refuses("cannot be a container's address", |it| {
            it.add_with("c", cgroup("/a"), addresses(&[unfit]))
        });
    }
    // A path that merely begins like another one is elsewhere.
    bench.add("b2", cgroup("/b2")).unwrap();
}

/// What several have on interfaces of their own is none's as seen from the uplinks, and each one's there.
#[test]
fn one_address_on_two_interfaces() {
    let mut bench = Bench::new();
    bench.add_with("u", interface("veth0"), addresses(&["10.0.0.2", "10.0.0.3"])).unwrap();
    bench.add_with("v", interface("veth1"), addresses(&["10.0.0.2"])).unwrap();
    let owned: Vec<_> = bench.node.kernel.owned.iter().map(|(address, id, _)| (*address, id.0)).collect();
    assert_eq!(owned, [(address("10.0.0.3"), 1)]);
    for id in [1, 2] {
        assert!(bench.node.kernel.containers[&id].addresses.contains(&address("10.0.0.2")));
    }
    // Who shares the node's network cannot have what another has.
    bench.refuses("10.0.0.2 is container u's", |it| it.add_with("c", cgroup("/a"), addresses(&["10.0.0.2"])));
    bench.execute(Request::ContainerRemove { name: name("v") }).unwrap();
    assert!(bench.node.kernel.owned.iter().any(|(owned, ..)| *owned == address("10.0.0.2")));
}

/// One that had an interface of its own starts again on the node's network, where nobody else can have its address.
#[test]
fn an_address_of_two_is_that_of_the_one_who_shares() {
    let mut bench = Bench::new();
    bench.node.observer.runtimes.insert(lxc("l"), Recognised::Own(vec![link("veth0", 3)]));
    let target = Target { runtimes: [lxc("l")].into(), ..Target::default() };
    bench.add_with("u", target, addresses(&["10.0.0.2"])).unwrap();
    bench.add_with("v", interface("veth1"), addresses(&["10.0.0.2"])).unwrap();
    assert!(bench.node.kernel.owned.is_empty());
    let payload = Recognised::Shared(bench.node.observer.cgroup("/a".as_ref()).unwrap());
    bench.node.observer.runtimes.insert(lxc("l"), payload);
    bench.node.observer.links.retain(|link| link.name != "veth0");
    bench.node.refresh().unwrap();
    let owned: Vec<_> = bench.node.kernel.owned.iter().map(|(address, id, _)| (*address, id.0)).collect();
    assert_eq!(owned, [(address("10.0.0.2"), 1)]);
}

#[test]
fn around_a_registered_cgroup_is_refused_too() {
    let mut bench = Bench::new();
    bench.add("c", cgroup("/b/inner")).unwrap();
    bench.refuses("overlaps /b/inner, which is container c's", |it| it.add("b", cgroup("/b")));
    bench.refuses("is inside /b; name only the outer", |it| {
        let cgroups = vec!["/b/inner".into(), "/b".into()];
        it.add("d", Target { cgroups, ..Target::default() })
    });
}

#[test]
fn lxc_containers_clash_by_name_and_by_what_they_are() {
    let mut bench = Bench::new();
    let payload = Recognised::Shared(bench.node.observer.cgroup("/lxc.payload.l".as_ref()).unwrap());
    bench.node.observer.runtimes.insert(lxc("l"), payload);
    let named = |name: &str| Target { runtimes: [lxc(name)].into(), ..Target::default() };
    bench.add("one", named("l")).unwrap();
    assert_eq!(bench.node.kernel.containers[&1].cgroups[0].id, 14);
    bench.refuses("overlaps /lxc.payload.l", |it| it.add("two", named("l")));
    bench.refuses("overlaps /lxc.payload.l", |it| it.add("two", cgroup("/lxc.payload.l")));
    bench.refuses("no LXC container m is running", |it| it.add("two", named("m")));
    bench.node.observer.runtimes.clear();
    bench.node.observer.cgroups.remove("/lxc.payload.l".as_ref() as &std::path::Path);
    bench.node.refresh().unwrap();
    assert!(bench.node.kernel.containers[&1].cgroups.is_empty());
}

#[test]
fn failures_of_the_kernel_leave_nothing_behind() {
    let mut bench = Bench::new();
    bench.add_with("b", cgroup("/b"), addresses(&["192.0.2.9"])).unwrap();
    for call in ["add_container", "adopt_sockets", "set_addresses"] {
        bench.node.kernel.failing = Some(call);
        // What has to be undone fails as well for addresses, which are told again with the next change.
        bench.refuses("lo leads", |it| it.add_with("c", cgroup("/a"), addresses(&["192.0.2.3"])));
        bench.node.kernel.failing = None;
        assert_eq!(bench.node.kernel.containers.len(), 1, "{call}");
    }
    bench.node.kernel.failing = Some("remove_container");
    bench.refuses("lo leads", |it| it.execute(Request::ContainerRemove { name: name("b") }));
    bench.node.kernel.failing = None;
    bench.add("c", cgroup("/a")).unwrap();
    assert_eq!(bench.node.state.record(&name("c")).unwrap().id, 2);
}

#[test]
fn a_change_that_fails_is_undone() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    bench.node.kernel.failing = Some("adopt_sockets");
    bench.refuses("lo leads", |it| set(it, cgroup("/b"), Settings::default()));
    assert_eq!(bench.node.kernel.containers[&1].cgroups[0].id, 10);
}

#[test]
fn set_changes_what_is_given_and_nothing_else() {
    let mut bench = Bench::new();
    let settings = Settings { max_flows: Some(5), ..addresses(&["192.0.2.1"]) };
    bench.add_with("a", cgroup("/a"), settings).unwrap();
    let generation = bench.node.kernel.containers[&1].generation;

    let settings =
        Settings { mode: Some(Mode::Full), packet_sockets: Some(PacketSockets::Deny), ..Settings::default() };
    set(&mut bench, Target::default(), settings).unwrap();
    let spec = &bench.node.kernel.containers[&1];
    assert_eq!(spec.mode, berth_common::abi::container::Mode::Full);
    assert_eq!((spec.flow_limit, spec.deny_packet_sockets, spec.cgroups.len()), (5, true, 1));
    assert_eq!((spec.generation, spec.addresses.len()), (generation, 1));

    set(&mut bench, cgroup("/b"), addresses(&[])).unwrap();
    let spec = &bench.node.kernel.containers[&1];
    assert_eq!((spec.cgroups[0].id, spec.flow_limit, spec.addresses.len()), (11, 5, 0));
    assert_eq!(bench.node.kernel.adopted, [(1, vec![10]), (1, vec![11])]);
    assert!(bench.node.kernel.owned.is_empty());
}

#[test]
fn set_is_refused_where_add_would_be() {
    let mut bench = Bench::new();
    bench.refuses("there is no container a", |it| set(it, Target::default(), addresses(&["192.0.2.1"])));
    bench.add("a", cgroup("/a")).unwrap();
    bench.add_with("b", cgroup("/b"), addresses(&["192.0.2.9"])).unwrap();
    bench.refuses("nothing is to be changed", |it| set(it, Target::default(), Settings::default()));
    bench.refuses("which is container b's", |it| set(it, cgroup("/b"), Settings::default()));
    bench.refuses("is container b's", |it| set(it, Target::default(), addresses(&["192.0.2.9"])));
}

#[test]
fn removing_gives_everything_back() {
    let mut bench = Bench::new();
    bench.add_with("a", cgroup("/a"), addresses(&["192.0.2.9"])).unwrap();
    bench.execute(Request::ContainerRemove { name: name("a") }).unwrap();
    assert!(bench.node.kernel.containers.is_empty() && bench.node.kernel.owned.is_empty());
    assert!(bench.saved().containers.is_empty());
    bench.refuses("there is no container a", |it| it.execute(Request::ContainerRemove { name: name("a") }));
    bench.add("a", cgroup("/a")).unwrap();
    assert_eq!(bench.node.state.record(&name("a")).unwrap().id, 2);
}

#[test]
fn a_full_table_is_refused() {
    let mut bench = Bench::new();
    bench.node.most = 1;
    bench.add("a", cgroup("/a")).unwrap();
    bench.refuses("as many containers as its tables hold (1)", |it| it.add("b", cgroup("/b")));
}

#[test]
fn failures_have_the_documented_exit_codes() {
    let mut bench = Bench::new();
    let mut code = |request| u8::from(ApiError::from(bench.execute(request).unwrap_err()).code);
    let show = Request::ContainerShow { name: name("a") };
    let nothing =
        Request::ContainerAdd { name: name("a"), target: Target::default(), settings: Settings::default() };
    assert_eq!((code(show), code(nothing), code(Request::Events { last: 1 })), (1, 2, 3));
}

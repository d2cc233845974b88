use std::path::Path;

use super::*;
use crate::{
    api::{container::Presence, runtime::Runtime},
    containers::Recognised,
    node::Observer as _,
};

fn state_of(bench: &mut Bench, text: &str) -> Presence {
    match bench.execute(Request::ContainerShow { name: name(text) }).unwrap() {
        Response::Container(container) => container.state,
        other => panic!("{other:?}"),
    }
}

fn ports_of(bench: &Bench, id: u32) -> usize {
    bench.node.kernel.ports.iter().filter(|(_, claim)| claim.owner().0 == id).count()
}

fn bind(bench: &mut Bench, id: u32, text: &str) {
    use berth_common::abi::{port::Claim, units::ContainerId};
    let key = text.parse::<crate::api::reservation::Service>().unwrap().keys(None)[0];
    bench.node.kernel.ports.push((key, Claim::bound(ContainerId(id))));
}

fn remove_cgroup(bench: &mut Bench, path: &str) {
    bench.node.observer.cgroups.remove(Path::new(path)).unwrap();
}

#[test]
fn a_vanished_cgroup_makes_its_container_gone_and_no_other() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    bench.add("b", cgroup("/b")).unwrap();
    bind(&mut bench, 1, "tcp/80");
    bind(&mut bench, 2, "tcp/81");
    let reserve = Request::PortReserve {
        name: name("a"),
        service: "udp/53".parse().unwrap(),
        address: Some(address("192.0.2.1")),
        raw: false,
    };
    bench.execute(reserve).unwrap();

    remove_cgroup(&mut bench, "/a");
    bench.node.refresh().unwrap();
    assert_eq!(state_of(&mut bench, "a"), Presence::Gone);
    assert_eq!(state_of(&mut bench, "b"), Presence::Active);
    // What it had bound is free, what the operator gave it is still its own.
    assert_eq!((ports_of(&bench, 1), ports_of(&bench, 2)), (1, 1));

    let generation = bench.node.kernel.containers[&1].generation;
    bench.node.observer.cgroups.insert("/a".into(), 99);
    bench.node.refresh().unwrap();
    assert_eq!(state_of(&mut bench, "a"), Presence::Active);
    let spec = &bench.node.kernel.containers[&1];
    assert_eq!((spec.cgroups[0].id, spec.generation), (99, generation));
    assert_eq!(bench.node.kernel.adopted.last().unwrap(), &(1, vec![99]));
    assert_eq!(bench.saved(), bench.node.state);
}

#[test]
fn a_cgroup_made_anew_between_two_looks_is_noticed() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    bind(&mut bench, 1, "tcp/80");
    bench.node.observer.cgroups.insert("/a".into(), 99);
    bench.node.refresh().unwrap();
    assert_eq!(ports_of(&bench, 1), 0);
    assert_eq!(bench.node.kernel.containers[&1].cgroups[0].id, 99);
}

#[test]
fn one_of_two_cgroups_is_enough() {
    let mut bench = Bench::new();
    let cgroups = vec!["/a".into(), "/b".into()];
    bench.add("a", Target { cgroups, ..Target::default() }).unwrap();
    bind(&mut bench, 1, "tcp/80");
    remove_cgroup(&mut bench, "/a");
    bench.node.refresh().unwrap();
    assert_eq!(state_of(&mut bench, "a"), Presence::Active);
    assert_eq!((ports_of(&bench, 1), bench.node.kernel.containers[&1].cgroups.len()), (1, 1));
}

#[test]
fn interfaces_come_and_go() {
    let mut bench = Bench::new();
    bench.add("v", interface("veth0")).unwrap();
    bench.node.observer.links.retain(|link| link.name != "veth0");
    bench.node.refresh().unwrap();
    assert_eq!(state_of(&mut bench, "v"), Presence::Gone);
    bench.node.observer.links.push(link("veth0", 9));
    bench.node.refresh().unwrap();
    assert_eq!(state_of(&mut bench, "v"), Presence::Active);
    assert_eq!(bench.node.kernel.containers[&1].interfaces[0].ifindex, 9);
}

#[test]
fn lxc_containers_are_found_anew() {
    let mut bench = Bench::new();
    let of = |link| Recognised::Own(vec![link]);
    bench.node.observer.runtimes.insert(lxc("l"), of(link("veth0", 3)));
    bench.add("l", Target { runtimes: [lxc("l")].into(), ..Target::default() }).unwrap();

    bench.node.observer.links.retain(|link| link.name != "veth0");
    bench.node.observer.runtimes.clear();
    bench.node.refresh().unwrap();
    assert_eq!(state_of(&mut bench, "l"), Presence::Gone);

    bench.node.observer.links.push(link("veth7", 7));
    bench.node.observer.runtimes.insert(lxc("l"), of(link("veth7", 7)));
    bench.node.refresh().unwrap();
    assert_eq!(state_of(&mut bench, "l"), Presence::Active);
    assert_eq!(bench.node.kernel.containers[&1].interfaces[0].name, "veth7");
}

#[test]
fn uplinks_follow_default_routes_and_stay_while_they_exist() {
    let mut bench = Bench::new();
    assert_eq!(bench.node.state.uplinks, ["eth0"]);
    bench.node.observer.uplinks = vec![link("veth1", 4)];
    bench.node.refresh().unwrap();
    assert_eq!(bench.node.state.uplinks, ["eth0", "veth1"]);
    bench.node.observer.links.retain(|link| link.name != "eth0");
    bench.node.refresh().unwrap();
    assert_eq!(bench.node.state.uplinks, ["veth1"]);
    bench.node.observer.links.push(link("eth0", 12));
    bench.node.observer.uplinks = vec![link("eth0", 12)];
    bench.node.refresh().unwrap();
    let uplinks = &bench.node.kernel.uplinks;
    assert_eq!(uplinks.iter().map(|link| link.ifindex).collect::<Vec<_>>(), [4, 12]);
}

#[test]
fn named_uplinks_come_back_when_they_reappear() {
    let mut bench = Bench::new();
    bench.node.uplinks = Uplinks::Named(vec!["veth1".to_owned(), "ppp0".to_owned()]);
    bench.node.refresh().unwrap();
    assert_eq!(bench.node.state.uplinks, ["veth1"]);
    bench.node.observer.links.push(link("ppp0", 20));
    bench.node.refresh().unwrap();
    assert_eq!(bench.node.state.uplinks, ["veth1", "ppp0"]);
}

#[test]
fn addresses_of_the_node_are_followed() {
    let mut bench = Bench::new();
    bench.node.observer.addresses.push(address("2001:db8::1"));
    bench.node.refresh().unwrap();
    assert_eq!(bench.node.kernel.node_addresses, bench.node.observer.addresses().unwrap());
}

#[test]
fn parents_of_all_cgroups_are_watched() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    bench.add("b", cgroup("/b/inner")).unwrap();
    assert_eq!(bench.node.cgroup_parents(), [Path::new("/cg/"), Path::new("/cg/b")]);
}

/// A runtime tells of an interface before there is anything else of the container.
#[test]
fn an_interface_is_announced() {
    let mut bench = Bench::new();
    bench.node.observer.runtimes.insert(lxc("web"), Recognised::Own(vec![link("veth0", 3)]));
    bench.add("web", Target { runtimes: [lxc("web")].into(), ..Target::default() }).unwrap();
    bench.node.observer.runtimes.clear();
    bench.node.observer.links.retain(|link| link.name != "veth0");
    bench.node.refresh().unwrap();
    assert!(bench.node.kernel.containers[&1].interfaces.is_empty());

    let announce = |bench: &mut Bench, lxc: &str, interface: &str| {
        let (lxc, interface) = (lxc.to_owned(), interface.to_owned());
        bench.execute(Request::Announce { lxc, interface })
    };
    announce(&mut bench, "web", "veth1").unwrap();
    assert_eq!(bench.node.kernel.containers[&1].interfaces, [link("veth1", 4)]);
    assert_eq!(bench.saved(), bench.node.state);
    // LXC has not got so far yet.
    bench.node.refresh().unwrap();
    assert_eq!(bench.node.kernel.containers[&1].interfaces, [link("veth1", 4)]);
    // It has, and there is one that nobody has announced.
    bench.node.observer.links.push(link("veth8", 8));
    let both = vec![link("veth1", 4), link("veth8", 8)];
    bench.node.observer.runtimes.insert(lxc("web"), Recognised::Own(both.clone()));
    bench.node.refresh().unwrap();
    assert_eq!(bench.node.kernel.containers[&1].interfaces, both);
    bench.node.observer.runtimes.clear();
    bench.node.observer.links.retain(|link| link.name != "veth8");
    // The next run, of whose end nothing was heard.
    bench.node.observer.links.retain(|link| link.name != "veth1");
    bench.node.observer.links.push(link("veth2", 9));
    announce(&mut bench, "web", "veth2").unwrap();
    assert_eq!(bench.node.kernel.containers[&1].interfaces, [link("veth2", 9)]);

    bench.refuses("there is no interface veth7", |it| {
        it.execute(Request::Announce { lxc: "web".to_owned(), interface: "veth7".to_owned() })
    });
    bench.refuses("interface eth0 is an uplink", |it| {
        it.execute(Request::Announce { lxc: "web".to_owned(), interface: "eth0".to_owned() })
    });
    let others = announce(&mut bench, "db", "veth7").unwrap();
    assert!(matches!(others, Response::Done { notes } if notes[0].contains("no container is recognised")));
}

#[test]
fn a_container_is_announced_by_its_process() {
    let mut bench = Bench::new();
    let podman = (Runtime::Podman, "web".to_owned());
    let observer = &mut bench.node.observer;
    observer.runtimes.insert(podman.clone(), Recognised::Own(vec![link("veth0", 3)]));
    observer.ids.insert(podman.clone(), "3f4e".to_owned());
    bench.add("web", Target { runtimes: [podman.clone()].into(), ..Target::default() }).unwrap();
    bench.node.observer.runtimes.clear();
    bench.node.observer.links.retain(|link| link.name != "veth0");
    bench.node.refresh().unwrap();
    assert_eq!(state_of(&mut bench, "web"), Presence::Gone);

    let announce = |bench: &mut Bench, oci: &str| {
        bench.execute(Request::AnnounceProcess { oci: oci.to_owned(), pid: 712 })
    };
    bench.node.observer.processes.insert(712, Recognised::Own(vec![link("veth1", 4)]));
    announce(&mut bench, "3f4e").unwrap();
    assert_eq!(bench.node.kernel.containers[&1].interfaces, [link("veth1", 4)]);
    // Podman has not written down yet that it runs.
    bench.node.refresh().unwrap();
    assert_eq!(state_of(&mut bench, "web"), Presence::Active);
    bench.node.observer.links.retain(|link| link.name != "veth1");
    bench.node.refresh().unwrap();
    assert_eq!(state_of(&mut bench, "web"), Presence::Gone);

    // On the node's network now; it comes to an end before it has started.
    let payload = bench.node.observer.cgroup("/a".as_ref()).unwrap();
    bench.node.observer.processes.insert(712, Recognised::Shared(payload.clone()));
    announce(&mut bench, "3f4e").unwrap();
    bench.node.refresh().unwrap();
    assert_eq!(bench.node.kernel.containers[&1].cgroups, [payload]);
    remove_cgroup(&mut bench, "/a");
    bench.node.refresh().unwrap();
    assert_eq!(state_of(&mut bench, "web"), Presence::Gone);

    let others = announce(&mut bench, "a94e").unwrap();
    assert!(
        matches!(others, Response::Done { notes } if notes[0].contains("no container is recognised as a94e"))
    );
    bench.node.observer.processes.clear();
    bench.refuses("there is no process 712", |it| announce(it, "3f4e"));
    // Where Podman's lists cannot be read, it may be any.
    bench.node.observer.ids.clear();
    bench.refuses("Podman keeps no containers at /none", |it| announce(it, "3f4e"));
}

/// What was announced is not forgotten by those who look before the runtime has written down that the container runs.
#[test]
fn what_was_announced_outlives_the_daemon() {
    let mut bench = Bench::new();
    let podman = (Runtime::Podman, "web".to_owned());
    bench.node.observer.runtimes.insert(podman.clone(), Recognised::Own(vec![link("veth0", 3)]));
    bench.node.observer.ids.insert(podman.clone(), "3f4e".to_owned());
    bench.add("web", Target { runtimes: [podman.clone()].into(), ..Target::default() }).unwrap();
    bench.node.observer.runtimes.clear();
    bench.node.observer.links.retain(|link| link.name != "veth0");
    bench.node.refresh().unwrap();
    bench.node.observer.processes.insert(712, Recognised::Own(vec![link("veth1", 4)]));
    bench.execute(Request::AnnounceProcess { oci: "3f4e".to_owned(), pid: 712 }).unwrap();

    let mut bench = bench.again();
    assert_eq!(bench.node.kernel.containers[&1].interfaces, [link("veth1", 4)]);
    bench.node.refresh().unwrap();
    assert_eq!(state_of(&mut bench, "web"), Presence::Active);
    // It has come to nothing.
    bench.node.observer.links.retain(|link| link.name != "veth1");
    let mut bench = bench.again();
    assert_eq!(state_of(&mut bench, "web"), Presence::Gone);
}

/// Two who turn out to have one interface in common: the one that has it keeps it.
#[test]
fn what_is_anothers_is_not_followed() {
    let mut bench = Bench::new();
    let podman = |name: &str| (Runtime::Podman, name.to_owned());
    for (name, own) in [("infra", link("veth0", 3)), ("member", link("veth1", 4))] {
        bench.node.observer.runtimes.insert(podman(name), Recognised::Own(vec![own]));
        bench.add(name, Target { runtimes: [podman(name)].into(), ..Target::default() }).unwrap();
    }
    bench.node.observer.links.retain(|link| link.name != "veth1");
    bench.node.observer.runtimes.insert(podman("member"), Recognised::Own(vec![link("veth0", 3)]));
    bench.node.refresh().unwrap();
    assert_eq!(bench.node.kernel.containers[&1].interfaces, [link("veth0", 3)]);
    assert_ne!(bench.node.kernel.containers[&2].interfaces, [link("veth0", 3)]);
    // What the one gives up in the same moment, the other may have.
    bench.node.observer.links.push(link("veth5", 9));
    bench.node.observer.runtimes.insert(podman("infra"), Recognised::Own(vec![link("veth5", 9)]));
    bench.node.observer.links.retain(|link| link.name != "veth0");
    bench.node.observer.links.push(link("veth0", 10));
    bench.node.observer.runtimes.insert(podman("member"), Recognised::Own(vec![link("veth0", 10)]));
    bench.node.refresh().unwrap();
    assert_eq!(bench.node.kernel.containers[&1].interfaces, [link("veth5", 9)]);
    assert_eq!(bench.node.kernel.containers[&2].interfaces, [link("veth0", 10)]);
}

#[test]
fn where_containers_will_be_born_is_watched() {
    let mut bench = Bench::new();
    let parents = |bench: &Bench| bench.node.cgroup_parents();
    assert!(parents(&bench).is_empty());
    let web = (Runtime::Podman, "web".to_owned());
    let payload = bench.node.observer.cgroup("/b/inner".as_ref()).unwrap();
    bench.node.observer.runtimes.insert(web.clone(), Recognised::Shared(payload));
    bench.add("web", Target { runtimes: [web].into(), ..Target::default() }).unwrap();
    assert_eq!(parents(&bench), ["/cg/b", "/cg/libpod_parent", "/cg/machine.slice"].map(Path::new));
}

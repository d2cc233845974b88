use super::*;
use crate::{api::reservation::Service, config::LocalPortRange};
use berth_common::abi::units::ContainerId;

fn reserve(text: &str, port: &str, at: Option<&str>) -> Request {
    Request::PortReserve {
        name: name(text),
        service: port.parse().unwrap(),
        address: at.map(address),
        raw: false,
    }
}

fn release(text: &str, port: &str, at: Option<&str>) -> Request {
    let service = port.parse().unwrap();
    Request::PortRelease { name: name(text), service, address: at.map(address) }
}

fn local(bench: &Bench) -> String {
    let path = bench.directory.path().join("ip_local_reserved_ports");
    fs::read_to_string(path).unwrap().trim().to_owned()
}

#[test]
fn a_port_may_be_reserved_before_its_container_is_there() {
    let mut bench = Bench::new();
    bench.execute(reserve("a", "tcp/80", None)).unwrap();
    assert_eq!((bench.node.kernel.ports.len(), bench.node.kernel.containers.len()), (2, 1));
    let listed = bench.execute(Request::ContainerList).unwrap();
    assert_eq!(listed, Response::Containers(Vec::new()));
    let generation = bench.node.kernel.containers[&1].generation;

    bench.add("a", cgroup("/a")).unwrap();
    let spec = &bench.node.kernel.containers[&1];
    assert_eq!((spec.generation, spec.cgroups.len()), (generation, 1));
    assert_eq!(bench.node.kernel.ports.len(), 2);
}

#[test]
fn what_was_only_reserved_is_forgotten_with_its_last_reservation() {
    let mut bench = Bench::new();
    bench.execute(reserve("a", "tcp/80", None)).unwrap();
    bench.execute(release("a", "tcp/80", Some("::"))).unwrap();
    assert_eq!(bench.node.kernel.containers.len(), 1);
    bench.execute(release("a", "tcp/80", None)).unwrap();
    assert!(bench.node.kernel.containers.is_empty() && bench.node.kernel.ports.is_empty());
    assert!(bench.saved().containers.is_empty() && bench.saved().reservations.is_empty());
}

#[test]
fn a_release_that_fails_is_undone() {
    let mut bench = Bench::new();
    bench.execute(reserve("a", "tcp/80", Some("192.0.2.1"))).unwrap();
    bench.node.kernel.failing = Some("release_port");
    bench.refuses("lo leads", |it| it.execute(release("a", "tcp/80", None)));
}

#[test]
fn all_families_or_none() {
    let mut bench = Bench::new();
    bench.add("b", cgroup("/b")).unwrap();
    let keys = "tcp/80".parse::<Service>().unwrap().keys(None);
    bench.node.kernel.taken = Some((keys[1], ContainerId(1)));
    for text in ["a", "b"] {
        bench.refuses("tcp/80 at :: is held by b", |it| it.execute(reserve(text, "tcp/80", None)));
    }
}

#[test]
fn the_kernel_is_kept_from_handing_the_port_out() {
    let mut bench = Bench::new();
    let done = bench.execute(reserve("a", "tcp/40000", None)).unwrap();
    assert!(matches!(done, Response::Done { notes } if notes[0].contains("ip_local_reserved_ports")));
    assert_eq!(local(&bench), "40000-40000");
    bench.execute(reserve("a", "udp/40000", None)).unwrap();
    bench.execute(release("a", "tcp/40000", None)).unwrap();
    assert_eq!(local(&bench), "40000-40000");
    bench.execute(release("a", "udp/40000", None)).unwrap();
    assert_eq!(local(&bench), "");
    bench.execute(reserve("a", "tcp/80", None)).unwrap();
    bench.execute(reserve("a", "icmp/40001", None)).unwrap();
    assert_eq!(local(&bench), "");
}

#[test]
fn what_the_operator_had_put_there_stays() {
    let mut bench = Bench::new();
    let path = bench.directory.path().join("ip_local_reserved_ports");
    fs::write(path, "40000\n").unwrap();
    bench.execute(reserve("a", "tcp/40000", None)).unwrap();
    bench.execute(release("a", "tcp/40000", None)).unwrap();
    assert_eq!(local(&bench), "40000");
}

#[test]
fn a_failure_gives_the_port_back_to_the_kernel() {
    let mut bench = Bench::new();
    bench.add("b", cgroup("/b")).unwrap();
    let key = "tcp/40000".parse::<Service>().unwrap().keys(None)[0];
    bench.node.kernel.taken = Some((key, ContainerId(1)));
    bench.refuses("is held by b", |it| it.execute(reserve("b", "tcp/40000", None)));
    assert_eq!(local(&bench), "");
}

#[test]
fn the_configuration_may_refuse_such_ports() {
    let mut bench = Bench::new();
    bench.node.config.local_port_range = LocalPortRange::Refuse;
    bench.refuses("within net.ipv4.ip_local_port_range (32768-60999)", |it| {
        it.execute(reserve("a", "tcp/40000", None))
    });
    bench.execute(reserve("a", "tcp/80", None)).unwrap();
}

#[test]
fn removing_a_container_releases_its_reservations() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    bench.execute(reserve("a", "tcp/40000", None)).unwrap();
    bench.execute(Request::ContainerRemove { name: name("a") }).unwrap();
    assert!(bench.node.kernel.ports.is_empty() && bench.saved().reservations.is_empty());
    assert_eq!(local(&bench), "");
}

#[test]
fn reservations_come_back_after_a_reboot() {
    let mut bench = Bench::new();
    bench.execute(reserve("a", "tcp/40000", Some("192.0.2.1"))).unwrap();
    fs::write(bench.directory.path().join("ip_local_reserved_ports"), "\n").unwrap();
    let bench = bench.rebooted();
    assert_eq!(bench.node.kernel.ports.len(), 1);
    assert_eq!(local(&bench), "40000-40000");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut bench = Bench::new();
    bench.add("a", cgroup("/a")).unwrap();
    bench.refuses("icmp/1 cannot be reserved at ::1", |it| it.execute(reserve("a", "icmp/1", Some("::1"))));
    bench.refuses("cannot be reserved at 224.0.0.1", |it| {
        it.execute(reserve("a", "udp/1", Some("224.0.0.1")))
    });
    bench.refuses("a has no reservation of tcp/1", |it| it.execute(release("a", "tcp/1", None)));
    bench.refuses("there is no container x", |it| it.execute(release("x", "tcp/1", None)));
    bench.execute(reserve("a", "tcp/1", None)).unwrap();
    let done = bench.execute(reserve("a", "tcp/1", None)).unwrap();
    assert!(matches!(done, Response::Done { notes } if notes == ["it was reserved already"]));
    assert_eq!(bench.node.kernel.ports.len(), 2);
    bench.refuses("tcp/1 is reserved for a already, without --raw", |it| {
        let service = "tcp/1".parse().unwrap();
        it.execute(Request::PortReserve { name: name("a"), service, address: None, raw: true })
    });
}

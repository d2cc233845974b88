//! Without a daemon.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::exchange;
use berth_tests::leaks::Objects;
use berth_tests::topology::{NODE_V4, REMOTE_V4, UPLINK, at};
use berth_tests::{Berth, Process, Sockets, Tenant, Topology, privileged};

#[test]
fn up_puts_everything_in_force_and_commands_work() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_known_neighbours().build()?;
    let a = Tenant::new(&topology.node, "a")?;
    let b = Tenant::new(&topology.node, "b")?;
    let mut berth = Berth::builder(&topology).prepare()?;
    berth.ok(["up", "--uplink", UPLINK])?;
    berth.add_container("a", a.cgroup().path())?;
    berth.add_container("b", b.cgroup().path())?;
    let status = berth.status()?;
    assert_eq!(status.rest["daemon"]["running"], false);
    assert_eq!(status.uplinks, [UPLINK]);

    let _echo = Echo::start(&topology.remote, &[REMOTE_V4], 7)?;
    exchange::datagrams(&a.udp_connect(at(REMOTE_V4, 7))?, 10, 100)?;
    let traffic = berth.container("a")?.plane.traffic;
    assert_eq!((traffic.incoming.packets, traffic.outgoing.packets), (10, 10));
    let _connection = a.tcp_connect(at(REMOTE_V4, 7))?;
    let flows = berth.flows()?;
    assert_eq!(flows.iter().filter(|flow| flow.owner == "a").count(), 1, "{flows:?}");

    berth.ok(["ports", "reserve", "a", "tcp/8080"])?;
    let refused = b.tcp_listen(at(NODE_V4, 8080)).map_err(|error| error.raw_os_error());
    assert_eq!(refused.err(), Some(Some(libc::EADDRINUSE)));
    // Only a daemon keeps events.
    let output = berth.run(["events"])?;
    assert_eq!((output.code(), output.stderr.lines().count()), (Some(3), 1), "{output:?}");

    let objects = Objects::pinned_under(berth.pin_dir())?;
    // Once more changes nothing, and a daemon takes over.
    berth.ok(["up", "--uplink", UPLINK])?;
    berth.restart()?;
    assert_eq!(Objects::pinned_under(berth.pin_dir())?, objects);
    assert!(berth.container("a")?.plane.traffic.outgoing.packets > traffic.outgoing.packets);
    assert_eq!(berth.ports()?.len(), 2);
    let output = berth.run(["up", "--uplink", UPLINK])?;
    assert_eq!((output.code(), output.stderr.lines().count()), (Some(1), 1), "{output:?}");
    berth.ok(["down"])?;
    objects.wait_until_gone()
}

#[test]
fn commands_at_the_same_time_wait_for_each_other() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let mut berth = Berth::builder(&topology).prepare()?;
    berth.ok(["up", "--uplink", UPLINK])?;
    for round in ["without", "with"] {
        let tenants = (0..6).map(|number| Tenant::new(&topology.node, &format!("{round}-{number}")));
        let tenants: Vec<_> = tenants.collect::<Result<_>>()?;
        let adds = tenants.iter().enumerate().map(|(number, tenant)| {
            let (name, path) = (format!("{round}-{number}"), tenant.cgroup().path().to_string_lossy());
            Process::spawn(&mut berth.command(["container", "add", &name, "--cgroup", &path])?)
        });
        let adds: Vec<_> = adds.collect::<Result<_>>()?;
        for add in adds {
            let output = add.wait(Duration::from_secs(60))?;
            assert!(output.success(), "{output:?}");
        }
        let status = berth.status()?;
        let ids: BTreeSet<_> = status.containers.iter().map(|container| container.id).collect();
        assert_eq!(ids.len(), status.containers.len());
        for number in 0..6 {
            let name = format!("{round}-{number}");
            assert_eq!(status.container(&name).map(|one| one.state.as_str()), Some("active"));
            berth.ok(["container", "rm", &name])?;
        }
        berth.restart()?;
    }
    Ok(())
}

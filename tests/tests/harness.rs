//! The harness itself: what the other tests take for granted.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result, ensure};
use berth_tests::process::ok;
use berth_tests::topology::{FAR_V4, FAR_V6, NODE_V4, NODE_V6, REMOTE_V4, at, remote_addresses};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Endpoint, Sockets, Tenant, Topology, in_netns, privileged};
use socket2::{Domain, Protocol, Type};

#[test]
fn node_and_remote_ping_each_other() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    for address in remote_addresses() {
        ok(topology.node.command("ping")?.args(["-c1", "-W2", &address.to_string()]))?;
    }
    for address in [NODE_V4, NODE_V6] {
        ok(topology.remote.command("ping")?.args(["-c1", "-W2", &address.to_string()]))?;
    }
    Ok(())
}

#[test]
fn the_far_host_is_two_hops_away() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_far().build()?;
    for (address, hop) in [(FAR_V4, "198.18.0.2"), (FAR_V6, "fd62:6572:7468::2")] {
        let route =
            ok(topology.node.command("traceroute")?.args(["-n", "-q1", "-w2", &address.to_string()]))?;
        let hops: Vec<&str> =
            route.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
        assert_eq!(hops, [hop, &address.to_string()], "{route}");
    }
    Ok(())
}

#[test]
fn topologies_side_by_side_do_not_meet() -> Result<()> {
    privileged!();
    let (one, other) = (Topology::new()?, Topology::new()?);
    let _there = one.remote.tcp_listen(at(REMOTE_V4, 7))?;
    one.node.tcp_connect(at(REMOTE_V4, 7))?;
    let refused = other.node.tcp_connect(at(REMOTE_V4, 7)).map_err(|error| error.kind());
    assert_eq!(refused.err(), Some(io::ErrorKind::ConnectionRefused));
    Ok(())
}

#[test]
fn a_tenants_socket_is_in_its_cgroup_and_network() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let tenant = Tenant::new(&topology.node, "a")?;
    let listener = tenant.tcp_listen(at(NODE_V4, 8080))?;
    assert_eq!(netns_of(&listener)?, topology.node.netns().inode()?);
    assert_ne!(netns_of(&listener)?, topology.remote.netns().inode()?);

    let _host = topology.node.tcp_listen(at(NODE_V4, 8081))?;
    let sockets = ok(topology.node.command("ss")?.args(["-Htln", "--cgroup"]))?;
    let line_of = |port: &str| sockets.lines().find(|line| line.contains(port)).context(sockets.clone());
    let cgroup = format!("cgroup:{}", tenant.cgroup().hierarchy_path()?.display());
    assert!(
        line_of(":8080")?.ends_with(&cgroup) || line_of(":8080")?.contains(&format!("{cgroup} ")),
        "{sockets}"
    );
    assert!(!line_of(":8081")?.contains(&cgroup), "{sockets}");
    Ok(())
}

#[test]
fn a_tenants_command_is_in_its_cgroup_and_network() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let tenant = Tenant::new(&topology.node, "a")?;
    let cgroups = ok(tenant.command("cat")?.arg("/proc/self/cgroup"))?;
    assert!(cgroups.contains(&format!("0::{}\n", tenant.cgroup().hierarchy_path()?.display())), "{cgroups}");
    let netns = ok(tenant.command("readlink")?.arg("/proc/self/ns/net"))?;
    assert_eq!(netns.trim(), format!("net:[{}]", topology.node.netns().inode()?));
    // The cgroup hierarchy and bpffs are where they were.
    ok(tenant.command("ls")?.arg(tenant.cgroup().path()))?;
    Ok(())
}

#[test]
fn a_tenants_errors_are_the_kernels() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let tenant = Tenant::new(&topology.node, "a")?;
    let error =
        tenant.socket(Domain::IPV4, Type::STREAM, Some(Protocol::UDP)).map_err(|error| error.raw_os_error());
    assert_eq!(error.err(), Some(Some(libc::EPROTONOSUPPORT)));
    let _held = tenant.tcp_listen(at(NODE_V4, 8080))?;
    let error = tenant.tcp_listen(at(NODE_V4, 8080)).map_err(|error| error.kind());
    assert_eq!(error.err(), Some(io::ErrorKind::AddrInUse));
    Ok(())
}

#[test]
fn a_crash_closes_what_a_tenants_process_kept() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let mut tenant = Tenant::new(&topology.node, "a")?;
    let kept = tenant.kept_socket(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    kept.bind(&at(NODE_V4, 8080).into())?;
    kept.listen(1)?;
    drop(kept);
    topology.remote.tcp_connect(at(NODE_V4, 8080))?;
    tenant.crash()?;
    wait::until_true("the listener to be gone", LIMIT, || {
        Ok(topology
            .remote
            .tcp_connect(at(NODE_V4, 8080))
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
    })?;
    tenant.tcp_listen(at(NODE_V4, 8081))?;
    Ok(())
}

#[test]
fn a_cgroup_below_a_tenants_goes_with_it() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let tenant = Tenant::new(&topology.node, "a")?;
    let below = tenant.cgroup().child("below")?;
    let inner = Tenant::in_cgroup(&topology.node, below)?;
    inner.udp_connect(at(REMOTE_V4, 9))?.send(b"x")?;
    let path = tenant.cgroup().path().to_owned();
    assert_eq!(tenant.cgroup().processes()?.len(), 1);
    drop(inner);
    drop(tenant);
    assert!(!path.parent().context("no parent")?.exists());
    Ok(())
}

#[test]
fn names_are_where_the_usual_tools_look() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let netns = topology.node.netns();
    let listed = ok(std::process::Command::new("ip").args(["netns", "list"]))?;
    assert!(listed.lines().any(|line| line.split(' ').next() == Some(netns.name())), "{listed}");
    let entered = ok(std::process::Command::new("nsenter")
        .arg(format!("--net={}", netns.path().display()))
        .args(["ip", "-o", "address", "show", "uplink0"]))?;
    assert!(entered.contains("198.18.0.1/24") && entered.contains("fd62:6572:7468::1/64"), "{entered}");
    Ok(())
}

#[test]
fn a_panic_in_a_namespace_is_a_panic_here() -> Result<()> {
    privileged!();
    let topology = Topology::new()?;
    let netns = topology.node.netns();
    let caught =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| in_netns(netns, || panic!("as told"))));
    assert!(caught.is_err());
    Ok(())
}

/// The network namespace of a socket, as the kernel has it.
fn netns_of(socket: &impl AsFd) -> Result<u64> {
    const SIOCGSKNS: libc::c_ulong = 0x894c;
    // SAFETY: the call takes no argument and returns a new descriptor.
    let fd = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), SIOCGSKNS) };
    ensure!(fd >= 0, io::Error::last_os_error());
    // SAFETY: the kernel has just made this descriptor for us and nobody else has it.
    let file = fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok(file.metadata()?.ino())
}

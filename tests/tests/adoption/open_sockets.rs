//! Its open sockets are its own from then on.

use std::net::{IpAddr, Ipv6Addr, TcpStream};

use anyhow::{Context, Result};
use berth_tests::echo::Echo;
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, at};
use berth_tests::{Endpoint, Ledger, SharedNode, Sockets, Tenant, exchange, privileged};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Type};

const CONNECTIONS: usize = 500;

#[test]
fn five_hundred_connections_are_its_own_from_then_on() -> Result<()> {
    privileged!();
    // Both ends of every connection are this process's.
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(4096), hard.max(4096))?;
    let node = SharedNode::new()?;
    let _echo = Echo::start(&node.topology.remote, &[REMOTE_V4, REMOTE_V6], 7)?;
    let c = Tenant::new(&node.topology.node, "c")?;
    let remote = |number| if number % 5 == 0 { REMOTE_V6 } else { REMOTE_V4 };
    let streams = (0..CONNECTIONS).map(|number| c.tcp_connect(at(remote(number), 7)));
    let streams: Vec<TcpStream> = streams.collect::<Result<_, _>>()?;
    let datagrams = (0..20).map(|number| c.udp_connect(at(remote(number), 7)));
    let datagrams: Vec<_> = datagrams.collect::<Result<_, _>>()?;
    let ledger = Ledger::open(&node)?;
    let talk = || -> Result<()> {
        streams.iter().try_for_each(|stream| exchange::stream(stream, 100))?;
        datagrams.iter().try_for_each(|socket| exchange::datagrams(socket, 2, 100))
    };
    let growth = ledger.growth(talk)?;
    assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["host"]);

    let told = node.berth.ok(["container", "add", "c", "--cgroup", &c.cgroup().path().to_string_lossy()])?;
    assert!(told.contains("520 sockets that were open already are now its own"), "{told}");
    for _ in 0..2 {
        let growth = ledger.growth(talk)?;
        assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["c"]);
        assert_eq!(growth.drops(), [].into());
    }
    // Also what they do at their end.
    let growth = ledger.growth(|| {
        drop(streams);
        Ok(())
    })?;
    assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["c"]);
    assert_eq!(growth.drops(), [].into());
    Ok(())
}

#[test]
fn ports_it_serves_are_reserved() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let c = Tenant::new(&node.topology.node, "c")?;
    let any = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let single = c.tcp_listen(at(NODE_V4, 8080))?;
    let v6_only = c.tcp_listen(at(any, 8081))?;
    let dual = c.tcp(any)?;
    dual.bind(&at(any, 8082).into())?;
    dual.listen(1)?;
    let server = c.udp_bind(at(NODE_V6, 8083))?;
    let group = [0, 1].map(|_| {
        let socket = c.socket(Domain::IPV4, Type::DGRAM, None)?;
        socket.set_reuse_port(true)?;
        socket.bind(&at(NODE_V4, 8084).into())?;
        std::io::Result::Ok(socket)
    });
    node.berth.add_container("c", c.cgroup().path())?;

    let expected: [(u16, &[&str]); 5] = [
        (8080, &["198.18.0.1"]),
        (8081, &["::"]),
        (8082, &["0.0.0.0", "::"]),
        (8083, &["fd62:6572:7468::1"]),
        (8084, &["198.18.0.1"]),
    ];
    for (port, addresses) in expected {
        let holders = node.holders(port)?;
        let found: Vec<_> = holders.iter().map(|port| port.address.to_string()).collect();
        assert_eq!(found, addresses, "{port}");
        assert!(holders.iter().all(|port| port.owner == "c" && port.by == "bind"), "{holders:?}");
    }
    assert_eq!(node.ports_held("c")?, 6);
    let theirs = node.b.socket(Domain::IPV4, Type::DGRAM, None)?;
    theirs.set_reuse_port(true)?;
    let refused = theirs.bind(&at(NODE_V4, 8084).into()).map_err(|error| error.raw_os_error());
    assert_eq!(refused.err(), Some(Some(libc::EADDRINUSE)));

    let growth = Ledger::open(&node)?.growth(|| {
        let client = node.topology.remote.tcp_connect(at(NODE_V4, 8080))?;
        drop((client, single.accept()?));
        node.topology.remote.udp_bind(at(REMOTE_V6, 0))?.send_to(b"hello", at(NODE_V6, 8083))?;
        server.recv(&mut [0; 8])?;
        Ok(())
    })?;
    assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["c"]);

    drop((single, v6_only, dual, server));
    assert_eq!(node.ports_held("c")?, 1);
    assert_eq!(node.holders(8084)?.len(), 1);
    let [first, second] = group;
    drop(first?);
    assert_eq!((node.ports_held("c")?, node.holders(8084)?.len()), (1, 1));
    drop(second?);
    assert_eq!(node.ports_held("c")?, 0);
    assert_eq!(node.holders(8084)?, vec![]);
    theirs.bind(&at(NODE_V4, 8084).into()).context("bind what is free")?;
    Ok(())
}

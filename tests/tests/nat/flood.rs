//! Connections to the published port of one container cost another one none.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{fs, thread};

use anyhow::{Context, Result, anyhow};
use berth_tests::topology::at;
use berth_tests::{Sockets as _, cases, flood, privileged, wait};

use crate::{INSIDE, NODE, Net, OUTSIDE};

/// More than berth keeps for all containers together.
const SYNS: usize = 100_000;
const LEAST_SYNS: usize = 40_000;
/// Who waits for an answer: more than the kernel would keep aside for each processor.
const CLIENTS: usize = 600;
/// Where the other container is published.
const OTHER: u16 = OUTSIDE + 1;

#[test]
fn who_waits_for_an_answer_gets_it_whatever_comes_for_another() -> Result<()> {
    privileged!();
    let net = Net::published()?;
    let d = net.bridge.guest(3)?;
    net.add("d", &d, &[])?;
    let rules = net.berth.run_dir().join("drop");
    fs::write(&rules, "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\nCOMMIT\n")?;
    net.berth.ok(["rules", "restore", "d", rules.to_str().context("a path that is not UTF-8")?])?;
    net.berth.ok(["publish", "add", "d", &format!("tcp/{OTHER}"), "--to-port", &INSIDE.to_string()])?;

    let server = net.c.host.udp_bind(at(net.c.addresses[0], INSIDE))?;
    let clients = (0..CLIENTS)
        .map(|_| {
            let client = net.remote().udp_connect(at(NODE[0], OUTSIDE))?;
            client.send(b"?")?;
            let (_, from) = server.recv_from(&mut [0; 8])?;
            Ok((client, from))
        })
        .collect::<Result<Vec<_>>>()?;
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let enough = u64::try_from(cases::number(SYNS, LEAST_SYNS)?)?;
    thread::scope(|scope| {
        let flooding = scope.spawn(|| flood::syns(&net.topology, OTHER, &stop, &sent));
        let flooded =
            wait::until_true("SYNs", wait::LIMIT * 12, || Ok(sent.load(Ordering::Relaxed) >= enough));
        stop.store(true, Ordering::Relaxed);
        flooding.join().map_err(|_| anyhow!("the flood failed"))??;
        flooded
    })?;
    for (client, from) in clients {
        server.send_to(b"!", from)?;
        assert_eq!(client.recv(&mut [0; 8])?, 1, "{from}");
    }
    assert_eq!(net.berth.container("c")?.plane.drops.len(), 0);
    let dropped = net.berth.container("d")?.plane.drops_for("rule");
    assert!(dropped >= enough / 2, "the flood did not get there: {dropped}");
    Ok(())
}

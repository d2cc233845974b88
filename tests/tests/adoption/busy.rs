//! Nothing is lost, and nothing unaccounted for, while it is added and removed.

use std::net::{TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use anyhow::{Result, anyhow};
use berth_tests::echo::Echo;
use berth_tests::topology::{NODE_V4, REMOTE_V4, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Ledger, SharedNode, Sockets, Tenant, exchange, privileged};

/// A container that is always in the middle of something.
struct Busy {
    node: SharedNode,
    c: Tenant,
    /// To and from it.
    clients: [TcpStream; 3],
    socket: UdpSocket,
    _echo: [Echo; 2],
    rounds: AtomicUsize,
}

impl Busy {
    fn new() -> Result<Self> {
        let node = SharedNode::new()?;
        let outside = Echo::start(&node.topology.remote, &[REMOTE_V4], 7)?;
        let c = Tenant::new(&node.topology.node, "c")?;
        let inside = Echo::start(&c, &[NODE_V4], 8080)?;
        let clients = [
            c.tcp_connect(at(REMOTE_V4, 7))?,
            c.tcp_connect(at(REMOTE_V4, 7))?,
            node.topology.remote.tcp_connect(at(NODE_V4, 8080))?,
        ];
        let socket = c.udp_connect(at(REMOTE_V4, 7))?;
        Ok(Self { node, c, clients, socket, _echo: [outside, inside], rounds: AtomicUsize::new(0) })
    }

    fn round(&self) -> Result<()> {
        self.clients.iter().try_for_each(|stream| exchange::stream(stream, 2000))?;
        exchange::datagrams(&self.socket, 1, 100)?;
        self.rounds.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Talks for as long as `manage` takes. Whatever is lost or refused is an error.
    fn during(&self, manage: impl FnOnce() -> Result<()>) -> Result<()> {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let talking = scope.spawn(|| -> Result<()> {
                while !stop.load(Ordering::Relaxed) {
                    self.round()?;
                }
                Ok(())
            });
            let managed = self.wait().and_then(|()| manage()).and_then(|()| self.wait());
            stop.store(true, Ordering::Relaxed);
            talking.join().map_err(|_| anyhow!("the talker failed"))??;
            managed
        })
    }

    fn wait(&self) -> Result<()> {
        let target = self.rounds.load(Ordering::Relaxed) + 2;
        wait::until_true("two more rounds", LIMIT, || Ok(self.rounds.load(Ordering::Relaxed) >= target))
    }
}

#[test]
fn every_packet_is_somebodys_while_it_is_added() -> Result<()> {
    privileged!();
    let busy = Busy::new()?;
    let ledger = Ledger::open(&busy.node)?;
    let add = || busy.node.berth.add_container("c", busy.c.cgroup().path());
    let growth = ledger.growth(|| busy.during(add))?;
    assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["c", "host"]);
    assert_eq!(growth.drops(), [].into());
    let growth = ledger.growth(|| busy.round())?;
    assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["c"]);
    assert_eq!(growth.drops(), [].into());
    Ok(())
}

#[test]
fn connections_go_on_while_it_is_added_and_removed() -> Result<()> {
    privileged!();
    let busy = Busy::new()?;
    busy.during(|| {
        for _ in 0..5 {
            busy.node.berth.add_container("c", busy.c.cgroup().path())?;
            busy.wait()?;
            assert_eq!(busy.node.berth.container("c")?.plane.drops, [].into());
            busy.node.berth.ok(["container", "rm", "c"])?;
            busy.wait()?;
        }
        Ok(())
    })?;
    assert_eq!(busy.node.holders(8080)?, []);
    let ledger = Ledger::open(&busy.node)?;
    let growth = ledger.growth(|| busy.round())?;
    assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["host"]);
    Ok(())
}

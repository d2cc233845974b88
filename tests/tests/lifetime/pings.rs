//! Pings of a container, none of which may be lost.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use berth_tests::topology::{NODE_V4, REMOTE_V4};
use berth_tests::wait;
use berth_tests::{Sockets, Tenant, exchange};
use socket2::Socket;

/// Ethernet, IP and ICMP headers, and what `exchange::pings` sends.
pub const LENGTH: u64 = 14 + 20 + 8 + 18;
/// A hundred a second.
const PAUSE: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(20);

/// Pings to the remote host.
pub struct Pings {
    socket: Socket,
    stop: AtomicBool,
    count: AtomicU64,
}

impl Pings {
    /// From a tenant of the node.
    pub fn of(tenant: &Tenant) -> Result<Self> {
        let socket = tenant.ping_socket(REMOTE_V4, 0)?;
        Ok(Self { socket, stop: AtomicBool::new(false), count: AtomicU64::new(0) })
    }

    /// Pings for as long as `act` takes; one that is not answered is an error.
    pub fn during(&self, act: impl FnOnce() -> Result<()>) -> Result<()> {
        thread::scope(|scope| {
            let pinging = scope.spawn(|| self.run());
            let acted = act();
            self.stop.store(true, Ordering::Relaxed);
            pinging.join().map_err(|_| anyhow!("the pinger failed"))??;
            acted
        })
    }

    /// How many were answered.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until so many more are answered.
    pub fn wait_for(&self, more: u64) -> Result<()> {
        let target = self.count() + more;
        wait::until_true("replies to pings", PATIENCE, || Ok(self.count() >= target))
    }

    fn run(&self) -> Result<()> {
        while !self.stop.load(Ordering::Relaxed) {
            exchange::pings(&self.socket, (NODE_V4, REMOTE_V4), 0, 1)?;
            self.count.fetch_add(1, Ordering::Relaxed);
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}

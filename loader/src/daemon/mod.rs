//! The daemon: keeps a node in care, serves requests, follows the system, and passes on events.
//!
//! Nothing is enforced by it. When it ends, however it ends, what it has put into the kernel stays in force, and the
//! next one takes over.

mod cgroups;
mod confirm;
mod error;
mod events;
mod keeper;
mod netlink;
mod readable;
mod refresh;
mod server;
mod service;
mod socket;
mod sweep;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use log::info;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

pub use error::DaemonError;

use self::{events::EventLog, keeper::Keeper};
use crate::{
    api::{error::ApiError, status},
    node::{Lock, Node, Paths, Purpose},
};

/// How long requests under way may take when the daemon ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs until a signal or a request ends it. `lock` shows that no other berth has the node in care.
///
/// If nothing can be put in force it ends at once: whoever restarts it tells by the exit code whether that would help.
pub fn run(paths: &Paths, purpose: &Purpose, lock: Lock) -> Result<(), ApiError> {
    let node = Node::open(paths, purpose)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("berth")
        .enable_all()
        .build()
        .map_err(DaemonError::Runtime)?;
    runtime.block_on(serve(paths, node))?;
    runtime.shutdown_timeout(PATIENCE);
    drop(lock);
    Ok(())
}

async fn serve(paths: &Paths, node: Node) -> Result<(), DaemonError> {
    let (stop, stopped) = watch::channel(false);
    let log = Arc::new(EventLog::new());
    let events = events::Source::new(&node)?;
    let follows_routes = node.follows_routes();
    let keeper = Keeper::new(node, Arc::clone(&log), identity(), stop);

    // Before any task runs: for a moment, a setting of the whole process bears on the mode of new files.
    let socket = socket::Socket::bind(&paths.socket())?;
    let mut tasks = JoinSet::new();
    tasks.spawn(netlink::Watch::new(follows_routes)?.run(keeper.clone()));
    tasks.spawn(refresh::run(keeper.clone(), cgroups::Watch::new()?));
    tasks.spawn(events.run(keeper.clone(), log));
    tasks.spawn(sweep::run(keeper.clone()));
    tasks.spawn(confirm::run(keeper.clone()));
    tasks.spawn(service::watchdog(keeper.clone()));
    let signals = Signals::new()?;
    tasks.spawn(signals.run(keeper.clone()));

    let server = tokio::spawn(server::run(socket.listener()?, keeper, stopped.clone()));
    service::ready();
    info!("serving {}", paths.socket().display());

    let mut ended = stopped;
    // An error means that nobody is left who could stop the daemon, which is a reason to stop as well.
    let _ = ended.wait_for(|stop| *stop).await;
    service::stopping();
    drop(socket);
    if timeout(PATIENCE, server).await.is_err() {
        info!("requests that were still under way are broken off");
    }
    tasks.shutdown().await;
    info!("stopped; everything stays enforced");
    Ok(())
}

fn identity() -> status::Daemon {
    status::Daemon {
        running: true,
        pid: Some(std::process::id()),
        since: Some(humantime::format_rfc3339_seconds(SystemTime::now()).to_string()),
        problem: None,
    }
}

/// The signals that end the daemon.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, DaemonError> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(DaemonError::Runtime)?,
            interrupt: signal(SignalKind::interrupt()).map_err(DaemonError::Runtime)?,
        })
    }

    async fn run(mut self, keeper: Keeper) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        keeper.stop();
    }
}

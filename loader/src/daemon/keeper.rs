//! The node, shared by all tasks of the daemon.

use std::{
    process,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use log::{error, info};
use tokio::{
    sync::{Notify, watch},
    task::spawn_blocking,
    time::sleep,
};

use super::events::EventLog;
use crate::{
    api::{error::ApiError, request::Request, response::Response, status},
    node::Node,
};

/// The node, shared by all tasks of the daemon.
#[derive(Clone)]
pub struct Keeper {
    node: Arc<Mutex<Node>>,
    log: Arc<EventLog>,
    daemon: Arc<status::Daemon>,
    changed: Arc<Notify>,
    watch_anew: Arc<Notify>,
    stop: Arc<watch::Sender<bool>>,
}

impl Keeper {
    /// Takes the node.
    pub fn new(node: Node, log: Arc<EventLog>, daemon: status::Daemon, stop: watch::Sender<bool>) -> Self {
        Self {
            node: Arc::new(Mutex::new(node)),
            log,
            daemon: Arc::new(daemon),
            changed: Arc::new(Notify::new()),
            watch_anew: Arc::new(Notify::new()),
            stop: Arc::new(stop),
        }
    }

    /// Carries out a request.
    pub async fn execute(&self, request: Request) -> Result<Response, ApiError> {
        match request {
            Request::Events { last } => Ok(Response::Events(self.log.last(last))),
            Request::Shutdown => {
                self.stop();
                Ok(Response::Done { notes: Vec::new() })
            }
            Request::FlowsTop(asked) => {
                let watched = asked.clone();
                let before = self.with(move |node| node.tallies(&watched)).await?;
                // Others are served meanwhile.
                sleep(Duration::from_millis(asked.milliseconds)).await;
                Ok(self.with(move |node| node.busiest(&before, &asked)).await?)
            }
            request => {
                let daemon = Arc::clone(&self.daemon);
                let told = request.changes().then(|| told(&request));
                let done = self.with(move |node| node.execute(request, &daemon)).await;
                if let Some(told) = told {
                    match &done {
                        Ok(_) => info!("done: {told}"),
                        Err(failure) => info!("refused: {told}: {failure}"),
                    }
                    self.watch_anew.notify_one();
                }
                Ok(done?)
            }
        }
    }

    /// Does something with the node, on a thread that may wait.
    pub async fn with<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(&mut Node) -> T + Send + 'static,
    {
        let node = Arc::clone(&self.node);
        let done = spawn_blocking(move || {
            let mut node = node.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut node)
        });
        match done.await {
            Ok(value) => value,
            Err(failure) => {
                // What the node is like after that, nobody knows. What is pinned stays in force, and the next daemon
                // takes it over and makes it what the state says.
                error!("the daemon ends, as it is broken: {failure}");
                process::exit(1)
            }
        }
    }

    /// Where events are kept.
    pub fn log(&self) -> &Arc<EventLog> {
        &self.log
    }

    /// Says that something on the system may have changed.
    pub fn look_again(&self) {
        self.changed.notify_one();
    }

    /// Waits until something on the system may have changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits until there may be other cgroups to watch.
    pub async fn watch_anew(&self) {
        self.watch_anew.notified().await;
    }

    /// Ends the daemon.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

/// A request, for the log, which need not have all of thousands of rules.
fn told(request: &Request) -> String {
    /// Characters.
    const ROOM: usize = 2_000;
    let text = serde_json::to_string(request).unwrap_or_default();
    match text.char_indices().nth(ROOM).and_then(|(end, _)| text.get(..end)) {
        Some(beginning) => format!("{beginning}… ({} bytes)", text.len()),
        None => text,
    }
}

//! What the service manager is told.

use std::time::Duration;

use log::debug;
use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

use super::keeper::Keeper;

/// Everything is in force, and requests are served.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The end has begun.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Shows regularly, if the service manager wants that, that the node can be had: a request that never ends, or a lock
/// that is never given back, gets the daemon restarted.
pub async fn watchdog(keeper: Keeper) {
    let mut microseconds = 0;
    if !sd_notify::watchdog_enabled(false, &mut microseconds) {
        return;
    }
    let mut ticks = interval(Duration::from_micros(microseconds) / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        keeper.with(|_| ()).await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(false, states) {
        debug!("the service manager could not be told: {error}");
    }
}

//! Clearing away what has expired.

use std::time::Duration;

use log::error;
use tokio::time::{MissedTickBehavior, interval};

use super::keeper::Keeper;
use crate::node::Node;

/// How often. What has expired is dead already; this only gives its memory back before it is needed.
const EVERY: Duration = Duration::from_secs(5);

/// Clears away regularly.
pub async fn run(keeper: Keeper) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(failure) = keeper.with(Node::sweep).await {
            error!("cannot clear away what has expired: {failure}");
        }
    }
}

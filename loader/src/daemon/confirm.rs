//! Undoing changes of rules that nobody confirms.

use std::time::Duration;

use tokio::time::sleep;

use super::keeper::Keeper;
use crate::node::Node;

/// How often to look; a deadline is met within this.
const EVERY: Duration = Duration::from_millis(500);

/// Undoes what was not confirmed in time.
pub async fn run(keeper: Keeper) {
    loop {
        keeper.with(Node::undo_unconfirmed).await;
        sleep(EVERY).await;
    }
}

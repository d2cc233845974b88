//! Following the system.

use std::time::Duration;

use log::error;
use tokio::time::{sleep, timeout};

use super::{cgroups, keeper::Keeper};

/// Changes come in swarms: how long to wait for the rest of one.
const SETTLE: Duration = Duration::from_millis(30);
/// How soon after a change everything is looked at again: a runtime makes a cgroup first and writes down later whose it is.
const SOON: Duration = Duration::from_millis(200);
/// How often everything is looked at again, should a change have gone unnoticed.
const REGULARLY: Duration = Duration::from_secs(5);

/// Looks at the system again whenever something may have changed.
pub async fn run(keeper: Keeper, mut cgroups: cgroups::Watch) {
    let mut last_failure = String::new();
    let mut patience = REGULARLY;
    loop {
        // Watched first, then looked at: what comes in between is not missed.
        cgroups.set(&keeper.with(|node| node.cgroup_parents()).await);
        let failure = keeper.with(|node| node.refresh().err().map(|failure| failure.to_string())).await;
        let failure = failure.unwrap_or_default();
        if failure != last_failure && !failure.is_empty() {
            error!("cannot follow what changes on the node: {failure}");
        }
        last_failure = failure;
        cgroups.set(&keeper.with(|node| node.cgroup_parents()).await);
        // Whether it was a change or the time: both are reasons to look.
        let has_changed = timeout(patience, change(&keeper, &mut cgroups)).await.is_ok();
        patience = if has_changed { SOON } else { REGULARLY.min(patience * 2) };
        sleep(SETTLE).await;
    }
}

/// Waits for a change, and watches other cgroups when requests bring them.
async fn change(keeper: &Keeper, cgroups: &mut cgroups::Watch) {
    loop {
        tokio::select! {
            () = keeper.changed() => return,
            () = cgroups.changed() => return,
            () = keeper.watch_anew() => {}
        }
        cgroups.set(&keeper.with(|node| node.cgroup_parents()).await);
    }
}

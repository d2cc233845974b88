//! Events: read from the kernel, kept for a while, passed on to whoever follows them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use berth_common::abi::units::Nanos;
use log::error;
use tokio::sync::broadcast;

use super::{DaemonError, keeper::Keeper, readable::Readable};
use crate::{
    api::event::Event,
    control::{Events, Kernel, Record},
    node::Node,
};

/// How many events are kept: of flows, and of all else, which there may be many fewer of.
const KEPT: usize = 1_024;
/// How many events somebody who follows them may be behind before some are lost to them.
const QUEUED: usize = 4_096;
/// How many events are read at once.
const BATCH: usize = 256;

/// The latest events, and those who follow them.
pub struct EventLog {
    kept: Mutex<Kept>,
    followers: broadcast::Sender<Event>,
}

/// The latest events, of flows apart.
#[derive(Default)]
struct Kept {
    count: u64,
    flows: VecDeque<(u64, Event)>,
    others: VecDeque<(u64, Event)>,
}

impl Kept {
    fn push(&mut self, event: Event) {
        let queue = if event.flow.is_some() { &mut self.flows } else { &mut self.others };
        if queue.len() == KEPT {
            queue.pop_front();
        }
        queue.push_back((self.count, event));
        self.count += 1;
    }

    /// Those that came last, in the order in which they came.
    fn last(&self, count: usize) -> Vec<Event> {
        let mut all: Vec<&(u64, Event)> = self.flows.iter().chain(&self.others).collect();
        all.sort_by_key(|(number, _)| *number);
        all.split_off(all.len().saturating_sub(count)).into_iter().map(|(_, event)| event.clone()).collect()
    }
}

impl EventLog {
    /// Without events.
    pub fn new() -> Self {
        Self { kept: Mutex::default(), followers: broadcast::Sender::new(QUEUED) }
    }

    /// The latest events, oldest first.
    pub fn last(&self, count: usize) -> Vec<Event> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).last(count)
    }

    /// The latest events, and those to come, without a gap between them.
    pub fn follow(&self, count: usize) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.last(count), self.followers.subscribe())
    }

    fn push(&self, events: Vec<Event>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            kept.push(event.clone());
            // An error only means that nobody follows.
            let _ = self.followers.send(event);
        }
    }
}

/// The kernel's events.
pub struct Source {
    events: Readable<Events>,
}

impl Source {
    /// Those of `node`.
    pub fn new(node: &Node) -> Result<Self, DaemonError> {
        let events = Readable::new(node.kernel().events()?).map_err(DaemonError::Runtime)?;
        Ok(Self { events })
    }

    /// Reads events into `log`.
    pub async fn run(mut self, keeper: Keeper, log: Arc<EventLog>) {
        loop {
            let batch = match self.events.read(next_batch).await {
                Ok(batch) => batch,
                Err(failure) => return error!("events are no longer read: {failure}"),
            };
            let words = keeper.with(move |node| in_words(node, &batch)).await;
            log.push(words);
        }
    }
}

fn next_batch(events: &mut Events) -> (Vec<Record>, bool) {
    let batch: Vec<_> = events.by_ref().take(BATCH).collect();
    let nothing_left = batch.len() < BATCH;
    (batch, nothing_left)
}

fn in_words(node: &Node, batch: &[Record]) -> Vec<Event> {
    let (kernel_now, now) = (Kernel::now(), SystemTime::now());
    batch.iter().map(|event| node.event(event, wall_clock(event.time(), kernel_now, now))).collect()
}

/// The kernel stamps events with a clock that began when it did.
fn wall_clock(stamp: Nanos, kernel_now: Nanos, now: SystemTime) -> String {
    let age = Duration::from_nanos(kernel_now.0.saturating_sub(stamp.0));
    let time = now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
    humantime::format_rfc3339_micros(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::event::Packet;

    fn event(number: u64) -> Event {
        let any = "0.0.0.0".parse().unwrap();
        let packet =
            Packet { protocol: "tcp".to_owned(), src: any, sport: 1, dst: any, dport: 2, ifindex: 3 };
        Event {
            time: String::new(),
            kind: "drop".to_owned(),
            container: "a".to_owned(),
            reason: "hijack".to_owned(),
            holder: None,
            packet,
            log: None,
            flow: None,
            suppressed: number,
        }
    }

    #[test]
    fn keeps_the_latest() {
        let log = EventLog::new();
        log.push((0..2_000).map(event).collect());
        assert_eq!(log.last(9_999).len(), KEPT);
        assert_eq!(log.last(2).iter().map(|one| one.suppressed).collect::<Vec<_>>(), [1_998, 1_999]);
        assert!(log.last(0).is_empty());
    }

    #[test]
    fn flows_push_out_nothing_else() {
        let log = EventLog::new();
        let flow = serde_json::from_value(serde_json::json!({
            "owner": "a", "zone": 1, "protocol": "udp", "src": "192.0.2.1", "sport": 1, "dst": "192.0.2.2", "dport": 2,
            "state": "REPLIED", "assured": false, "out": {"packets": 1, "bytes": 1}, "in": {"packets": 1, "bytes": 1},
            "age_ms": 0, "expires_in_ms": 0, "nat": null
        }));
        let flow: crate::api::flow::Flow = flow.unwrap();
        log.push(vec![event(1)]);
        log.push((0..2_000).map(|number| Event { flow: Some(flow.clone()), ..event(number) }).collect());
        log.push(vec![event(2)]);
        let last = log.last(9_999);
        assert_eq!((last.len(), last[0].suppressed, last[KEPT].suppressed), (KEPT + 2, 1, 1_999));
        assert_eq!(log.last(2).iter().map(|one| one.suppressed).collect::<Vec<_>>(), [1_999, 2]);
    }

    #[test]
    fn followers_miss_nothing() {
        let log = EventLog::new();
        log.push(vec![event(1)]);
        let (last, mut next) = log.follow(10);
        log.push(vec![event(2)]);
        assert_eq!((last.len(), next.try_recv().unwrap().suppressed), (1, 2));
    }

    #[test]
    fn stamps_become_times_of_day() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let time = wall_clock(Nanos(5_000_000_000), Nanos(7_500_000_000), now);
        assert_eq!(time, "1970-01-01T00:16:37.500000Z");
    }
}

//! Which flow has to go for a newer one.

use berth_common::abi::units::ContainerId;

use super::{Model, SECOND};

/// Flows that are looked at for one that may go.
const LOOKS: usize = 32;
/// How long it is not worth looking for expired ones where there were none.
const DRY: u64 = SECOND / 100;

/// What was at the front of a ring.
enum Look {
    Passed,
    Ended,
    Unassured(usize),
}

impl Model {
    /// Makes room for one more flow of `id` by one that has expired, or else one that is not assured; tells whether it could.
    /// Nobody touches the flow of `claimed`.
    pub(super) fn displace(&mut self, id: ContainerId, claimed: Option<usize>) -> bool {
        let is_dry = self.dry_until.get(&id).is_some_and(|until| *until > self.now);
        let (mut ended, mut unassured) = (false, None);
        for _ in 0..LOOKS {
            match self.look(id, claimed) {
                None => break,
                Some(Look::Passed) => {}
                Some(Look::Ended) => {
                    ended = true;
                    break;
                }
                Some(Look::Unassured(node)) if unassured.is_none() => {
                    unassured = Some(node);
                    if is_dry {
                        break;
                    }
                }
                Some(Look::Unassured(node)) => self.push(id, node),
            }
        }
        if !ended && !is_dry {
            self.dry_until.insert(id, self.now + DRY);
        }
        match unassured {
            Some(node) if ended => self.push(id, node),
            Some(node) => {
                self.flows.retain(|flow| flow.node != node);
                *self.evicted.entry(id).or_default() += 1;
            }
            None => {}
        }
        ended || unassured.is_some()
    }

    pub(super) fn push(&mut self, id: ContainerId, node: usize) {
        self.rings.entry(id).or_default().push_back(node);
    }

    pub fn sweep(&mut self) {
        let turns = self.nodes + 1;
        for id in (0..16).map(ContainerId) {
            for _ in 0..turns {
                match self.look(id, None) {
                    None => break,
                    Some(Look::Unassured(node)) => self.push(id, node),
                    Some(Look::Passed | Look::Ended) => {}
                }
            }
        }
    }

    fn look(&mut self, id: ContainerId, claimed: Option<usize>) -> Option<Look> {
        let node = self.rings.get_mut(&id)?.pop_front()?;
        let Some(place) = self.flows.iter().position(|flow| flow.node == node) else {
            return Some(Look::Passed);
        };
        let flow = &self.flows[place];
        let charged = flow.charged();
        if claimed != Some(node) {
            if flow.expires <= self.now {
                self.flows.remove(place);
                return Some(if charged == id { Look::Ended } else { Look::Passed });
            }
            if charged == id && !flow.assured {
                return Some(Look::Unassured(node));
            }
        }
        self.push(charged, node);
        Some(Look::Passed)
    }
}

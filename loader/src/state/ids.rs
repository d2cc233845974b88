//! Numbers for new containers.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::State;

impl State {
    /// The next id for a container, from 1 to `most`: ascending, so that an id that becomes free is used again as late
    /// as possible, since counters and logs that name it live on for a while. None if all are taken.
    pub fn next_id(&self, most: u32) -> Option<u32> {
        let start = if self.last_id >= most { 0 } else { self.last_id };
        let after = start.saturating_add(1)..=most;
        after.chain(1..=start).find(|&id| self.record_by_id(id).is_none())
    }

    /// The next generation, which no container had before.
    pub fn next_generation(&self) -> u32 {
        match self.generation.wrapping_add(1) {
            0 => 1,
            next => next,
        }
    }
}

/// Where generations start on a node without a past. What an earlier state, now lost, left stamped on sockets is then
/// hardly ever taken for ours.
pub(super) fn random_generation() -> u32 {
    let bytes = RandomState::new().build_hasher().finish().to_ne_bytes();
    u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Attached, Record};

    fn add(state: &mut State, most: u32) -> Option<u32> {
        let id = state.next_id(most)?;
        let record = Record {
            id,
            name: format!("c{id}").parse().unwrap(),
            generation: 1,
            definition: None,
            template: None,
            rules: crate::state::Rules::default(),
            attached: Attached::default(),
        };
        state.last_id = id;
        state.put(record);
        Some(id)
    }

    #[test]
    fn ids_ascend_and_come_back_late() {
        let mut state = State::new();
        assert_eq!((add(&mut state, 4), add(&mut state, 4)), (Some(1), Some(2)));
        state.containers.retain(|record| record.id != 1);
        assert_eq!((add(&mut state, 4), add(&mut state, 4)), (Some(3), Some(4)));
        assert_eq!(add(&mut state, 4), Some(1));
        assert_eq!(add(&mut state, 4), None);
    }

    #[test]
    fn a_smaller_table_starts_over() {
        let mut state = State::new();
        state.last_id = 100;
        assert_eq!(add(&mut state, 10), Some(1));
    }

    #[test]
    fn generations_are_never_zero() {
        let mut state = State::new();
        state.generation = u32::MAX;
        assert_eq!(state.next_generation(), 1);
    }
}

//! Having what is known of a conversation to oneself while it is moved on.

use super::{connection::Meeting, tables::FlowEntry};
use crate::abi::flow::State;

/// How often one who waits looks again. Whoever holds the lock needs some hundred nanoseconds.
const LOOKS: u32 = 256;

/// How often the state is tried, which others may change at the same time.
const TRIES: u32 = 8;

/// What `change` says of a packet, by the state that the flow was in, and the state that it leaves.
///
/// A packet has the flow to itself, as in nf_conntrack, whose lock is this bit of the state. One that comes upon it while it is
/// locked waits a little; it cannot wait if it has interrupted who holds the lock. Then it is missed, and that is remembered.
#[inline(always)]
pub fn alone<F: FlowEntry>(entry: &F, change: impl FnOnce(State) -> (Meeting, State)) -> Meeting {
    let Some(before) = lock(entry) else {
        add(entry, State::MISSED);
        return Meeting::GoesOn;
    };
    let (meeting, after) = change(before);
    unlock(entry, after);
    meeting
}

/// The state in which the flow was locked.
#[inline(always)]
fn lock<F: FlowEntry>(entry: &F) -> Option<State> {
    for _ in 0..LOOKS {
        let state = entry.state();
        if !state.has(State::LOCKED) && entry.change_state(state, state.with(State::LOCKED)) {
            return Some(state);
        }
    }
    None
}

/// Lets others have it, in this state and with what was added meanwhile. An entry that has been begun anew meanwhile, as
/// another's flow, is locked no more.
#[inline(always)]
fn unlock<F: FlowEntry>(entry: &F, after: State) {
    for _ in 0..TRIES {
        let now = entry.state();
        let added = State(now.0 & (State::MISSED | State::COUNTED));
        if !now.has(State::LOCKED) || entry.change_state(now, after.with(added.0)) {
            break;
        }
    }
}

/// Adds flags to the state, whoever else may be changing it.
#[inline(always)]
pub fn add<F: FlowEntry>(entry: &F, flags: u32) {
    for _ in 0..TRIES {
        let state = entry.state();
        if state.0 & flags == flags || entry.change_state(state, state.with(flags)) {
            break;
        }
    }
}

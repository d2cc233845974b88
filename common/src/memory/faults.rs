//! Whether a flow table that nobody is at work on is whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};

use super::FlowArrays;
use crate::{
    abi::{
        flow::{Flow, State},
        flow_table::{IndexBucket, Ring},
        units::ContainerId,
    },
    engine::{
        flow::Parties,
        flow_table::{Hash, pool::Turn},
    },
};

impl FlowArrays {
    /// Flows that are there, expired or not, with the numbers of their slots.
    pub fn flows(&self) -> impl Iterator<Item = &(u32, Flow)> {
        self.slots.iter().filter(|(_, flow)| flow.expires.0 != 0)
    }

    /// How many flows each container holds.
    pub fn held(&self) -> BTreeMap<ContainerId, u64> {
        let mut held = BTreeMap::new();
        for (_, flow) in self.flows() {
            *held.entry(Parties::new(flow.opener, flow.responder).charged()).or_default() += 1;
        }
        held
    }

    /// What is wrong, in words; nothing if all is well: the index leads to each flow once and to nothing else, and each slot that
    /// was ever used is either in one ring, once, or free, once.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        self.check_index(&mut faults);
        self.check_places(&mut faults);
        faults
    }

    fn check_index(&self, faults: &mut Vec<String>) {
        let mut entries = BTreeSet::new();
        let mut all = 0_usize;
        for (side, arrays) in (0..).zip(&self.sides) {
            for (bucket, IndexBucket(values)) in &arrays.index {
                for entry in values.iter().filter(|entry| **entry != 0) {
                    entries.insert((side, *bucket, *entry));
                    all += 1;
                }
            }
        }
        let mut keys = BTreeMap::new();
        for (number, flow) in self.flows() {
            let hash = Hash::of(&self.shape, |place| flow.key.word(place));
            let places: BTreeSet<_> = self
                .shape
                .in_use
                .sides()
                .flat_map(|side| {
                    let size = self.shape.on(side);
                    [hash.first(size), hash.second(size)].map(|bucket| (side, bucket, hash.entry(*number)))
                })
                .collect();
            let found = places.intersection(&entries).count();
            if found != 1 {
                faults.push(format!("slot {number} is found {found} times: {flow:?}"));
            }
            if let Some(other) = keys.insert(flow.key, *number) {
                faults.push(format!("slots {number} and {other} have the same key"));
            }
        }
        if all != keys.len() {
            faults.push(format!("{all} entries of the index for {} flows", keys.len()));
        }
    }

    fn check_places(&self, faults: &mut Vec<String>) {
        let mut places: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for ((size, arrays), queue) in self.shape.sides.iter().zip(&self.sides).zip(&self.pool.queues) {
            let free: BTreeMap<u32, u32> = arrays.free.iter().copied().collect();
            for count in queue.head..queue.tail {
                let turn = Turn::of(count, size.places);
                match turn.and_then(|turn| turn.slot(free.get(&turn.place).copied()?)) {
                    Some(number) => places.entry(number).or_default().push(format!("free at {count}")),
                    None => faults.push(format!("no slot is free at {count}")),
                }
            }
        }
        for (id, ring) in &self.rings {
            match self.ring(ring) {
                Ok(numbers) => {
                    for number in numbers {
                        places.entry(number).or_default().push(format!("in the ring of {id:?}"));
                    }
                }
                Err(fault) => faults.push(format!("the ring of {id:?}: {fault}")),
            }
        }
        for (number, flow) in &self.slots {
            let found = places.remove(number).unwrap_or_default();
            let is_free = found.first().is_some_and(|place| place.starts_with("free"));
            let is_gone = flow.state.has(State::GONE);
            if found.len() != 1
                || (is_free && flow.expires.0 != 0)
                || (!is_free && flow.expires.0 == 0 && !is_gone)
            {
                faults.push(format!("slot {number} is {found:?}: {flow:?}"));
            }
        }
        faults.extend(
            places.into_iter().map(|(number, found)| format!("no slot {number}, but it is {found:?}")),
        );
    }

    /// The slots in a ring, from the front.
    fn ring(&self, ring: &Ring) -> Result<Vec<u32>, String> {
        let next: BTreeMap<u32, u32> =
            self.slots.iter().map(|(number, flow)| (number + 1, flow.next)).collect();
        let mut numbers = Vec::new();
        let mut node = ring.head;
        if ring.lock != 0 {
            return Err(String::from("locked"));
        }
        loop {
            if node != 0 {
                numbers.push(node - 1);
            }
            let follows = if node == 0 { Some(&ring.next) } else { next.get(&node) };
            match follows {
                Some(0) if node == ring.tail => return Ok(numbers),
                Some(0) => return Err(format!("it ends at node {node}, and its back is {}", ring.tail)),
                Some(follows) => node = follows - 1,
                None => return Err(format!("there is no node {node}")),
            }
            if numbers.len() > self.slots.len() {
                return Err(String::from("it goes round and round"));
            }
        }
    }
}

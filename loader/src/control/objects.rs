//! What rules keep something for beside their ruleset.

use berth_common::abi::{
    guard::{Connlimits, ObjectKey, RecentList},
    units::ContainerId,
};

use super::{ControlError, Kernel};

/// What rules keep something for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number among those of its container.
    pub number: u32,
    /// What is kept.
    pub what: Keeps,
}

/// What is kept for a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Buckets of a hashlimit.
    Buckets,
    /// A list of recent addresses.
    List,
    /// Flows that a connlimit counts, at most [`MAX_CONNLIMITS`](berth_common::abi::guard::MAX_CONNLIMITS) a container.
    Flows,
}

impl Kernel {
    /// Lets rules keep something for these; returns those for which they did not before. Where that fails, nothing is
    /// changed.
    pub(super) fn add_objects(
        &mut self,
        objects: &[(ObjectKey, Keeps)],
    ) -> Result<Vec<ObjectKey>, ControlError> {
        let mut added = Vec::new();
        for (key, what) in objects {
            let is_new = self.maps.objects.get(*key)?.is_none();
            if is_new {
                added.push(*key);
            }
            if let Err(failure) = self.add_object(*key, *what, is_new) {
                self.remove_objects(&added)?;
                return Err(failure);
            }
        }
        Ok(added)
    }

    fn add_object(&mut self, key: ObjectKey, what: Keeps, is_new: bool) -> Result<(), ControlError> {
        if what == Keeps::List && self.maps.recents.get(key)?.is_none() {
            self.maps.recents.insert(key, RecentList::EMPTY)?;
        }
        if is_new { self.maps.objects.insert(key, 0) } else { Ok(()) }
    }

    /// Forgets what rules have kept for these.
    pub(super) fn remove_objects(&mut self, objects: &[ObjectKey]) -> Result<(), ControlError> {
        for key in objects {
            self.maps.objects.remove(*key)?;
        }
        if objects.is_empty() { Ok(()) } else { self.clear_guards().map(drop) }
    }

    /// Forgets what a container's rules have kept for others than these.
    pub(super) fn keep_objects(
        &mut self,
        id: ContainerId,
        objects: &[(ObjectKey, Keeps)],
    ) -> Result<(), ControlError> {
        let entries = self.maps.objects.entries()?.into_iter().map(|(key, _)| key);
        let stays = |key: &ObjectKey| objects.iter().any(|(kept, _)| kept == key);
        let gone: Vec<ObjectKey> = entries.filter(|key| key.container == id && !stays(key)).collect();
        self.remove_objects(&gone)
    }

    /// Names a container's connlimits.
    pub(super) fn set_connlimits(
        &mut self,
        id: ContainerId,
        objects: &[(ObjectKey, Keeps)],
    ) -> Result<(), ControlError> {
        let mut connlimits = Connlimits::NONE;
        let keys = objects.iter().filter(|(_, what)| *what == Keeps::Flows).map(|(key, _)| key);
        for (place, key) in connlimits.numbers.iter_mut().zip(keys) {
            *place = key.number;
            connlimits.count += 1;
        }
        if connlimits == Connlimits::NONE {
            return self.maps.connlimits.remove(id.0);
        }
        self.maps.connlimits.insert(id.0, connlimits)
    }
}

//! How many of the table's slots each container is guaranteed.

use std::collections::BTreeMap;

use berth_common::abi::{control::Control, units::ContainerId};

use super::{ControlError, Kernel, plain::zero};

/// How often one tries to change what is guaranteed to a container whose flows come and go at that very moment.
const TRIES: u32 = 100;

/// What is due to whom.
#[derive(Debug)]
pub struct Shares {
    limits: BTreeMap<u32, u32>,
    level: u32,
}

impl Shares {
    fn due(&self, id: u32) -> u32 {
        self.limits.get(&id).map_or(0, |limit| self.level.min(*limit))
    }
}

impl Kernel {
    /// Guarantees each container what is due to it. `change` is about to be: a container has this limit, or (zero) is no more.
    ///
    /// All are looked at where the level has changed, or where it is not known who is guaranteed what.
    pub(super) fn share_flows(&mut self, change: Option<(ContainerId, u32)>) -> Result<(), ControlError> {
        let slots = self.maps.config.get()?.flows.slots;
        let before = self.shares.take();
        let known = before.as_ref().map(|shares| shares.level);
        let mut limits = match before {
            Some(shares) => shares.limits,
            None => self.flow_limits()?,
        };
        if let Some((ContainerId(id), limit)) = change {
            limits.insert(id, limit);
            limits.retain(|_, limit| *limit != 0);
        }
        let level = level(&limits.values().copied().collect::<Vec<_>>(), slots);
        let shares = Shares { limits, level };
        let is_done = match change {
            Some((id, _)) if known == Some(level) => self.guarantee(id, shares.due(id.0))?,
            _ => self.guarantee_all(&shares)?,
        };
        // Else they are all looked at again, by the next sweep at the latest.
        self.shares = is_done.then_some(shares);
        Ok(())
    }

    fn flow_limits(&self) -> Result<BTreeMap<u32, u32>, ControlError> {
        let containers = (0..).zip(self.maps.containers.values()?);
        let in_force = containers.filter(|(_, container)| container.generation != 0);
        Ok(in_force.map(|(id, container)| (id, container.flow_limit)).collect())
    }

    /// Tells whether all could be changed that are guaranteed something else.
    fn guarantee_all(&mut self, shares: &Shares) -> Result<bool, ControlError> {
        let usage = (0..).zip(self.maps.usage.values()?);
        let guaranteed = usage.map(|(id, usage)| (id, usage.flows.held.guaranteed()));
        let different = guaranteed.filter(|(id, guaranteed)| *guaranteed != shares.due(*id));
        let (less, more): (Vec<_>, Vec<_>) =
            different.partition(|(id, guaranteed)| shares.due(*id) < *guaranteed);
        let mut is_done = true;
        // What is guaranteed more was guaranteed to others before.
        for (id, _) in less.into_iter().chain(more) {
            is_done &= self.guarantee(ContainerId(id), shares.due(id))?;
        }
        Ok(is_done)
    }

    /// False if the container's flows come and go too fast.
    fn guarantee(&mut self, container: ContainerId, flows: u32) -> Result<bool, ControlError> {
        let request = Control { operation: Control::GUARANTEE, container, flows, ..zero() };
        for _ in 0..TRIES {
            if self.carry_out(request)?.result != 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Up to how many flows all containers are guaranteed, each no more than its limit: the largest power of two, so that it seldom
/// changes as they come and go, of which all together take no more than half of the table. The other half is for who comes first.
fn level(limits: &[u32], slots: u32) -> u32 {
    let half = u64::from(slots / 2);
    let takes = |level: u32| limits.iter().map(|limit| u64::from(level.min(*limit))).sum::<u64>();
    (0..u32::BITS).rev().map(|shift| 1 << shift).find(|level| takes(*level) <= half).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(limits: &[u32], slots: u32) -> Vec<u32> {
        let level = level(limits, slots);
        limits.iter().map(|limit| level.min(*limit)).collect()
    }

    #[test]
    fn half_of_the_table_is_shared_out() {
        assert!(shares(&[], 4_096).is_empty());
        assert_eq!(shares(&[1_000, 500], 4_096), [1_000, 500]);
        assert_eq!(shares(&[1_000, 10_000], 4_096), [1_000, 1_024]);
        assert_eq!(shares(&[u32::MAX; 2], 4_096), [1_024; 2]);
        assert_eq!(shares(&[u32::MAX; 3], 4_096), [512; 3]);
        assert_eq!(shares(&[8_192, 0, 8_192], 65_536), [8_192, 0, 8_192]);
        // More containers than half of the slots: nobody is guaranteed any.
        assert_eq!(shares(&[10; 1_000], 1_024), [0; 1_000]);
    }
}

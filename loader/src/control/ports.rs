//! Port reservations.

use berth_common::abi::{
    control::Control,
    port::{Claim, PortKey},
    reason::Reason,
    units::ContainerId,
};

use super::{ControlError, Kernel, plain::zero};

/// Why a port was not reserved.
#[derive(Debug, thiserror::Error)]
pub enum PortRefusal {
    /// Another container holds it.
    #[error("the port is held by container {}", holder.0)]
    Conflict {
        /// Which.
        holder: ContainerId,
    },
    /// It is outside the container's allowance.
    #[error("the port is outside the container's allowance: widen its ports")]
    Denied,
    /// The container holds as many as it may, or the node's table is full.
    #[error("the container holds as many port reservations as it may, or the node's table of them is full")]
    Quota,
    /// Another reason.
    #[error("the port cannot be reserved: {}", .0.name())]
    Other(Reason),
    /// The request did not get through.
    #[error(transparent)]
    Control(#[from] ControlError),
}

impl Kernel {
    /// Reserves a port for a container, permanently.
    pub fn reserve_port(&mut self, id: ContainerId, key: PortKey, raw: bool) -> Result<(), PortRefusal> {
        self.maps.containers.check(id)?;
        let answer = self.carry_out(Control {
            operation: Control::RESERVE,
            container: id,
            key,
            flags: if raw { Control::RAW } else { 0 },
            ..zero()
        })?;
        refusal(&answer)
    }

    /// Gives up a permanent reservation. Returns whether there was one.
    pub fn release_port(&mut self, id: ContainerId, key: PortKey) -> Result<bool, ControlError> {
        let held = self.maps.ports.get(key)?.map(|entry| Claim(entry.claim));
        if !held.is_some_and(|claim| claim.owner() == id && claim.is_permanent()) {
            return Ok(false);
        }
        self.carry_out(Control { operation: Control::RELEASE, container: id, key, ..zero() })?;
        Ok(true)
    }

    /// Gives up all of a container's reservations. Returns how many there were.
    pub fn flush_ports(&mut self, id: ContainerId) -> Result<u32, ControlError> {
        self.clear_ports(id)
    }

    /// All reservations that somebody holds.
    pub fn ports(&self) -> Result<Vec<(PortKey, Claim)>, ControlError> {
        Ok(self
            .maps
            .ports
            .entries()?
            .into_iter()
            .map(|(key, entry)| (key, Claim(entry.claim)))
            .filter(|(_, claim)| !claim.is_free() && !claim.is_dead())
            .collect())
    }
}

fn refusal(answer: &Control) -> Result<(), PortRefusal> {
    let reason = Reason::ALL
        .iter()
        .find(|reason| **reason as u32 == answer.flags)
        .copied()
        .unwrap_or(Reason::Malformed);
    Err(match reason {
        Reason::None => return Ok(()),
        Reason::BindConflict => PortRefusal::Conflict { holder: ContainerId(answer.result) },
        Reason::BindDenied => PortRefusal::Denied,
        Reason::PortQuota => PortRefusal::Quota,
        other => PortRefusal::Other(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(reason: Reason) -> Control {
        Control { flags: reason as u32, result: 7, ..zero() }
    }

    #[test]
    fn reasons_become_refusals() {
        assert!(refusal(&answer(Reason::None)).is_ok());
        assert!(matches!(
            refusal(&answer(Reason::BindConflict)),
            Err(PortRefusal::Conflict { holder: ContainerId(7) })
        ));
        assert!(matches!(refusal(&answer(Reason::PortQuota)), Err(PortRefusal::Quota)));
        assert!(matches!(refusal(&answer(Reason::Hijack)), Err(PortRefusal::Other(Reason::Hijack))));
    }
}

//! Counters, quotas and memory.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::maps::MapFd;
use berth_common::abi::{
    container::Usage,
    counters::{Both, Counters, Traffic},
    names,
    units::ContainerId,
};

use super::{ControlError, Kernel, error::Context as _, maps, plain::zero};

impl Kernel {
    /// A container's counters, or the host's ([`ContainerId::HOST`]), summed over all CPUs.
    pub fn counters(&self, id: ContainerId) -> Result<Counters, ControlError> {
        self.maps.containers.check(id)?;
        Ok(sum(&self.maps.counters.get(id.0)?))
    }

    /// The counters of packets for nobody.
    pub fn unowned(&self) -> Result<Counters, ControlError> {
        Ok(sum(&self.maps.node_counters.get(Counters::UNOWNED)?))
    }

    /// The counters of frames that are not IP.
    pub fn non_ip(&self) -> Result<Counters, ControlError> {
        Ok(sum(&self.maps.node_counters.get(Counters::NON_IP)?))
    }

    /// The quotas a container has in use.
    pub fn usage(&self, id: ContainerId) -> Result<Usage, ControlError> {
        self.maps.containers.check(id)?;
        self.maps.usage.get(id.0)
    }

    /// How much memory each map takes, in bytes, as the kernel reckons it.
    pub fn memory(&self) -> Result<Vec<(&'static str, u64)>, ControlError> {
        names::MAPS
            .iter()
            .map(|name| {
                let map = maps::open(&self.pins, name)?;
                let shelves = if *name == "SHELVES" { self.maps.shelves.memory()? } else { 0 };
                Ok((*name, memory(map.fd())? + self.maps.flow_table.memory(name)? + shelves))
            })
            .collect()
    }
}

/// Bytes of memory that a map takes.
pub(super) fn memory(map: &MapFd) -> Result<u64, ControlError> {
    let path = format!("/proc/self/fdinfo/{}", map.as_fd().as_raw_fd());
    let info = fs::read_to_string(&path).context(|| format!("read {path}"))?;
    Ok(memory_locked(&info))
}

fn sum(cpus: &[Counters]) -> Counters {
    cpus.iter().fold(zero(), |mut total: Counters, cpu| {
        add_both(&mut total.uplink, &cpu.uplink);
        add_both(&mut total.local, &cpu.local);
        add_both(&mut total.interface, &cpu.interface);
        add_both(&mut total.forwarded, &cpu.forwarded);
        add_both(&mut total.dropped, &cpu.dropped);
        for (total, count) in total.drops.iter_mut().zip(&cpu.drops) {
            *total = total.wrapping_add(*count);
        }
        total
    })
}

const fn add_both(total: &mut Both, cpu: &Both) {
    add(&mut total.inward, cpu.inward);
    add(&mut total.outward, cpu.outward);
}

const fn add(total: &mut Traffic, cpu: Traffic) {
    total.packets = total.packets.wrapping_add(cpu.packets);
    total.bytes = total.bytes.wrapping_add(cpu.bytes);
}

fn memory_locked(info: &str) -> u64 {
    info.lines()
        .find_map(|line| line.strip_prefix("memlock:"))
        .and_then(|bytes| bytes.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_counters_are_summed() {
        // A count of its own in every place, so that none can be missed or mixed up.
        let words = size_of::<Counters>() / 8;
        let bytes: Vec<u8> = (0..words as u64).flat_map(|word| (word + 1).to_ne_bytes()).collect();
        let one: Counters = crate::control::plain::read(&bytes).unwrap();
        let doubled: Vec<u8> = (0..words as u64).flat_map(|word| (2 * (word + 1)).to_ne_bytes()).collect();
        let two: Counters = crate::control::plain::read(&doubled).unwrap();
        assert_eq!(sum(&[one, one]), two);
        assert_eq!(sum(&[]), zero());
    }

    #[test]
    fn the_kernel_s_reckoning_is_found() {
        assert_eq!(memory_locked("pos:\t0\nmemlock:\t4096\nmap_id:\t7\n"), 4096);
        assert_eq!(memory_locked("pos:\t0\n"), 0);
    }
}

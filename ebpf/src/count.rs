//! Counters.

use berth_common::{
    abi::{
        counters::{Both, Counters, Traffic},
        reason::{REASONS, Reason},
        units::ContainerId,
    },
    engine::verdict::Verdict,
};

use crate::{
    atomic,
    maps::{COUNTERS, NODE_COUNTERS},
};

/// Which counters of an owner.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// On an uplink.
    Uplink,
    /// In the node's namespace, on no uplink.
    Local,
    /// On the container's own interface.
    Interface,
    /// On an uplink, and on the container's own interface too.
    Forwarded,
}

/// Direction as seen from the owner.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To it.
    In,
    /// From it.
    Out,
}

/// Counts a packet for its owner, and its drop if it is dropped.
#[inline(always)]
pub fn packet(verdict: &Verdict, plane: Plane, direction: Direction, traffic: Traffic) {
    let Some(counters) = of(verdict.owner.id) else { return };
    // SAFETY: A value of a map; the fields are aligned words.
    unsafe {
        let both = match plane {
            Plane::Uplink => &raw mut (*counters).uplink,
            Plane::Local => &raw mut (*counters).local,
            Plane::Interface => &raw mut (*counters).interface,
            Plane::Forwarded => &raw mut (*counters).forwarded,
        };
        if plane == Plane::Local {
            add(both, direction, traffic);
        } else {
            add_alone(both, direction, traffic);
        }
        if !verdict.passes() && matches!(plane, Plane::Uplink | Plane::Forwarded) {
            add_alone(&raw mut (*counters).dropped, direction, traffic);
        }
    }
    if !verdict.passes() {
        add_drop(counters, verdict.reason);
    }
}

/// Counts a frame that is neither IPv4 nor IPv6 and whether it is dropped.
#[inline(always)]
pub fn non_ip(direction: Direction, traffic: Traffic, reason: Reason) {
    let Some(counters) = NODE_COUNTERS.get_ptr_mut(Counters::NON_IP) else { return };
    // SAFETY: As above.
    unsafe {
        add_alone(&raw mut (*counters).uplink, direction, traffic);
        if reason != Reason::None {
            add_alone(&raw mut (*counters).dropped, direction, traffic);
        }
    }
}

/// Counts a drop or refusal that is no packet at a counting hook.
#[inline(always)]
pub fn refusal(owner: ContainerId, reason: Reason) {
    if let Some(counters) = of(owner) {
        add_drop(counters, reason);
    }
}

#[inline(always)]
fn of(owner: ContainerId) -> Option<*mut Counters> {
    if owner == ContainerId::UNOWNED {
        NODE_COUNTERS.get_ptr_mut(Counters::UNOWNED)
    } else {
        COUNTERS.get_ptr_mut(owner.0)
    }
}

/// The cgroup hooks run in process context, where a softirq may count on the same processor in between: hence atomic, although
/// the counters are per processor.
///
/// # Safety
///
/// `both` must point into a value of a map.
#[inline(always)]
unsafe fn add(both: *mut Both, direction: Direction, traffic: Traffic) {
    // SAFETY: The caller's.
    unsafe {
        let counter = towards(both, direction);
        atomic::add(&raw mut (*counter).packets, traffic.packets);
        atomic::add(&raw mut (*counter).bytes, traffic.bytes);
    }
}

/// Where TC counts.
///
/// # Safety
///
/// As of [`add`].
#[inline(always)]
unsafe fn add_alone(both: *mut Both, direction: Direction, traffic: Traffic) {
    // SAFETY: The caller's.
    unsafe {
        let counter = towards(both, direction);
        atomic::add_alone(&raw mut (*counter).packets, traffic.packets);
        atomic::add_alone(&raw mut (*counter).bytes, traffic.bytes);
    }
}

/// # Safety
///
/// As of [`add`].
#[inline(always)]
unsafe fn towards(both: *mut Both, direction: Direction) -> *mut Traffic {
    // SAFETY: The caller's.
    unsafe {
        match direction {
            Direction::In => &raw mut (*both).inward,
            Direction::Out => &raw mut (*both).outward,
        }
    }
}

#[inline(always)]
fn add_drop(counters: *mut Counters, reason: Reason) {
    let number = reason as u8;
    // The compiler knows that no reason is above 31 and would leave the mask out; the verifier does not know.
    // SAFETY: A plain read of a local.
    let index = unsafe { core::ptr::read_volatile(&raw const number) } as usize & (REASONS - 1);
    // SAFETY: The mask keeps the index in the array.
    unsafe { atomic::add((&raw mut (*counters).drops).cast::<u64>().add(index), 1) };
}

//! Fragments, which carry no ports.

use super::{
    address::Address,
    units::{ContainerId, Nanos},
};

/// Key of the `FRAGMENTS` map (least recently used entries give way): what fragments of one packet have in common
/// (RFC 791 §3.2, RFC 8200 §4.5).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FragmentKey {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Identification field.
    pub id: u32,
    /// Zone (upper 24 bits) and protocol (lower 8).
    pub zone_protocol: u32,
}

/// What was decided for the first fragment.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Until when it holds for later ones.
    pub expires: Nanos,
    /// The owner of the first.
    pub owner: ContainerId,
    /// The reason for which the first was dropped (a [`super::reason::Reason`] as a number).
    pub reason: u32,
}

//! Fragments, which carry no ports.

use super::{
    address::Address,
    units::{ContainerId, Nanos},
};

/// Places of the `FRAGMENTS` array.
pub const PLACES: u32 = 8_192;

/// Value of the `FRAGMENTS` array: see [`crate::engine::fragments`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentPlace {
    /// Odd while somebody writes there, and another each time.
    pub turn: u64,
    /// Whose fragments they are.
    pub key: FragmentKey,
    /// What was decided.
    pub fragment: Fragment,
}

/// What fragments of one packet have in common (RFC 791 §3.2, RFC 8200 §4.5).
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

impl FragmentKey {
    /// How many words it has.
    pub const WORDS: usize = 10;

    /// One of its words, as they lie in memory; zero beyond the last.
    #[inline(always)]
    pub const fn word(&self, place: usize) -> u32 {
        let (Address(source), Address(destination)) = (self.source, self.destination);
        match place {
            0 => source[0],
            1 => source[1],
            2 => source[2],
            3 => source[3],
            4 => destination[0],
            5 => destination[1],
            6 => destination[2],
            7 => destination[3],
            8 => self.id,
            9 => self.zone_protocol,
            _ => 0,
        }
    }
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

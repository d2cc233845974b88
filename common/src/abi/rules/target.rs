//! What a rule of table nat translates a flow to: a line.
//!
//! | word | |
//! |---|---|
//! | 0 | "targ" and the flags |
//! | 1 | first and last port, the port that is subtracted, unused (16 bits each) |
//! | 2, 3 | first address |
//! | 4, 5 | last address |
//! | 6, 7 | unused |

use super::{Line, half, pair};
use crate::abi::{address::Address, units::Port};

/// Tells such a line from any other.
const MAGIC: u32 = 0x7461_7267;

/// Where an end of a flow may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Bits of [`Self::ADDRESSES`] and its neighbours.
    pub flags: u32,
    /// The ports to choose from, itself included; of meaning with [`Self::PORTS`].
    pub ports: [Port; 2],
    /// With [`Self::SHIFTS`]: the flow's port less this one is added to the first of `ports`.
    pub base: Port,
    /// The addresses to choose from, the last one included; of meaning with [`Self::ADDRESSES`].
    pub addresses: [Address; 2],
}

impl Target {
    /// Addresses are given. Without it, or [`Self::OWN`], the address stays.
    pub const ADDRESSES: u32 = 1;
    /// The address is that of the container's interface (MASQUERADE, REDIRECT).
    pub const OWN: u32 = 2;
    /// Ports are given. Without it the port stays if it can.
    pub const PORTS: u32 = 4;
    /// The port is chosen by chance (`--random`, `--random-fully`).
    pub const RANDOM: u32 = 8;
    /// One client has one address, wherever it goes (`--persistent`).
    pub const PERSISTENT: u32 = 16;
    /// DNAT's `/port`.
    pub const SHIFTS: u32 = 32;

    /// Everything stays.
    pub const NOTHING: Self =
        Self { flags: 0, ports: [Port(0); 2], base: Port(0), addresses: [Address::ANY6; 2] };

    /// As a line.
    pub fn to_line(&self) -> Line {
        let [first, last] = self.ports;
        let ports = pair(first.0 as u32 | (last.0 as u32) << 16, self.base.0 as u32);
        let mut halves = [0; 8];
        let words = self.addresses.iter().flat_map(|address| address.0);
        for (place, word) in halves.iter_mut().zip(words) {
            *place = word;
        }
        super::line(&[pair(MAGIC, self.flags), ports], &halves)
    }

    /// From a line; nothing if it is another.
    pub fn from_line(line: &Line) -> Option<Self> {
        let written = Written::at(line)?;
        let mut addresses = [Address::ANY6; 2];
        let [first, last] = &mut addresses;
        for (place, (first, last)) in (0..).zip(first.0.iter_mut().zip(&mut last.0)) {
            (*first, *last) = written.words(place);
        }
        Some(Self { flags: written.flags(), ports: written.ports(), base: written.base(), addresses })
    }
}

/// A [`Target`] where it is written: there is little stack in the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a>(&'a Line);

impl<'a> Written<'a> {
    /// In a line; nothing if it is another.
    #[inline(always)]
    pub const fn at(line: &'a Line) -> Option<Self> {
        let [kind, ..] = line;
        if *kind as u32 == MAGIC { Some(Self(line)) } else { None }
    }

    /// As [`Target::flags`].
    #[inline(always)]
    pub const fn flags(self) -> u32 {
        let [kind, ..] = self.0;
        (*kind >> 32) as u32
    }

    /// Whether a flag is set.
    #[inline(always)]
    pub const fn has(self, flag: u32) -> bool {
        self.flags() & flag != 0
    }

    /// As [`Target::ports`].
    #[inline(always)]
    pub const fn ports(self) -> [Port; 2] {
        let [_, ports, ..] = self.0;
        [Port(*ports as u16), Port((*ports >> 16) as u16)]
    }

    /// As [`Target::base`].
    #[inline(always)]
    pub const fn base(self) -> Port {
        let [_, ports, ..] = self.0;
        Port((*ports >> 32) as u16)
    }

    /// A word (0 to 3) of the first address, and of the last.
    #[inline(always)]
    pub fn words(self, place: u32) -> (u32, u32) {
        let word = |first: u32| self.0.get((first.wrapping_add(place >> 1)) as usize).copied().unwrap_or(0);
        (half(word(2), place), half(word(4), place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_as_written() {
        let target = Target {
            flags: u32::MAX,
            ports: [Port(1), Port(u16::MAX)],
            base: Port(0x8001),
            addresses: [Address([1, 2, 3, u32::MAX]), Address([5, 6, 7, 8])],
        };
        let line = target.to_line();
        assert_eq!(Target::from_line(&line), Some(target));
        let written = Written::at(&line).unwrap();
        for place in 0..4 {
            let [first, last] = target.addresses.map(|address| address.0[place as usize]);
            assert_eq!(written.words(place), (first, last));
        }
        assert_eq!(Target::from_line(&[0; super::super::WORDS]), None);
    }
}

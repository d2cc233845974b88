//! Parameters of the check for a bucket of tokens for each kind of packet.

use super::{
    super::{half, pair},
    bit,
};

/// How large buckets are, and what makes packets be of one kind: the same for all rules of one name, but for `above`. The
/// check itself is never inverted: a packet whose kind cannot be told agrees with neither form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashlimit {
    /// Nanoseconds in which a token comes back.
    pub cost: u64,
    /// Nanoseconds of a full bucket without one token, as of [`LIMIT`](crate::abi::rules::check::LIMIT).
    pub room: u64,
    /// Whether it holds once there is no token, rather than while there is one.
    pub above: bool,
    /// What sources of one kind have in common.
    pub source: HashlimitEnd,
    /// What destinations of one kind have in common.
    pub destination: HashlimitEnd,
    /// After how many milliseconds an unused bucket may be forgotten.
    pub expire: u32,
}

/// What ends of packets of one kind have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashlimitEnd {
    /// Whether they have the address in common.
    pub address: bool,
    /// How many leading bits of it.
    pub prefix: u8,
    /// Whether they have the port in common.
    pub port: bool,
}

impl Hashlimit {
    /// As parameters.
    pub const fn to_parameters(self) -> [u64; 3] {
        let flags = self.above as u32 | self.source.to_bits() << 8 | self.destination.to_bits() << 20;
        [self.cost, self.room, pair(flags, self.expire)]
    }

    /// From parameters.
    #[inline(always)]
    pub const fn from_parameters([cost, room, word]: [u64; 3]) -> Self {
        Self {
            cost,
            room,
            above: bit(word, 0),
            source: HashlimitEnd::from_bits(word >> 8),
            destination: HashlimitEnd::from_bits(word >> 20),
            expire: half(word, 1),
        }
    }
}

impl HashlimitEnd {
    const fn to_bits(self) -> u32 {
        self.prefix as u32 | (self.address as u32) << 8 | (self.port as u32) << 9
    }

    #[inline(always)]
    const fn from_bits(bits: u64) -> Self {
        Self { address: bit(bits, 8), prefix: bits as u8, port: bit(bits, 9) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_written() {
        for set in 0..6 {
            let flag = |number| number == set;
            let hashlimit = Hashlimit {
                cost: u64::MAX,
                room: 7,
                above: flag(0),
                source: HashlimitEnd { address: flag(1), prefix: 128, port: flag(2) },
                destination: HashlimitEnd { address: flag(3), prefix: 127, port: flag(4) },
                expire: u32::MAX,
            };
            assert_eq!(Hashlimit::from_parameters(hashlimit.to_parameters()), hashlimit);
        }
    }
}

//! Parameters of the check for how many flows an address has.

use super::{
    super::{half, pair},
    bit,
};

/// Which flows are counted, and how many there may be. The check itself is never inverted: where flows cannot be counted,
/// the packet agrees with neither form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connlimit {
    /// How many flows, this one included.
    pub limit: u32,
    /// Whether it holds for more than so many, rather than for so many or fewer.
    pub above: bool,
    /// Whether flows are counted by their destination, rather than by their source.
    pub destination: bool,
    /// How many leading bits of the address count.
    pub prefix: u8,
}

impl Connlimit {
    /// As parameters.
    pub const fn to_parameters(self) -> [u64; 3] {
        let flags = self.above as u32 | (self.destination as u32) << 1 | (self.prefix as u32) << 8;
        [pair(self.limit, flags), 0, 0]
    }

    /// From parameters.
    #[inline(always)]
    pub const fn from_parameters([word, ..]: [u64; 3]) -> Self {
        Self {
            limit: half(word, 0),
            above: bit(word, 32),
            destination: bit(word, 33),
            prefix: (word >> 40) as u8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_written() {
        for (above, destination) in [(false, false), (true, false), (false, true)] {
            let connlimit = Connlimit { limit: u32::MAX, above, destination, prefix: 128 };
            assert_eq!(Connlimit::from_parameters(connlimit.to_parameters()), connlimit);
        }
    }
}

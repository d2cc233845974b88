//! Parameters of the check for a named set.

/// Which part of the packet is looked up. Inversion is the check's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set {
    /// How many parts of an entry are looked up: 1 to 6.
    pub parts: u8,
    /// Bit *n*: part *n* is the destination's; else the source's.
    pub destinations: u8,
}

impl Set {
    /// As parameters.
    pub const fn to_parameters(self) -> [u64; 3] {
        [self.parts as u64 | (self.destinations as u64) << 8, 0, 0]
    }

    /// From parameters.
    #[inline(always)]
    pub const fn from_parameters([word, ..]: [u64; 3]) -> Self {
        Self { parts: word as u8, destinations: (word >> 8) as u8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_written() {
        let set = Set { parts: 6, destinations: 0x2a };
        assert_eq!(Set::from_parameters(set.to_parameters()), set);
    }
}

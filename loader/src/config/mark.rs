//! The bits of packets' marks that are berth's own.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// How many they are: enough for "asked and passed", for each kind of rejection, and for nothing at all.
const WIDTH: u32 = 4;

/// Not among those that Kubernetes (0x4000, 0x8000), Tailscale (0xff0000) or the AWS CNI (0x80) take.
const DEFAULT: u32 = 0x0f00_0000;

/// A mask of four bits side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct MarkBits(u32);

impl MarkBits {
    /// As a mask.
    pub const fn mask(self) -> u32 {
        self.0
    }
}

impl Default for MarkBits {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<'de> Deserialize<'de> for MarkBits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mark = u32::deserialize(deserializer)?;
        if mark.count_ones() == WIDTH && mark >> mark.trailing_zeros() == (1 << WIDTH) - 1 {
            Ok(Self(mark))
        } else {
            Err(D::Error::custom(format!(
                "{mark:#x} is not a mask of four bits side by side, as 0xf000000 is"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::de::{IntoDeserializer, value::Error};

    use super::*;

    #[test]
    fn only_four_bits_side_by_side_will_do() {
        let read = |mark: u32| MarkBits::deserialize(IntoDeserializer::<Error>::into_deserializer(mark));
        for mark in [0xf, 0x3c, 0xf000_0000, DEFAULT] {
            assert_eq!(read(mark), Ok(MarkBits(mark)));
        }
        for mark in [0, 1, 0x7, 0x1f, 0x17, 0xff, u32::MAX] {
            assert!(read(mark).unwrap_err().to_string().contains("four bits side by side"), "{mark:#x}");
        }
    }
}

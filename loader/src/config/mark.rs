//! The bit of packets' marks that is berth's own.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// Not one of those that Kubernetes (0x4000, 0x8000), Tailscale (0xff0000) or the AWS CNI (0x80) take.
const DEFAULT: u32 = 0x0800_0000;

/// A mark with one bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct MarkBit(u32);

impl MarkBit {
    /// As a mask.
    pub const fn bit(self) -> u32 {
        self.0
    }
}

impl Default for MarkBit {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<'de> Deserialize<'de> for MarkBit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mark = u32::deserialize(deserializer)?;
        if mark.is_power_of_two() {
            Ok(Self(mark))
        } else {
            Err(D::Error::custom(format!("{mark:#x} is not a mark of one bit, as 0x8000000 is")))
        }
    }
}

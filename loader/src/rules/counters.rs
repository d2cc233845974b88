//! `[packets:bytes]`.

use std::fmt;

use super::{error::RuleError, piece::Piece, problem::Problem};

/// What met a rule or a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes, from the IP header on.
    pub bytes: u64,
}

impl Counters {
    /// From `[packets:bytes]`.
    pub(super) fn read(piece: Piece<'_>) -> Result<Self, RuleError> {
        let wrong = || piece.wrong(Problem::Counters);
        let inner = piece.text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let (packets, bytes) = inner.and_then(|text| text.split_once(':')).ok_or_else(wrong)?;
        let number = |text: &str| -> Option<u64> {
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
        };
        match (number(packets), number(bytes)) {
            (Some(packets), Some(bytes)) => Ok(Self { packets, bytes }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}:{}]", self.packets, self.bytes)
    }
}

//! Hardware addresses.

use std::fmt;

use super::Literal;
use crate::rules::{error::RuleError, family::Family, piece::Piece, problem::Problem};

/// An Ethernet address, in the order in which it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Literal for Mac {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        let wrong = || piece.wrong(Problem::NotA { what: "hardware address such as 00:11:22:aa:bb:cc" });
        let byte = |part: Piece<'_>| {
            let digits =
                (1..=2).contains(&part.text.len()) && part.text.bytes().all(|b| b.is_ascii_hexdigit());
            digits.then(|| u8::from_str_radix(part.text, 16).ok()).flatten().ok_or_else(wrong)
        };
        let bytes = piece.split(':').map(byte).collect::<Result<Vec<_>, _>>()?;
        bytes.try_into().map(Self).map_err(|_| wrong())
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(":")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

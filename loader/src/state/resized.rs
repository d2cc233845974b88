//! A flow table that was made larger than the configuration has it.

use serde::{Deserialize, Serialize};

/// What the operator has made of a table for so many flows as are configured. What was written last holds: it is forgotten when
/// the configuration says something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resized {
    /// The configuration's number.
    pub configured: u32,
    /// The operator's.
    pub flows: u32,
}

impl Resized {
    /// How many flows there are to be room for.
    pub fn wanted(resized: Option<Self>, configured: u32) -> u32 {
        match resized {
            Some(resized) if resized.configured == configured => resized.flows.max(configured),
            _ => configured,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_last_holds() {
        assert_eq!(Resized::wanted(None, 5), 5);
        let resized = Some(Resized { configured: 5, flows: 9 });
        assert_eq!(Resized::wanted(resized, 5), 9);
        assert_eq!(Resized::wanted(resized, 4), 4);
        assert_eq!(Resized::wanted(resized, 12), 12);
    }
}

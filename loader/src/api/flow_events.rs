//! Of which flows one wants to hear.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Of which flows of a container events tell, when they begin and end: of one in so many, by its key, so that of a flow both are told
/// or neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FlowEvents {
    /// Of none.
    #[default]
    None,
    /// Of one in two to this power.
    OneIn(u8),
}

/// Largest power of two that flows can be divided by.
const MOST: u32 = 20;

impl FlowEvents {
    /// As the programs have it.
    pub const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::OneIn(power) => power + 1,
        }
    }
}

impl FromStr for FlowEvents {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => return Ok(Self::None),
            "all" => return Ok(Self::OneIn(0)),
            _ => {}
        }
        let number = text.strip_prefix("1/").and_then(|number| number.parse::<u32>().ok());
        match number {
            Some(number) if number.is_power_of_two() && number.ilog2() <= MOST => {
                Ok(Self::OneIn(u8::try_from(number.ilog2()).unwrap_or(0)))
            }
            _ => Err(format!(
                "{text:?} says of no flows whether events tell of them; give all, none, or 1/N for one in N, where N is a power of \
                 two up to {}",
                1_u32 << MOST
            )),
        }
    }
}

impl fmt::Display for FlowEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::OneIn(0) => f.write_str("all"),
            Self::OneIn(power) => write!(f, "1/{}", 1_u32 << power),
        }
    }
}

impl TryFrom<String> for FlowEvents {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<FlowEvents> for String {
    fn from(events: FlowEvents) -> Self {
        events.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers() {
        for (text, number) in [("none", 0), ("all", 1), ("1/2", 2), ("1/1024", 11), ("1/1048576", 21)] {
            let events: FlowEvents = text.parse().unwrap();
            assert_eq!((events.to_string().as_str(), events.number()), (text, number));
        }
        assert_eq!("1/1".parse(), Ok(FlowEvents::OneIn(0)));
        for text in ["", "some", "0", "1/0", "1/3", "1/-2", "1/2097152", "2/4"] {
            let error = text.parse::<FlowEvents>().unwrap_err();
            assert!(error.contains("all, none, or 1/N"), "{error}");
        }
    }
}

//! Ports in a row.

use std::{fmt, num::ParseIntError, str::FromStr};

use serde::{Deserialize, Serialize};

/// Ports in a row, as in `80` or `8000-8100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortSpan {
    /// The first one.
    pub first: u16,
    /// The last one.
    pub last: u16,
}

impl PortSpan {
    /// Whether `port` is among them.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// Whether any of them is among `other`.
    pub const fn meets(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The same ports in ascending order, each once, in as few spans as possible.
    pub fn merged(mut spans: Vec<Self>) -> Vec<Self> {
        spans.sort_unstable();
        let mut merged: Vec<Self> = Vec::with_capacity(spans.len());
        for span in spans {
            match merged.last_mut() {
                Some(previous) if u32::from(span.first) <= u32::from(previous.last) + 1 => {
                    previous.last = previous.last.max(span.last);
                }
                _ => merged.push(span),
            }
        }
        merged
    }
}

impl FromStr for PortSpan {
    type Err = PortSpanError;

    fn from_str(text: &str) -> Result<Self, PortSpanError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (port(first, text)?, port(last, text)?);
        if first > last {
            return Err(PortSpanError::Backwards(text.to_owned()));
        }
        Ok(Self { first, last })
    }
}

fn port(text: &str, whole: &str) -> Result<u16, PortSpanError> {
    match text.trim().parse::<u16>() {
        Ok(0) => Err(PortSpanError::Zero),
        Ok(port) => Ok(port),
        Err(source) => Err(PortSpanError::Number { text: whole.to_owned(), source }),
    }
}

impl TryFrom<String> for PortSpan {
    type Error = PortSpanError;

    fn try_from(text: String) -> Result<Self, PortSpanError> {
        text.parse()
    }
}

impl From<PortSpan> for String {
    fn from(span: PortSpan) -> Self {
        span.to_string()
    }
}

impl fmt::Display for PortSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
    }
}

/// Why a text names no ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortSpanError {
    /// Not a number of 16 bits.
    #[error("{text:?} is no port or range of ports; {source}; write 80 or 8000-8100")]
    Number {
        /// What was given.
        text: String,
        /// What is wrong with it.
        source: ParseIntError,
    },
    /// The range ends before it begins.
    #[error("{0:?} ends before it begins")]
    Backwards(String),
    /// Port 0 asks the kernel for any port.
    #[error("0 is no port; ports are 1 to 65535")]
    Zero,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> PortSpan {
        text.parse().unwrap()
    }

    #[test]
    fn round_trips() {
        for text in ["80", "8000-8100", "1-65535"] {
            assert_eq!(span(text).to_string(), text);
        }
        assert_eq!(span("80-80").to_string(), "80");
    }

    #[test]
    fn refuses_what_is_no_range() {
        for text in ["", "x", "0", "0-9", "70000", "90-80", "-", "80-", "80-90-100"] {
            assert!(text.parse::<PortSpan>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn ends_belong_to_it() {
        let ports = span("10-20");
        for (other, meets) in
            [("1-9", false), ("1-10", true), ("12-13", true), ("20-30", true), ("21", false)]
        {
            assert_eq!((ports.meets(span(other)), span(other).meets(ports)), (meets, meets), "{other}");
        }
        assert!(ports.contains(10) && ports.contains(20) && !ports.contains(21));
    }
}

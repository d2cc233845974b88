//! Ports and ranges of ports.

use std::fmt;

use super::{Literal, services};
use crate::rules::{
    condition::Condition,
    error::RuleError,
    family::Family,
    option::Given,
    piece::{Piece, number},
    problem::Problem,
    suggest::nearest,
};

/// The ports from one to another, both included; the first is not above the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl PortRange {
    /// Every port.
    pub const ALL: Self = Self { first: 0, last: u16::MAX };

    /// One port.
    pub const fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// From `port` or `first:last`, where neither may lack.
    pub(in crate::rules) fn whole(piece: Piece<'_>) -> Result<Self, RuleError> {
        let (first, last) = piece.split_once(':').unwrap_or((piece, piece));
        Self::new(port(first)?, port(last)?, piece)
    }

    /// From `port` or `first-last`, as the NAT targets have it.
    pub(in crate::rules) fn dashed(piece: Piece<'_>) -> Result<Self, RuleError> {
        // A service's name may have the dash too.
        if let Ok(port) = port(piece) {
            return Ok(Self::one(port));
        }
        let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
        Self::new(port(first)?, port(last)?, piece)
    }

    /// The condition of an option such as `--dport`; every port is none.
    pub(in crate::rules) fn put(
        slot: &mut Option<Condition<Self>>,
        given: &Given<'_>,
    ) -> Result<(), RuleError> {
        match given.condition(Self::read(given.first, given.family)?) {
            Condition { negated: true, value: Self::ALL } => Err(given.first.wrong(Problem::Never)),
            Condition { negated: false, value: Self::ALL } => Ok(()),
            condition => given.fill(slot, condition),
        }
    }

    fn new(first: u16, last: u16, piece: Piece<'_>) -> Result<Self, RuleError> {
        if first > last { Err(piece.wrong(Problem::Backwards)) } else { Ok(Self { first, last }) }
    }

    /// The form with a dash.
    pub(in crate::rules) fn with_dash(self) -> String {
        self.joined('-')
    }

    fn joined(self, separator: char) -> String {
        let Self { first, last } = self;
        if first == last { first.to_string() } else { format!("{first}{separator}{last}") }
    }
}

impl Literal for PortRange {
    fn read(piece: Piece<'_>, _: Family) -> Result<Self, RuleError> {
        let Some((first, last)) = piece.split_once(':') else {
            return port(piece).map(Self::one);
        };
        let first = if first.text.is_empty() { 0 } else { port(first)? };
        let last = if last.text.is_empty() { u16::MAX } else { port(last)? };
        Self::new(first, last, piece)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.joined(':'))
    }
}

/// A port by number or by the name of a service.
pub(in crate::rules) fn port(piece: Piece<'_>) -> Result<u16, RuleError> {
    let known = services::SERVICES.iter().find(|(name, _)| *name == piece.text).map(|&(_, port)| port);
    number(piece.text).and_then(|number| u16::try_from(number).ok()).or(known).ok_or_else(|| unknown(piece))
}

fn unknown(piece: Piece<'_>) -> RuleError {
    let error = piece.wrong(Problem::NotA { what: "port (0 to 65535) or known service" });
    if piece.text.bytes().all(|byte| byte.is_ascii_digit()) {
        return error;
    }
    error.or(nearest(piece.text, services::SERVICES.iter().map(|&(name, _)| name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        PortRange::read(Piece { text, column: 1 }, Family::Ipv4).ok().map(|range| range.to_string())
    }

    #[test]
    fn reads_as_iptables_does() {
        for (text, expected) in [
            ("22", Some("22")),
            ("22:", Some("22:65535")),
            (":22", Some("0:22")),
            (":", Some("0:65535")),
            ("5:5", Some("5")),
            ("ssh:http", Some("22:80")),
            ("010", Some("8")),
            ("0x16", Some("22")),
            ("22:21", None),
            ("65536", None),
            ("", None),
            ("nosuch", None),
            ("22 ", None),
        ] {
            assert_eq!(read(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn offers_services() {
        let error = port(Piece { text: "htpp", column: 3 }).unwrap_err();
        assert_eq!((error.column, error.nearest.as_deref()), (3, Some("http")));
        assert_eq!(port(Piece { text: "70000", column: 3 }).unwrap_err().nearest, None);
    }

    #[test]
    fn a_dash_may_be_in_a_name() {
        let dashed = |text| PortRange::dashed(Piece { text, column: 1 }).map(PortRange::with_dash);
        assert_eq!(dashed("http-alt").unwrap(), "8080");
        assert_eq!(dashed("80-90").unwrap(), "80-90");
        assert!(dashed("90-80").is_err());
    }
}

//! How often a packet may come.

use std::fmt;

use crate::rules::{error::RuleError, piece::Piece, problem::Problem};

/// Units of time by name and seconds, longest first, as the limit match writes them.
const UNITS: [(&str, u64); 4] = [("day", 86_400), ("hour", 3_600), ("min", 60), ("sec", 1)];

/// Full names of units and their seconds; any beginning of one stands for it.
const NAMES: [(&str, u64); 4] = [("second", 1), ("minute", 60), ("hour", 3_600), ("day", 86_400)];

/// How often a packet may come: the time that one takes. iptables keeps whole parts of 1/`SCALE` seconds, so that fast
/// rates are rounded up: 7777/second is kept, and written, as 10000/sec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate<const SCALE: u64> {
    /// The time that one packet takes, in 1/`SCALE` seconds; never zero.
    pub interval: u64,
}

impl<const SCALE: u64> Rate<SCALE> {
    /// So many packets in so many seconds; both are at least one, and the packets at most `SCALE` a second.
    pub const fn new(packets: u64, seconds: u64) -> Self {
        match (SCALE * seconds).checked_div(packets) {
            Some(interval) if interval > 0 => Self { interval },
            _ => Self { interval: 1 },
        }
    }

    /// From `packets/unit` or `packets`, with the unit's seconds.
    pub(in crate::rules) fn read(piece: Piece<'_>) -> Result<(Self, u64), RuleError> {
        let wrong = || piece.wrong(Problem::Rate);
        let (packets, seconds) = match piece.split_once('/') {
            Some((packets, unit)) => (packets, unit_of(unit.text).ok_or_else(wrong)?),
            None => (piece, 1),
        };
        if !packets.text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        match packets.text.parse::<u64>() {
            Ok(0) | Err(_) => Err(wrong()),
            Ok(packets) if packets > SCALE * seconds => Err(piece.wrong(Problem::TooFast { max: SCALE })),
            Ok(packets) => Ok((Self::new(packets, seconds), seconds)),
        }
    }

    /// The seconds of the unit it is written with.
    pub(in crate::rules) fn unit(self) -> u64 {
        self.written().1
    }

    /// The packets, unit and its seconds that come nearest: the shortest unit in which more packets come than the
    /// division leaves over (print_rate in iptables' libxt_limit.c). Where as many come iptables takes that unit too, and
    /// reads back another rate; here the longer unit is taken.
    fn written(self) -> (u64, u64, &'static str) {
        let interval = self.interval.max(1);
        let mut best = (0, 1, "sec");
        for (index, (name, seconds)) in UNITS.into_iter().enumerate() {
            let whole = SCALE * seconds;
            let packets = whole / interval;
            if index > 0 && (interval > whole || packets <= whole % interval) {
                break;
            }
            best = (packets, seconds, name);
        }
        best
    }
}

fn unit_of(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let begins = |name: &str| name.get(..text.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(text));
    NAMES.into_iter().find(|&(name, _)| begins(name)).map(|(_, seconds)| seconds)
}

impl<const SCALE: u64> fmt::Display for Rate<SCALE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (packets, _, unit) = self.written();
        write!(f, "{packets}/{unit}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read<const SCALE: u64>(text: &str) -> Option<Rate<SCALE>> {
        Rate::read(Piece { text, column: 1 }).ok().map(|(rate, _)| rate)
    }

    #[test]
    fn is_rounded_and_written_as_iptables_does() {
        for (text, expected) in [
            ("3/hour", Some("3/hour")),
            ("5/minute", Some("5/min")),
            ("7/min", Some("7/min")),
            ("60/min", Some("1/sec")),
            ("90/min", Some("90/min")),
            ("10", Some("10/sec")),
            ("10/S", Some("10/sec")),
            ("3/ho", Some("3/hour")),
            ("10/d", Some("10/day")),
            ("1999/sec", Some("2000/sec")),
            ("7777/sec", Some("10000/sec")),
            ("999/min", Some("1000/min")),
            ("24/day", Some("1/hour")),
            ("864000000/day", Some("10000/sec")),
            ("10000/s", Some("10000/sec")),
            ("10001/s", None),
            ("0/s", None),
            ("-1/s", None),
            ("+1/s", None),
            ("1/week", None),
            ("1/", None),
            ("/s", None),
            ("", None),
        ] {
            assert_eq!(read::<10_000>(text).map(|rate| rate.to_string()).as_deref(), expected, "{text}");
        }
        for (text, expected) in
            [("123456/s", "125000/sec"), ("999999/s", "1000000/sec"), ("777/m", "777/min")]
        {
            assert_eq!(read::<1_000_000>(text).unwrap().to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(packets in 1_u64..1_000_000, unit in 0_usize..4) {
            let seconds = UNITS[unit].1;
            let rate = Rate::<10_000>::new(packets.min(10_000 * seconds), seconds);
            prop_assert_eq!(read(&rate.to_string()), Some(rate));
            let rate = Rate::<1_000_000>::new(packets, seconds);
            prop_assert_eq!(read(&rate.to_string()), Some(rate));
        }
    }
}

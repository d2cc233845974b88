//! A part of a line that knows where it stands.

use super::{error::RuleError, problem::Problem, suggest::nearest};

/// A part of a line that knows where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// The text.
    pub text: &'a str,
    /// The character at which it begins, from 1.
    pub column: u32,
}

/// Whether the case of letters matters: in some words of iptables it does, in others not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// It matters.
    Exact,
    /// It does not.
    Any,
}

impl<'a> Piece<'a> {
    /// The error that this piece is `problem`. Its line is filled in by whoever knows it.
    pub fn wrong(self, problem: Problem) -> RuleError {
        RuleError { line: 0, column: self.column, text: self.text.to_owned(), problem, nearest: None }
    }

    /// The parts between `separator`s; one part, the whole, if there are none.
    pub fn split(self, separator: char) -> impl Iterator<Item = Piece<'a>> {
        let mut column = self.column;
        self.text.split(separator).map(move |text| {
            let piece = Piece { text, column };
            column = column.saturating_add(characters(text)).saturating_add(1);
            piece
        })
    }

    /// The parts before and behind the first `separator`.
    pub fn split_once(self, separator: char) -> Option<(Piece<'a>, Piece<'a>)> {
        let (before, behind) = self.text.split_once(separator)?;
        Some(self.cut(before, behind))
    }

    fn cut(self, before: &'a str, behind: &'a str) -> (Piece<'a>, Piece<'a>) {
        let column = self.column.saturating_add(characters(before)).saturating_add(1);
        (Piece { text: before, column: self.column }, Piece { text: behind, column })
    }

    /// The part behind `prefix`.
    pub fn behind(self, prefix: &str) -> Option<Piece<'a>> {
        let text = self.text.strip_prefix(prefix)?;
        Some(Piece { text, column: self.column.saturating_add(characters(prefix)) })
    }

    /// A number as C writes it: decimal, `0x` hexadecimal, `0` octal.
    pub fn number(self, what: &'static str, min: u64, max: u64) -> Result<u64, RuleError> {
        number(self.text)
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| self.wrong(Problem::OutOfRange { what, min, max }))
    }

    /// What `table` has for this word.
    pub fn choose<T: Copy>(
        self,
        what: &'static str,
        case: Case,
        table: &[(&'static str, T)],
    ) -> Result<T, RuleError> {
        let same = |name: &str| match case {
            Case::Exact => name == self.text,
            Case::Any => name.eq_ignore_ascii_case(self.text),
        };
        let found = table.iter().find(|(name, _)| same(name)).map(|&(_, value)| value);
        found.ok_or_else(|| {
            let names = table.iter().map(|&(name, _)| name);
            self.wrong(Problem::NotA { what }).or(nearest(self.text, names))
        })
    }
}

/// A number as strtoul reads it with base 0, without its leniency about space and signs.
pub(super) fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// How many characters a text has.
pub(super) fn characters(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_know_where_they_stand() {
        let piece = Piece { text: "é,bc,d", column: 5 };
        let parts: Vec<_> = piece.split(',').map(|part| (part.text, part.column)).collect();
        assert_eq!(parts, [("é", 5), ("bc", 7), ("d", 10)]);
        let (before, behind) = piece.split_once(',').unwrap();
        assert_eq!((before.text, before.column, behind.text, behind.column), ("é", 5, "bc,d", 7));
    }

    #[test]
    fn numbers_are_those_of_c() {
        for (text, expected) in [
            ("22", Some(22)),
            ("0x16", Some(22)),
            ("026", Some(22)),
            ("0", Some(0)),
            ("00", Some(0)),
            ("08", None),
            ("", None),
            ("0x", None),
            ("+1", None),
            ("-1", None),
            (" 1", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(number(text), expected, "{text:?}");
        }
    }
}

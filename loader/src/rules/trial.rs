//! What must hold of every text, for those who make texts up.

use super::{family::Family, parse::parse, save::to_save};

/// Reads a text; if that succeeds, what is written reads back as the same, and errors have places.
///
/// # Panics
///
/// If that does not hold.
pub fn read(family: Family, text: &[u8]) {
    match parse(family, text) {
        Ok(ruleset) => {
            let written = to_save(&ruleset, true);
            assert_eq!(parse(family, &written).as_ref(), Ok(&ruleset), "{written}");
        }
        Err(errors) => {
            assert!(!errors.errors.is_empty());
            assert!(errors.errors.iter().all(|error| error.line > 0 && error.column > 0), "{errors}");
        }
    }
}

/// As [`read`], of a fuzzer's input: the text behind a byte that says of which family it is.
///
/// # Panics
///
/// See [`read`].
pub fn fuzzed(input: &[u8]) {
    if let Some((first, text)) = input.split_first() {
        read(if first & 1 == 0 { Family::Ipv4 } else { Family::Ipv6 }, text);
    }
}

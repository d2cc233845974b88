//! Lines into words and back, with iptables' quotation marks.

use super::{
    error::RuleError,
    piece::{Piece, characters},
    problem::Problem,
};

/// A word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The word without quotation marks and escapes.
    pub text: String,
    /// The character at which it begins, from 1.
    pub column: u32,
}

impl Word {
    /// The word as a piece of its line.
    pub fn piece(&self) -> Piece<'_> {
        Piece { text: &self.text, column: self.column }
    }
}

/// The words of a line, as iptables-restore cuts it: at spaces and tabs; between double quotes everything stands for
/// itself but `\`, which takes the next character as it is; a closing quote ends the word (add_param_to_argv in
/// iptables/xshared.c).
pub(super) fn split(line: &str) -> Result<Vec<Word>, RuleError> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut characters = line.chars().zip(1..);
    while let Some((character, column)) = characters.next() {
        let open = |word: Option<Word>| word.unwrap_or(Word { text: String::new(), column });
        match character {
            ' ' | '\t' => words.extend(word.take()),
            '"' => words.push(quotation(open(word.take()), line, column, &mut characters)?),
            c if c.is_control() => return Err(Piece { text: line, column }.wrong(Problem::ControlCharacter)),
            c => {
                let mut longer = open(word.take());
                longer.text.push(c);
                word = Some(longer);
            }
        }
    }
    words.extend(word);
    Ok(words)
}

/// `word` and what follows up to the closing quote.
fn quotation(
    mut word: Word,
    line: &str,
    opened: u32,
    characters: &mut impl Iterator<Item = (char, u32)>,
) -> Result<Word, RuleError> {
    let mut escaped = false;
    for (character, column) in characters {
        match character {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return Ok(word),
            c if c.is_control() && c != '\t' => {
                return Err(from(line, column).wrong(Problem::ControlCharacter));
            }
            c => {
                escaped = false;
                word.text.push(c);
            }
        }
    }
    Err(from(line, opened).wrong(Problem::OpenQuote))
}

/// The rest of the line from `column` on.
fn from(line: &str, column: u32) -> Piece<'_> {
    let start = line.chars().zip(1..column).map(|(character, _)| character.len_utf8()).sum();
    Piece { text: line.get(start..).unwrap_or_default(), column }
}

/// The words of an argument vector, in columns as if one space stood between them.
pub(super) fn arguments<T: AsRef<str>>(arguments: &[T]) -> Vec<Word> {
    let mut column = 1_u32;
    let place = |argument: &T| {
        let word = Word { text: argument.as_ref().to_owned(), column };
        column = column.saturating_add(characters(argument.as_ref())).saturating_add(1);
        word
    };
    arguments.iter().map(place).collect()
}

/// A text as one word: as it is if it has only letters, digits, `_` and `-`, else between quotes with `"`, `\` and `'`
/// escaped (xtables_save_string in libxtables/xtables.c).
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\' | '\'') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(line: &str) -> Vec<(String, u32)> {
        split(line).unwrap().into_iter().map(|word| (word.text, word.column)).collect()
    }

    #[test]
    fn cuts_as_iptables_does() {
        for (line, expected) in [
            ("", vec![]),
            ("  -A  INPUT\t-j x ", vec![("-A", 3), ("INPUT", 7), ("-j", 13), ("x", 16)]),
            (r#"--comment "a b""#, vec![("--comment", 1), ("a b", 11)]),
            (r#""a"b"#, vec![("a", 1), ("b", 4)]),
            (r#"a"b c" d"#, vec![("ab c", 1), ("d", 8)]),
            (r#"a\b "c\"d\\e\'f""#, vec![(r"a\b", 1), (r#"c"d\e'f"#, 5)]),
            (r#""" x"#, vec![("", 1), ("x", 4)]),
            ("é 'b'", vec![("é", 1), ("'b'", 3)]),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(text, column)| (text.to_owned(), column)).collect();
            assert_eq!(texts(line), expected, "{line}");
        }
    }

    #[test]
    fn says_where_a_quotation_opens() {
        let error = split("--comment \"a b").unwrap_err();
        assert_eq!((error.column, error.problem), (11, Problem::OpenQuote));
        let error = split("a \u{7}").unwrap_err();
        assert_eq!((error.column, error.problem), (3, Problem::ControlCharacter));
    }

    #[test]
    fn arguments_are_counted_as_if_joined() {
        let words = arguments(&["-A", "INPUT", "-j"]);
        assert_eq!(words.iter().map(|word| word.column).collect::<Vec<_>>(), [1, 4, 10]);
    }

    #[test]
    fn quotes_what_needs_it() {
        for (text, expected) in [
            ("plain-text_1", "plain-text_1"),
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("it's", r#""it\'s""#),
            (r#"a"b\c"#, r#""a\"b\\c""#),
            ("a.b", r#""a.b""#),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_reads_back(text in "[^\\p{Cc}]{0,40}") {
            prop_assert_eq!(texts(&quoted(&text)), [(text, 1)]);
        }
    }
}

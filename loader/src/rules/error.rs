//! Where a text is wrong, and how it could be put right.

use std::fmt;

use super::problem::Problem;

/// Most errors of one text that are told.
pub const MAX_ERRORS: usize = 20;

/// One thing that is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The line, from 1.
    pub line: u32,
    /// The character in the line, from 1. In a quoted word with escapes it is the place without them.
    pub column: u32,
    /// What stands there.
    pub text: String,
    /// What is wrong with it.
    pub problem: Problem,
    /// The supported thing that comes nearest.
    pub nearest: Option<String>,
}

impl RuleError {
    /// The error in another line.
    pub(super) fn at(mut self, line: u32) -> Self {
        self.line = line;
        self
    }

    /// The error with `name` offered instead, if there is one.
    pub(super) fn or(mut self, name: Option<&str>) -> Self {
        self.nearest = name.map(str::to_owned);
        self
    }
}

impl std::error::Error for RuleError {}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {:?} {}", self.line, self.column, short(&self.text), self.problem)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}

/// As much of a text as a reader needs to find it.
fn short(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST).and_then(|(end, _)| text.get(..end)) {
        Some(begin) => format!("{begin}…"),
        None => text.to_owned(),
    }
}

/// Everything that is wrong with a text, by line and column: at least one error, at most [`MAX_ERRORS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleErrors {
    /// The errors.
    pub errors: Vec<RuleError>,
    /// How many more were found; reading stops after 1,024.
    pub more: usize,
}

impl RuleErrors {
    /// `errors` in order, as many as are told.
    pub(super) fn new(mut errors: Vec<RuleError>) -> Self {
        errors.sort_by_key(|error| (error.line, error.column));
        let more = errors.len().saturating_sub(MAX_ERRORS);
        errors.truncate(MAX_ERRORS);
        Self { errors, more }
    }
}

impl From<RuleError> for RuleErrors {
    fn from(error: RuleError) -> Self {
        Self { errors: vec![error], more: 0 }
    }
}

impl std::error::Error for RuleErrors {}

impl fmt::Display for RuleErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

//! Errors as they are found.

use crate::rules::error::{RuleError, RuleErrors};

/// Most errors that are looked for. More than are told, as they are sorted first; few enough that no text keeps a
/// processor busy with looking for what was meant.
const MOST_KEPT: usize = 1_024;

/// Errors as they are found.
#[derive(Default)]
pub(super) struct Errors {
    kept: Vec<RuleError>,
    more: usize,
}

impl Errors {
    /// Adds one of a line; what stands in no text counts as its only line.
    pub fn push(&mut self, error: RuleError, line: u32) {
        if self.kept.len() < MOST_KEPT {
            self.kept.push(error.at(line.max(1)));
        } else {
            self.more += 1;
        }
    }

    /// Adds several of a line.
    pub fn extend(&mut self, errors: impl IntoIterator<Item = RuleError>, line: u32) {
        for error in errors {
            self.push(error, line);
        }
    }

    /// Whether there are so many that more would help nobody.
    pub fn is_full(&self) -> bool {
        self.kept.len() >= MOST_KEPT
    }

    /// Fails if there is one.
    pub fn finish(self) -> Result<(), RuleErrors> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let mut errors = RuleErrors::new(self.kept);
        errors.more += self.more;
        Err(errors)
    }
}

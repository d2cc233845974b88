//! Free text.

use crate::rules::{error::RuleError, piece::Piece, problem::Problem};

/// The text of `piece`, which has at most `max` bytes and no control characters: those would not survive a line.
pub(in crate::rules) fn text(piece: Piece<'_>, what: &'static str, max: usize) -> Result<String, RuleError> {
    if piece.text.len() > max {
        return Err(piece.wrong(Problem::TooLong { what, max }));
    }
    if piece.text.contains(char::is_control) {
        return Err(piece.wrong(Problem::ControlCharacter));
    }
    Ok(piece.text.to_owned())
}

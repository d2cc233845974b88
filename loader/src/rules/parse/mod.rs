//! Texts and commands into rulesets.

mod check;
mod command;
mod draft;
mod errors;
mod line;
mod lookup;
mod make;
mod modules;
mod options;
mod reader;
mod section;

use super::{
    error::RuleErrors, family::Family, piece::Piece, problem::Problem, rule::Rule, ruleset::Ruleset,
    table::TableName, words,
};
use draft::Draft;
use errors::Errors;

/// The longest text, in bytes.
pub const MAX_TEXT: usize = 16 << 20;

/// The longest line, in bytes: what iptables-restore has room for (iptables/iptables-restore.c).
pub const MAX_LINE: usize = 10_240;

/// Most rules of one ruleset, after lists of addresses have been spread out.
pub const MAX_RULES: usize = 65_536;

/// Most chains of one table.
pub const MAX_CHAINS: usize = 65_536;

/// Most rules and chains that the commands of one table may move or look through, so that no text keeps a processor busy:
/// enough for 6,000 rules that are each put first.
const MAX_WORK: usize = 20_000_000;

/// The ruleset that a text of iptables-save or ip6tables-save means, or everything that is wrong with it.
///
/// As with iptables-restore, a table begins empty, its base chains accept unless the text says otherwise, and the
/// commands that change tables may be used. Two things are stricter: a table may be given once only, and jumps may not go
/// in circles even where no packet gets to.
pub fn parse(family: Family, text: impl AsRef<[u8]>) -> Result<Ruleset, RuleErrors> {
    let text = text.as_ref();
    if text.len() > MAX_TEXT {
        let whole = Piece { text: "the text", column: 1 };
        return Err(whole.wrong(Problem::TooLarge { max: MAX_TEXT }).at(1).into());
    }
    section::read(family, text)
}

/// Changes one table of a ruleset by a command of iptables, such as `-A INPUT -p tcp --dport 22 -j ACCEPT`, given as
/// separate words. Columns in errors are those of the words joined by spaces. An error leaves the ruleset as it was.
pub fn apply(ruleset: &mut Ruleset, table: TableName, command: &[impl AsRef<str>]) -> Result<(), RuleErrors> {
    let words = words::arguments(command);
    let mut draft = ruleset.table(table).map_or_else(|| Draft::new(table), |known| Draft::of(table, known));
    let mut errors = Errors::default();
    let others = ruleset.entries() - draft.count;
    command::run(&words, 0, None, ruleset.family, &mut draft, &mut errors);
    if others + draft.count > MAX_RULES {
        errors.push(Piece { text: "-A", column: 1 }.wrong(Problem::TooManyRules { max: MAX_RULES }), 1);
    }
    check::check(&draft, &mut errors);
    errors.finish()?;
    ruleset.tables.insert(table, draft.finish());
    Ok(())
}

/// The rules that the words of a rule without a command mean, such as `-p tcp --dport 22 -j ACCEPT`: several if they have
/// lists of addresses. Jumps may go to the chains that the ruleset has; whether the rules fit into a chain is found out
/// when they are put there.
pub fn rules(ruleset: &Ruleset, table: TableName, rule: &[impl AsRef<str>]) -> Result<Vec<Rule>, RuleErrors> {
    let words = words::arguments(rule);
    let draft = ruleset.table(table).map_or_else(|| Draft::new(table), |known| Draft::of(table, known));
    let mut errors = Errors::default();
    let made = make::alone(&words, ruleset.family, &draft, &mut errors);
    errors.finish()?;
    Ok(made)
}

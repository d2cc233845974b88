//! The lines of a text: tables, chains, rules.

use crate::rules::{
    chain::Policy,
    counters::Counters,
    error::{RuleError, RuleErrors},
    family::Family,
    parse::{MAX_LINE, MAX_RULES, check, command, draft::Draft, errors::Errors},
    piece::Piece,
    problem::Problem,
    ruleset::Ruleset,
    suggest::nearest,
    table::TableName,
    unsupported,
    words::{Word, split},
};

/// The ruleset of a whole text.
pub(super) fn read(family: Family, text: &[u8]) -> Result<Ruleset, RuleErrors> {
    let mut reader = Reader {
        ruleset: Ruleset::new(family),
        errors: Errors::default(),
        section: Section::None,
        committed: 0,
    };
    for (bytes, number) in text.split(|&byte| byte == b'\n').zip(1..) {
        if reader.errors.is_full() {
            reader.section = Section::None;
            break;
        }
        if let Err(error) = reader.line(bytes, number) {
            reader.errors.push(error, number);
        }
    }
    reader.end();
    reader.errors.finish()?;
    Ok(reader.ruleset)
}

struct Reader {
    ruleset: Ruleset,
    errors: Errors,
    section: Section,
    /// How many rules are in tables that are complete.
    committed: usize,
}

/// What lines belong to.
enum Section {
    /// Nothing yet, or no longer.
    None,
    /// A table, and where it began.
    Table { draft: Draft, begun: (String, u32) },
    /// A table that is not supported, but may be there as long as it does nothing.
    Unsupported { table: &'static str, instead: &'static str, begun: (String, u32) },
    /// A table whose errors have been told.
    Skipped,
}

impl Reader {
    fn line(&mut self, bytes: &[u8], number: u32) -> Result<(), RuleError> {
        let text = decode(bytes.strip_suffix(b"\r").unwrap_or(bytes))?;
        if text.trim_start().starts_with('#') {
            return Ok(());
        }
        let words = split(text)?;
        let Some(first) = words.first() else { return Ok(()) };
        let rest = words.get(1..).unwrap_or_default();
        let piece = first.piece();
        if let Some(name) = piece.behind("*") {
            surplus(rest)?;
            return self.begin(name, number);
        }
        if piece.text == "COMMIT" {
            return self.commit(piece).and(surplus(rest));
        }
        match piece.behind(":") {
            Some(name) => self.chain(name, rest),
            None => self.command(&words, number),
        }
    }

    fn begin(&mut self, name: Piece<'_>, number: u32) -> Result<(), RuleError> {
        let nested = !matches!(self.section, Section::None);
        let begun = (format!("*{}", name.text), number);
        let Some(table) = TableName::by_name(name.text) else {
            return match unsupported::table(name.text) {
                Some((table, instead)) if !nested => {
                    self.section = Section::Unsupported { table, instead, begun };
                    Ok(())
                }
                _ => {
                    self.section = Section::Skipped;
                    let names = TableName::ALL.iter().map(|table| table.name());
                    Err(name.wrong(Problem::UnknownTable).or(nearest(name.text, names)))
                }
            };
        };
        if nested || self.ruleset.tables.contains_key(&table) {
            self.section = Section::Skipped;
            return Err(name.wrong(if nested { Problem::InsideTable } else { Problem::TableTwice }));
        }
        self.section = Section::Table { draft: Draft::new(table), begun };
        Ok(())
    }

    fn commit(&mut self, piece: Piece<'_>) -> Result<(), RuleError> {
        match std::mem::replace(&mut self.section, Section::None) {
            Section::None => Err(piece.wrong(Problem::OutsideTable)),
            Section::Table { draft, .. } => {
                check::check(&draft, &mut self.errors);
                self.committed += draft.count;
                self.ruleset.tables.insert(draft.name, draft.finish());
                Ok(())
            }
            Section::Unsupported { .. } | Section::Skipped => Ok(()),
        }
    }

    fn chain(&mut self, name: Piece<'_>, rest: &[Word]) -> Result<(), RuleError> {
        match &mut self.section {
            Section::None => Err(name.wrong(Problem::OutsideTable)),
            Section::Skipped => Ok(()),
            Section::Unsupported { table, instead, .. } => {
                // A base chain that accepts does nothing.
                let nothing = rest.first().is_some_and(|policy| policy.text == Policy::Accept.name());
                if nothing {
                    return Ok(());
                }
                let error = name.wrong(Problem::UnsupportedTable { table, instead });
                self.section = Section::Skipped;
                Err(error)
            }
            Section::Table { draft, .. } => declare(draft, name, rest),
        }
    }

    fn command(&mut self, words: &[Word], number: u32) -> Result<(), RuleError> {
        let piece = words.first().map_or(Piece { text: "", column: 1 }, Word::piece);
        match &mut self.section {
            Section::None => Err(piece.wrong(Problem::OutsideTable)),
            Section::Skipped => Ok(()),
            Section::Unsupported { table, instead, .. } => {
                let error = piece.wrong(Problem::UnsupportedTable { table, instead });
                self.section = Section::Skipped;
                Err(error)
            }
            Section::Table { draft, .. } => {
                let (counters, words) = counted(words)?;
                let family = self.ruleset.family;
                command::run(&words, number, counters, family, draft, &mut self.errors);
                if self.committed + draft.count <= MAX_RULES {
                    return Ok(());
                }
                // Said once: what follows is not looked at.
                self.section = Section::Skipped;
                Err(piece.wrong(Problem::TooManyRules { max: MAX_RULES }))
            }
        }
    }

    fn end(&mut self) {
        match std::mem::replace(&mut self.section, Section::None) {
            Section::None | Section::Skipped => {}
            Section::Table { begun: (text, line), .. } | Section::Unsupported { begun: (text, line), .. } => {
                self.errors.push(Piece { text: &text, column: 1 }.wrong(Problem::NoCommit), line);
            }
        }
    }
}

/// A line as text.
fn decode(bytes: &[u8]) -> Result<&str, RuleError> {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() > MAX_LINE => {
            Err(Piece { text, column: 1 }.wrong(Problem::LineTooLong { max: MAX_LINE }))
        }
        Ok(text) => Ok(text),
        Err(error) => {
            let text = bytes.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok());
            let text = text.unwrap_or_default();
            let column = crate::rules::piece::characters(text).saturating_add(1);
            Err(Piece { text, column }.wrong(Problem::NotUtf8))
        }
    }
}

fn surplus(rest: &[Word]) -> Result<(), RuleError> {
    match rest.first() {
        Some(word) => Err(word.piece().wrong(Problem::Surplus)),
        None => Ok(()),
    }
}

/// `:NAME POLICY [packets:bytes]`.
fn declare(draft: &mut Draft, name: Piece<'_>, rest: &[Word]) -> Result<(), RuleError> {
    let (policy, counters) = match rest {
        [] => return Err(name.wrong(Problem::NoPolicy)),
        [policy] => (policy.piece(), None),
        [policy, counters] => (policy.piece(), Some(Counters::read(counters.piece())?)),
        [_, _, more, ..] => return Err(more.piece().wrong(Problem::Surplus)),
    };
    let table = draft.name;
    let base = table.hooks().iter().any(|hook| hook.name() == name.text);
    match (base, policy.text) {
        // The policy stays as it is.
        (true, "-") => Ok(()),
        (true, _) => command::set_policy(draft, name, policy, counters),
        (false, "-") => draft.add(name),
        (false, _) => {
            let chains = table.hooks().iter().map(|hook| hook.name()).collect::<Vec<_>>().join(", ");
            let names = table.hooks().iter().map(|hook| hook.name());
            Err(name.wrong(Problem::PolicyOfUserChain { table, chains }).or(nearest(name.text, names)))
        }
    }
}

/// `[packets:bytes]`, if the line begins with it, and the other words.
fn counted(words: &[Word]) -> Result<(Option<Counters>, Vec<Word>), RuleError> {
    let Some((first, rest)) = words.split_first().filter(|(first, _)| first.text.starts_with('[')) else {
        return Ok((None, words.to_vec()));
    };
    let piece = first.piece();
    // The command may follow without a space.
    let Some((inner, glued)) = piece.split_once(']') else {
        return Err(piece.wrong(Problem::Counters));
    };
    let text = format!("{}]", inner.text);
    let counters = Counters::read(Piece { text: &text, column: piece.column })?;
    let glued = (!glued.text.is_empty()).then(|| Word { text: glued.text.to_owned(), column: glued.column });
    Ok((Some(counters), glued.into_iter().chain(rest.iter().cloned()).collect()))
}

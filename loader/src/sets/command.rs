//! ipset's commands, as `ipset save` writes them.

use super::{Fault, SetError};
use crate::rules::matches::set::MAX_NAME;

/// A command, and the line it was written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The line, from 1; 0 for one that stood in no file.
    pub line: usize,
    /// What is to be done.
    pub action: Action,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a set: its name, type and options.
    Create(String, Vec<String>),
    /// Add an entry to a set: its name, the entry, options.
    Add(String, String, Vec<String>),
    /// Take an entry out.
    Delete(String, String),
    /// Take all entries out: of a set, or of all.
    Flush(Option<String>),
    /// Remove a set, or all.
    Destroy(Option<String>),
    /// Exchange what two sets hold.
    Swap(String, String),
}

/// Reads a text as `ipset save` writes it.
pub fn read(text: &str) -> Result<Vec<Command>, SetError> {
    let mut commands = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.first() {
            None | Some(&"COMMIT") => {}
            Some(first) if first.starts_with('#') => {}
            Some(_) => {
                let action = action(&words).map_err(|fault| SetError { line, fault })?;
                commands.push(Command { line, action });
            }
        }
    }
    Ok(commands)
}

/// Reads the words of one command, which may name several entries to be added or taken out.
pub fn command(words: &[String]) -> Result<Vec<Command>, Fault> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let line = 0;
    match words.as_slice() {
        ["add" | "-A" | "del" | "-D", _, _, _, ..] => {
            let (&command, set, rest) = (&words[0], words[1], &words[2..]);
            let mut commands = Vec::new();
            let mut rest = rest.iter().peekable();
            while let Some(entry) = rest.next() {
                let mut one = vec![command, set, *entry];
                while let Some(option) = rest.next_if(|word| **word == "nomatch") {
                    one.push(*option);
                }
                commands.push(Command { line, action: action(&one)? });
            }
            Ok(commands)
        }
        _ => Ok(vec![Command { line, action: action(&words)? }]),
    }
}

fn action(words: &[&str]) -> Result<Action, Fault> {
    let rest = |from: usize| words.iter().skip(from).map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let none_behind = |count: usize| match words.get(count) {
        Some(word) => Err(Fault::Option((*word).to_owned())),
        None => Ok(()),
    };
    Ok(match words {
        ["create" | "-N", name, ..] => Action::Create(set(name)?, rest(2)),
        ["add" | "-A", name, entry, ..] => Action::Add(set(name)?, (*entry).to_owned(), rest(3)),
        ["del" | "-D", name, entry, ..] => {
            // ipset takes it, and minds it not.
            none_behind(if words.get(3) == Some(&"nomatch") { 4 } else { 3 })?;
            Action::Delete(set(name)?, (*entry).to_owned())
        }
        ["flush" | "-F", ..] => {
            none_behind(2)?;
            Action::Flush(words.get(1).map(|name| set(name)).transpose()?)
        }
        ["destroy" | "-X", ..] => {
            none_behind(2)?;
            Action::Destroy(words.get(1).map(|name| set(name)).transpose()?)
        }
        ["swap" | "-W", one, other, ..] => {
            none_behind(3)?;
            Action::Swap(set(one)?, set(other)?)
        }
        ["create" | "-N", ..] => return Err(missing("create", "a name and a type")),
        ["add" | "-A", ..] => return Err(missing("add", "a set and an entry")),
        ["del" | "-D", ..] => return Err(missing("del", "a set and an entry")),
        ["swap" | "-W", ..] => return Err(missing("swap", "two sets")),
        [other, ..] => return Err(Fault::Command((*other).to_owned())),
        [] => return Err(Fault::Command(String::new())),
    })
}

const fn missing(command: &'static str, wanted: &'static str) -> Fault {
    Fault::Missing { command, wanted }
}

/// The name of a set.
pub fn set(text: &str) -> Result<String, Fault> {
    let is_printable = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(is_printable) && !text.starts_with(['-', '#'])
    {
        return Ok(text.to_owned());
    }
    Err(Fault::Name(text.to_owned()))
}

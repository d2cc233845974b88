//! What the kernel's verifier says when it refuses a program.

mod log;
mod sources;

use std::fmt;
use std::io;

pub use sources::Sources;

/// How much of the log's end helps to see what went wrong.
const EXCERPT_LINES: usize = 20;

/// A program that the kernel's verifier refuses.
#[derive(Debug, thiserror::Error)]
#[error("the kernel's verifier refuses program {program}{place}: {complaint}")]
pub struct Refusal {
    /// Its name.
    pub program: &'static str,
    /// What it was about when the verifier stopped.
    pub place: Place,
    /// The verifier's own words, in one line.
    pub complaint: String,
    /// The last lines of the log, without statistics.
    pub excerpt: Vec<String>,
    /// The whole log.
    pub log: String,
    /// What the system call said.
    #[source]
    pub error: io::Error,
}

/// A place in berth's source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line.
    Line {
        /// Path of the file from the root of the project; its name alone if it is not the project's.
        file: String,
        /// Number of the line, from 1.
        line: u32,
    },
    /// What stands on the line, where several are the same.
    Text(String),
    /// The verifier did not say.
    Unknown,
}

impl Refusal {
    /// Reads the log of a program that was not loaded. None if the verifier had nothing to say: then it was not the
    /// verifier that refused.
    pub fn read(program: &'static str, error: io::Error, log: &str, sources: &Sources) -> Option<Self> {
        Some(Self {
            program,
            place: place(log, program, sources),
            complaint: log::complaint(log)?,
            excerpt: log::excerpt(log, EXCERPT_LINES),
            log: log.to_owned(),
            error,
        })
    }
}

/// The last line of berth's own source on the verifier's way: what it complains of may be in a library's function that
/// is part of that line.
fn place(log: &str, program: &str, sources: &Sources) -> Place {
    let mut last = Place::Unknown;
    for annotation in log::annotations_backwards(log) {
        if let Some(place) = sources.place(&annotation, program) {
            return place;
        }
        if last == Place::Unknown {
            last = annotation.as_it_stands();
        }
    }
    last
}

/// With a space in front, to follow the program's name.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(f, " at {file}:{line}"),
            Self::Text(text) => write!(f, " at `{text}`"),
            Self::Unknown => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;

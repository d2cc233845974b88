//! Standard output and standard error.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use clap::ColorChoice;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::options::Options;
use crate::api::error::{ApiError, Code};

/// Standard output and standard error.
pub struct Output {
    stdout: io::Stdout,
    quiet: bool,
    color: bool,
    error_color: bool,
}

impl Output {
    /// As the options say.
    pub fn new(options: &Options) -> Self {
        let wanted = |terminal: bool| match options.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && std::env::var_os("NO_COLOR").is_none(),
        };
        Self {
            stdout: io::stdout(),
            quiet: options.quiet,
            color: wanted(io::stdout().is_terminal()),
            error_color: wanted(io::stderr().is_terminal()),
        }
    }

    /// Prints a line.
    pub fn line(&self, line: &str) -> Result<(), ApiError> {
        let mut stdout = self.stdout.lock();
        let printed = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
        printed.map_err(|error| {
            if error.kind() == ErrorKind::BrokenPipe {
                // Whoever reads has seen enough, as `head` has.
                std::process::exit(0);
            }
            unprintable(&error)
        })
    }

    /// Begins at the top of an empty screen (ECMA-48: CUP, ED).
    pub fn clear(&self) -> Result<(), ApiError> {
        self.line("\x1b[H\x1b[2J")
    }

    /// Prints a heading.
    pub fn heading(&self, text: &str) -> Result<(), ApiError> {
        self.line(&self.bold(text))
    }

    /// Prints something that is good to know, but was not asked for.
    pub fn note(&self, note: &str) -> Result<(), ApiError> {
        if self.quiet { Ok(()) } else { self.line(note) }
    }

    /// Prints JSON over several lines.
    pub fn json(&self, value: &impl Serialize) -> Result<(), ApiError> {
        let text = serde_json::to_string_pretty(value).map_err(|error| unprintable(&error.into()))?;
        self.line(&text)
    }

    /// Prints a table.
    pub fn table(&self, columns: &[&str], rows: Vec<Vec<String>>) -> Result<(), ApiError> {
        let mut table = Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(columns)
            .add_rows(rows);
        let text = table.to_string();
        let mut lines = text.lines().map(|line| line.trim_end().trim_start_matches(' '));
        if let Some(header) = lines.next() {
            self.heading(header)?;
        }
        lines.try_for_each(|line| self.line(line))
    }

    /// Says on standard error what went wrong.
    pub fn complain(&self, message: &str) {
        let name = if self.error_color { "\x1b[1;31mberth:\x1b[0m" } else { "berth:" };
        // There is nobody left to tell if this fails.
        let _ = writeln!(io::stderr(), "{name} {message}");
    }

    /// Says on standard error what helps to look into it.
    pub fn explain(&self, lines: &[String]) {
        if !self.quiet {
            for line in lines {
                let _ = writeln!(io::stderr(), "  {line}");
            }
        }
    }

    fn bold(&self, text: &str) -> String {
        if self.color { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn unprintable(error: &io::Error) -> ApiError {
    ApiError::new(Code::Failed, format!("cannot print; {error}"))
}

//! What people see, and how many of the checks have failed.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _, stdout};
use std::process::ExitCode;
use std::time::Instant;

/// The output. Plain where it does not go to a terminal.
pub struct Console {
    color: bool,
    acts: u32,
    checks: u32,
    failed: u32,
    start: Instant,
}

impl Console {
    /// Standard output.
    pub fn new() -> Self {
        let color = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { color, acts: 0, checks: 0, failed: 0, start: Instant::now() }
    }

    /// What berth is told about colours.
    pub fn color_option(&self) -> &'static str {
        if self.color { "always" } else { "never" }
    }

    /// A new act begins.
    pub fn act(&mut self, title: &str) {
        self.acts += 1;
        print(&format!("\n{}", self.paint("1;36", &format!("{}. {title}", self.acts))));
    }

    /// Tells something.
    pub fn say(text: &str) {
        print(&format!("   {text}"));
    }

    /// Shows a command and what it printed.
    pub fn show(&self, who: &str, command: &str, printed: &str) {
        print(&format!("   {}", self.paint("1", &format!("{who}$ {command}"))));
        for line in printed.lines() {
            print(&format!("     {line}"));
        }
    }

    /// Whether something is as it should be; `found` is shown if it is not.
    pub fn check(&mut self, what: &str, holds: bool, found: impl Display) {
        self.checks += 1;
        if holds {
            print(&format!("   {} {what}", self.paint("32", "ok  ")));
        } else {
            self.failed += 1;
            print(&format!("   {} {what}\n        found: {found}", self.paint("1;31", "FAIL")));
        }
    }

    /// Something went wrong altogether.
    pub fn fail(&mut self, error: &anyhow::Error) {
        self.checks += 1;
        self.failed += 1;
        print(&format!("   {} {error:#}", self.paint("1;31", "FAIL")));
    }

    /// The last line, and what the program returns.
    pub fn finish(self) -> ExitCode {
        let Self { checks, failed, .. } = self;
        let seconds = self.start.elapsed().as_secs_f64();
        let (color, outcome) = if failed == 0 {
            ("1;32", format!("All {checks} checks hold."))
        } else {
            ("1;31", format!("{failed} of {checks} checks failed."))
        };
        print(&format!("\n{} ({seconds:.1} s)", self.paint(color, &outcome)));
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn paint(&self, color: &str, text: &str) -> String {
        if self.color { format!("\x1b[{color}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Prints a line. If nobody reads any more, what is checked still counts.
fn print(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}

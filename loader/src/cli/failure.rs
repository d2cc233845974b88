//! What went wrong, in one line.

use std::process::ExitCode;

use clap::error::ErrorKind;

use super::output::Output;
use crate::api::error::{ApiError, Code};

/// Says what is wrong with the command line, or what was asked about it.
pub fn usage(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that has gone away wanted no more.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Code::Usage.into()
        }
        _ => {
            eprintln!("berth: {}; `berth --help` shows what there is", line(&error.to_string()));
            Code::Usage.into()
        }
    }
}

/// The first paragraph of what clap says, without its prefix.
fn line(message: &str) -> String {
    let paragraph = message.split("\n\n").next().unwrap_or_default();
    let words: Vec<_> = paragraph.split_whitespace().collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

/// Says why the command came to nothing.
pub fn report(error: &ApiError, output: &Output) -> ExitCode {
    output.complain(&error.message);
    output.explain(&error.details);
    error.code.into()
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(u8::from(code))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::arguments::Arguments;

    #[test]
    fn usage_errors_are_one_line() {
        let lines = ["berth container add a", "berth frobnicate", "berth ports reserve a tcp/0"];
        for text in lines {
            let error = Arguments::try_parse_from(text.split(' ')).unwrap_err();
            let line = line(&error.to_string());
            assert!(!line.contains('\n') && !line.starts_with("error"), "{line}");
            assert!(line.len() > 20, "{line}");
        }
    }
}

//! The command line. Only this prints.

mod arguments;
mod client;
mod commands;
mod container;
mod failure;
mod hook;
mod input;
mod logging;
mod number;
mod options;
mod output;
mod publish;
mod rules;
mod set;
mod views;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser as _;

use self::{arguments::Arguments, output::Output};

/// Carries out the command that `arguments` are. Returns what it exits with.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return failure::usage(&error),
    };
    let output = Output::new(&arguments.options);
    logging::start(&arguments.options, arguments.command.speaks());
    match commands::run(arguments, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error, &output),
    }
}

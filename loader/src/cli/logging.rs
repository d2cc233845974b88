//! What berth tells about its work, on standard error.

use std::{env, io::Write as _};

use env_logger::{Builder, WriteStyle};
use log::{Level, LevelFilter};

use super::options::Options;

/// Begins to log. A command that `speaks` tells what it does; others only what goes wrong.
pub fn start(options: &Options, speaks: bool) {
    let level = match (options.quiet, options.verbose, speaks) {
        (true, ..) | (false, 0, false) => LevelFilter::Error,
        (false, 0, true) => LevelFilter::Info,
        (false, 1, _) => LevelFilter::Debug,
        (false, _, _) => LevelFilter::Trace,
    };
    let mut builder = Builder::new();
    builder.filter_level(LevelFilter::Warn.min(level)).filter_module("berth", level);
    builder.write_style(match options.color {
        clap::ColorChoice::Always => WriteStyle::Always,
        clap::ColorChoice::Never => WriteStyle::Never,
        clap::ColorChoice::Auto => WriteStyle::Auto,
    });
    if env::var_os("JOURNAL_STREAM").is_some() {
        // The journal has its own clock, and takes the priority from the front of the line (sd-daemon(3)).
        builder.format(|buffer, record| writeln!(buffer, "<{}>{}", priority(record.level()), record.args()));
    }
    builder.init();
}

const fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

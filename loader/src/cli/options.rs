//! Options that every command has.

use std::path::PathBuf;

use clap::{ArgAction, Args, ColorChoice};

use crate::node::Paths;

/// Where the configuration is, unless somebody says otherwise.
const CONFIG: &str = "/etc/berth/berth.toml";

/// Options that every command has.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Options {
    /// Configuration file [default: /etc/berth/berth.toml]
    #[arg(long, global = true, env = "BERTH_CONFIG", value_name = "FILE", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Directory for what is remembered over restarts
    #[arg(
        long,
        global = true,
        env = "BERTH_STATE_DIR",
        value_name = "DIR",
        default_value = "/var/lib/berth",
        hide_env_values = true
    )]
    state_dir: PathBuf,
    /// Directory for the socket
    #[arg(
        long,
        global = true,
        env = "BERTH_RUN_DIR",
        value_name = "DIR",
        default_value = "/run/berth",
        hide_env_values = true
    )]
    run_dir: PathBuf,
    /// Directory, in a BPF file system, where everything is pinned
    #[arg(
        long,
        global = true,
        env = "BERTH_PIN_DIR",
        value_name = "DIR",
        default_value = "/sys/fs/bpf/berth",
        hide_env_values = true
    )]
    pin_dir: PathBuf,
    /// Say only what went wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice for still more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Colour in output
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

impl Options {
    /// Where this instance of berth keeps its things.
    pub fn paths(&self) -> Paths {
        Paths {
            config: self.config.clone().unwrap_or_else(|| CONFIG.into()),
            config_named: self.config.is_some(),
            state_dir: self.state_dir.clone(),
            run_dir: self.run_dir.clone(),
            pin_dir: self.pin_dir.clone(),
        }
    }
}

//! `berth set`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{arguments::Json, input::text};
use crate::api::{error::ApiError, name::Name, request::Request, set::Commands};

/// Named sets of containers, which rules match with -m set.
#[derive(Subcommand, Debug)]
pub enum SetCommand {
    /// Make a set: hash:ip, hash:net, hash:ip,port, hash:net,port, hash:ip,port,ip, hash:ip,port,net or bitmap:port
    Create {
        /// Which
        #[command(flatten)]
        which: Which,
        /// Its type
        #[arg(value_name = "TYPE")]
        kind: String,
        /// Of which addresses: inet or inet6 [default: inet]
        #[arg(long)]
        family: Option<String>,
        /// Most entries it may have [default: 65536]
        #[arg(long, value_name = "N")]
        max: Option<u32>,
        /// Of bitmap:port: the ports it may have
        #[arg(long, value_name = "FIRST-LAST")]
        range: Option<String>,
        /// The same in ipset's words, as family inet6 maxelem 1000
        #[arg(value_name = "OPTION", trailing_var_arg = true)]
        words: Vec<String>,
        /// If there is such a set already, that is well
        #[arg(long)]
        exist: bool,
    },
    /// Add entries: all of them, or none
    Add {
        /// Which
        #[command(flatten)]
        which: Which,
        /// Entries, as 192.0.2.1 or 198.51.100.0/24,tcp:80; nomatch behind one makes it an exception
        #[arg(value_name = "ENTRY", required = true)]
        entries: Vec<String>,
        /// Overlook those that are there
        #[arg(long)]
        exist: bool,
    },
    /// Take entries out: all of them, or none
    Del {
        /// Which
        #[command(flatten)]
        which: Which,
        /// Entries
        #[arg(value_name = "ENTRY", required = true)]
        entries: Vec<String>,
        /// Overlook those that are not there
        #[arg(long)]
        exist: bool,
    },
    /// Find out whether something is in a set; fails if it is not
    Test {
        /// Which
        #[command(flatten)]
        which: Which,
        /// An entry
        entry: String,
    },
    /// Show all sets, or one with its entries
    List {
        /// The container
        name: Name,
        /// The set
        set: Option<String>,
        /// How to print
        #[command(flatten)]
        json: Json,
    },
    /// Take all entries out of a set, or of all
    Flush {
        /// The container
        name: Name,
        /// The set
        set: Option<String>,
    },
    /// Remove a set, or all; those that rules name stay
    Destroy {
        /// The container
        name: Name,
        /// The set
        set: Option<String>,
    },
    /// Exchange what two sets of one type hold, at once
    Swap {
        /// Which
        #[command(flatten)]
        which: Which,
        /// And which other
        other: String,
    },
    /// Carry out a text as `ipset save` writes it: all of it, or nothing
    Restore {
        /// The container
        name: Name,
        /// The text [default: standard input]
        file: Option<PathBuf>,
        /// Overlook what is there already, or not there
        #[arg(long)]
        exist: bool,
    },
    /// Print all sets, or one, as `ipset restore` takes them
    Save {
        /// The container
        name: Name,
        /// The set
        set: Option<String>,
    },
}

/// Which set.
#[derive(Args, Debug)]
pub struct Which {
    /// The container
    name: Name,
    /// The set
    set: String,
}

impl SetCommand {
    /// What is asked, and how to print the answer.
    pub fn request(self) -> Result<(Request, bool), ApiError> {
        let request = match self {
            Self::Create { which: Which { name, set }, kind, family, max, range, words, exist } => {
                let option = |name: &str, value: Option<String>| {
                    value.map(|value| [name.to_owned(), value]).into_iter().flatten()
                };
                let options = option("family", family)
                    .chain(option("maxelem", max.map(|max| max.to_string())))
                    .chain(option("range", range));
                let rest = [kind].into_iter().chain(options).chain(words);
                change(name, "create", [set].into_iter().chain(rest), exist)
            }
            Self::Add { which: Which { name, set }, entries, exist } => {
                change(name, "add", [set].into_iter().chain(entries), exist)
            }
            Self::Del { which: Which { name, set }, entries, exist } => {
                change(name, "del", [set].into_iter().chain(entries), exist)
            }
            Self::Test { which: Which { name, set }, entry } => Request::SetTest { name, set, entry },
            Self::List { name, set, json: Json { json } } => {
                return Ok((Request::SetsList { name, set }, json));
            }
            Self::Flush { name, set } => change(name, "flush", set, false),
            Self::Destroy { name, set } => change(name, "destroy", set, false),
            Self::Swap { which: Which { name, set }, other } => change(name, "swap", [set, other], false),
            Self::Restore { name, file, exist } => {
                Request::SetsChange { name, commands: Commands::Text(text(file)?), exist }
            }
            Self::Save { name, set } => Request::SetsSave { name, set },
        };
        Ok((request, false))
    }
}

fn change(name: Name, command: &str, words: impl IntoIterator<Item = String>, exist: bool) -> Request {
    let words = std::iter::once(command.to_owned()).chain(words).collect();
    Request::SetsChange { name, commands: Commands::Words(words), exist }
}

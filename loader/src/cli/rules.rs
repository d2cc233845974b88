//! `berth rules`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{arguments::Json, input::text};
use crate::api::{
    error::ApiError,
    name::Name,
    request::Request,
    rules::{Edit, Family, Restore, Table},
};

/// Rules of containers, in the language of iptables-save.
#[derive(Subcommand, Debug)]
pub enum RulesCommand {
    /// Replace the tables that a text gives; those it does not name stay
    Restore {
        /// Whose, and of which family
        #[command(flatten)]
        whose: Whose,
        /// iptables-save text [default: standard input]
        file: Option<PathBuf>,
        /// Undo it after so many seconds, unless `berth rules confirm` comes first
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Find out whether a text could be put in force, and what it would cost
    Check {
        /// Whose, and of which family
        #[command(flatten)]
        whose: Whose,
        /// iptables-save text [default: standard input]
        file: Option<PathBuf>,
    },
    /// Show how the rules in force differ from a text
    Diff {
        /// Whose, and of which family
        #[command(flatten)]
        whose: Whose,
        /// iptables-save text [default: standard input]
        file: Option<PathBuf>,
    },
    /// Print the rules as iptables-save would
    Save {
        /// Whose, and of which family
        #[command(flatten)]
        whose: Whose,
        /// With what they have counted
        #[arg(long, short)]
        counters: bool,
    },
    /// Show the rules one by one; with -v also what they have counted
    List {
        /// Whose, and of which family
        #[command(flatten)]
        whose: Whose,
        /// How to print
        #[command(flatten)]
        json: Json,
    },
    /// Add a rule at the end of a chain, as iptables -A does
    Append(EditArguments),
    /// Put a rule into a chain, first or at a number, as iptables -I does
    Insert(EditArguments),
    /// Take a rule out of a chain, by its number or its words, as iptables -D does
    Delete(EditArguments),
    /// Take all rules of the family away and let everything pass
    Flush {
        /// Whose, and of which family
        #[command(flatten)]
        whose: Whose,
    },
    /// Keep the last change, which was made with --confirm
    Confirm {
        /// The container
        name: Name,
    },
}

/// Whose rules, and of which family.
#[derive(Args, Debug)]
pub struct Whose {
    /// The container
    name: Name,
    /// The rules for IPv6, as ip6tables has them
    #[arg(long, short = '6')]
    ipv6: bool,
}

/// When to undo a change.
#[derive(Args, Debug, Clone, Copy)]
pub struct Confirm {
    /// Undo it after so many seconds, unless `berth rules confirm` comes first
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    confirm: Option<u64>,
}

/// A change of one chain.
#[derive(Args, Debug)]
pub struct EditArguments {
    /// Table
    #[arg(long, short, default_value = "filter")]
    table: Table,
    /// The rules for IPv6, as ip6tables has them
    #[arg(long, short = '6')]
    ipv6: bool,
    /// When to undo it
    #[command(flatten)]
    confirm: Confirm,
    /// The container
    name: Name,
    /// Chain, number where one is given, and the rule's words, as in INPUT -p tcp --dport 22 -j ACCEPT
    #[arg(value_name = "CHAIN RULE", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl RulesCommand {
    /// What is asked, and how to print the answer.
    pub fn request(self) -> Result<(Request, bool), ApiError> {
        Ok(match self {
            Self::Restore { whose, file, confirm } => {
                let family = whose.family();
                let (name, confirm) = (whose.name, confirm.confirm);
                let text = text(file)?;
                (Request::RulesRestore(Restore { name, family, text, check: false, confirm }), false)
            }
            Self::Check { whose, file } => {
                let family = whose.family();
                let text = text(file)?;
                let restore = Restore { name: whose.name, family, text, check: true, confirm: None };
                (Request::RulesRestore(restore), false)
            }
            Self::Diff { whose, file } => {
                let family = whose.family();
                (Request::RulesDiff { name: whose.name, family, text: text(file)? }, false)
            }
            Self::Save { whose, counters } => {
                let family = whose.family();
                (Request::RulesSave { name: whose.name, family, counters }, false)
            }
            Self::List { whose, json: Json { json } } => {
                let family = whose.family();
                (Request::RulesList { name: whose.name, family }, json)
            }
            Self::Append(edit) => (edit.request("-A"), false),
            Self::Insert(edit) => (edit.request("-I"), false),
            Self::Delete(edit) => (edit.request("-D"), false),
            Self::Flush { whose } => {
                let family = whose.family();
                (Request::RulesFlush { name: whose.name, family }, false)
            }
            Self::Confirm { name } => (Request::RulesConfirm { name }, false),
        })
    }
}

impl Whose {
    const fn family(&self) -> Family {
        family(self.ipv6)
    }
}

impl EditArguments {
    fn request(self, command: &str) -> Request {
        let Self { table, ipv6, confirm: Confirm { confirm }, name, words } = self;
        let command = std::iter::once(command.to_owned()).chain(words).collect();
        Request::RulesEdit(Edit { name, family: family(ipv6), table, command, confirm })
    }
}

const fn family(ipv6: bool) -> Family {
    if ipv6 { Family::Ipv6 } else { Family::Ipv4 }
}

/// Seconds, with or without an `s` behind.
fn seconds(text: &str) -> Result<u64, String> {
    match text.strip_suffix('s').unwrap_or(text).parse() {
        Ok(seconds) if seconds > 0 => Ok(seconds),
        _ => Err("give a number of seconds, as in 60".to_owned()),
    }
}

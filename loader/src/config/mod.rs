//! What the operator has written down: `berth.toml`, and a file for each declared container in `containers/` beside
//! it.

mod declared;
mod defaults;
mod error;
mod file;
mod limits;
mod mark;
mod nat;
mod pattern;
mod runtimes;
mod template;

pub use declared::{Declaration, Declared, declared};
pub use defaults::Defaults;
pub use error::ConfigError;
pub use file::{Config, KeepVerdicts, LocalPortRange, Unowned};
pub use limits::{Limits, of_flows};
pub use mark::MarkBits;
pub use nat::{Nat, NatPorts};
pub use pattern::{Glob, Pattern};
pub use runtimes::Runtimes;
pub use template::Template;

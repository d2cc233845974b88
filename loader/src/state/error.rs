//! What can go wrong with the state file.

use std::{io, path::PathBuf};

use super::record::VERSION;

/// Why the state cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system said no.
    #[error("cannot {what} {}; {error}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A later berth wrote it.
    #[error(
        "{} has version {found}, this berth knows up to {VERSION}; use the berth that wrote it, or move the file away to start afresh",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// No berth wrote it.
    #[error(
        "{} is damaged; {error}; restore it from a backup, or move it away to start afresh (it was left as it is)",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: serde_json::Error,
    },
}

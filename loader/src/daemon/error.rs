//! What can keep the daemon from running.

use std::{io, path::PathBuf};

use crate::{
    api::error::{ApiError, Code},
    control::ControlError,
};

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Its threads or timers could not be had.
    #[error("cannot start; {0}")]
    Runtime(#[source] io::Error),
    /// The socket could not be made.
    #[error("cannot serve {}; {error}", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The system's changes cannot be followed.
    #[error("cannot watch {what}; {error}")]
    Watch {
        /// Changes of what.
        what: &'static str,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The events cannot be read.
    #[error("cannot read events; {0}")]
    Events(#[from] ControlError),
}

impl From<DaemonError> for ApiError {
    fn from(error: DaemonError) -> Self {
        Self::new(Code::Failed, error.to_string())
    }
}

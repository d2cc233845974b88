//! What can be wrong with configuration.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::api::name::NameError;

/// Why configuration is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}; {error}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The file says something it must not.
    #[error("{}:{line}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The file declares a container that can have no such name.
    #[error("{}: {error}; rename the file", path.display())]
    FileName {
        /// The file.
        path: PathBuf,
        /// What is wrong with the name.
        #[source]
        error: NameError,
    },
}

impl ConfigError {
    /// About what stands after `key` in `text`, the content of `path`; about its first line if that is nowhere.
    pub(super) fn of_key(path: &Path, text: &str, key: &str, message: impl Into<String>) -> Self {
        let is_key = |line: &str| line.split('=').next().is_some_and(|word| word.trim() == key);
        let line = text.lines().position(is_key).unwrap_or(0) + 1;
        Self::Content { path: path.to_owned(), line, message: message.into() }
    }

    /// From what the parser found in `text`, the content of `path`.
    pub(super) fn content(path: PathBuf, text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(start).filter(|&byte| byte == b'\n').count() + 1;
        let message = error.message().lines().collect::<Vec<_>>().join(" ");
        Self::Content { path, line, message }
    }
}

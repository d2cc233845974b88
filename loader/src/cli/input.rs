//! What is given in a file.

use std::{fs, io, io::Read as _, path::PathBuf};

use crate::api::error::{ApiError, Code};

/// What is in a file, or on standard input.
pub fn text(file: Option<PathBuf>) -> Result<String, ApiError> {
    let (name, bytes) = match file {
        Some(path) if path.as_os_str() != "-" => (path.display().to_string(), fs::read(&path)),
        _ => {
            let mut bytes = Vec::new();
            ("standard input".to_owned(), io::stdin().read_to_end(&mut bytes).map(|_| bytes))
        }
    };
    let bytes = bytes.map_err(|error| ApiError::new(Code::Failed, format!("cannot read {name}; {error}")))?;
    String::from_utf8(bytes).map_err(|_| {
        ApiError::new(
            Code::Failed,
            format!("{name} is not text; give what iptables-save or ipset save writes"),
        )
    })
}

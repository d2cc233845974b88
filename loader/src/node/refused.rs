//! What is kept of a refusal by the kernel's verifier.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::{NodeError, Paths};
use crate::control::{ControlError, Refusal};

/// Keeps the verifier's log, if the error is about that, and says where.
pub fn keep(paths: &Paths, error: NodeError) -> NodeError {
    match error {
        NodeError::Control(ControlError::Refused(refusal)) => {
            let log = write(&paths.state_dir, &refusal);
            NodeError::Refused { refusal, log }
        }
        other => other,
    }
}

/// Writes the whole log into a file of the program's name, in the place of an earlier one.
fn write(directory: &Path, refusal: &Refusal) -> io::Result<PathBuf> {
    let path = directory.join(format!("refused-{}.log", refusal.program));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    file.write_all(refusal.log.as_bytes())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::error::{ApiError, Code},
        control::Place,
    };

    fn refused(log: &str) -> NodeError {
        NodeError::Control(ControlError::Refused(Box::new(Refusal {
            program: "berth_send",
            place: Place::Line { file: "ebpf/src/hooks/cgroup.rs".to_owned(), line: 7 },
            complaint: "invalid mem access 'scalar'".to_owned(),
            excerpt: vec!["1: (79) r6 = *(u64 *)(r1 +0)".to_owned()],
            log: log.to_owned(),
            error: io::Error::from_raw_os_error(libc::EACCES),
        })))
    }

    fn paths(state_dir: PathBuf) -> Paths {
        let none = PathBuf::new;
        Paths { config: none(), config_named: false, state_dir, run_dir: none(), pin_dir: none() }
    }

    #[test]
    fn the_whole_log_is_kept_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let paths = paths(directory.path().join("state"));
        for log in ["the first, longer one", "the second"] {
            let error = ApiError::from(keep(&paths, refused(log)));
            let file = paths.state_dir.join("refused-berth_send.log");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), log);
            let beginning = "the kernel's verifier refuses program berth_send at ebpf/src/hooks/cgroup.rs:7: \
                             invalid mem access 'scalar'; its whole log is in ";
            assert!(error.message.starts_with(beginning), "{}", error.message);
            assert!(error.message.contains(file.to_str().unwrap()), "{}", error.message);
            assert_eq!(error.code, Code::Unverified);
            assert_eq!(error.details, ["1: (79) r6 = *(u64 *)(r1 +0)"]);
        }
    }

    #[test]
    fn that_it_cannot_be_kept_hides_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = ApiError::from(keep(&paths(file), refused("log")));
        assert!(error.message.contains("could not be kept") && error.message.contains("berth_send"));
        assert_eq!((error.code, error.details.len()), (Code::Unverified, 1));
    }
}

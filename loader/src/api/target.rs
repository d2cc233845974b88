//! How a container is to be recognised.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::runtime::RuntimeNames;

/// How a container is to be recognised, in the words of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Paths of cgroups, in the file system or in the hierarchy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cgroups: Vec<PathBuf>,
    /// The node's side of its own interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// One of its processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its names in runtimes, by the runtime's: as in `"lxc": "web"`. Whatever else is given is taken for a runtime, and refused.
    #[serde(flatten)]
    pub runtimes: RuntimeNames,
}

impl Target {
    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::runtime::Runtime;

    #[test]
    fn runtimes_are_fields_like_others() {
        let text = r#"{"interface":"veth0","lxc":"web","podman":"web"}"#;
        let target: Target = serde_json::from_str(text).unwrap();
        assert_eq!(target.interface.as_deref(), Some("veth0"));
        assert_eq!(target.runtimes.keys().copied().collect::<Vec<_>>(), [Runtime::Lxc, Runtime::Podman]);
        assert_eq!(serde_json::to_string(&target).unwrap(), text);
        let error = serde_json::from_str::<Target>(r#"{"jail":"web"}"#).unwrap_err().to_string();
        assert!(error.contains("unknown variant `jail`, expected one of `lxc`"), "{error}");
    }
}

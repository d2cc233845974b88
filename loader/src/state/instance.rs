//! Which node the pins were made for.

use serde::{Deserialize, Serialize};

/// A network namespace, in one run of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The kernel's boot id.
    pub boot: String,
    /// Cookie of the network namespace.
    pub netns: u64,
}

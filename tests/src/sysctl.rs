//! Kernel settings of one network namespace.

use std::fs;

use anyhow::{Context, Result};

use crate::netns::{Netns, in_netns};

/// Sets `net.<key>`; the parts of a key are separated by slashes, since interface names may hold dots.
pub fn set(netns: &Netns, key: &str, value: &str) -> Result<()> {
    // /proc/sys/net is that of the thread which opens it.
    in_netns(netns, || fs::write(format!("/proc/sys/net/{key}"), value))?
        .with_context(|| format!("set net.{key}"))
}

/// Reads `net.<key>`.
pub fn get(netns: &Netns, key: &str) -> Result<String> {
    let value = in_netns(netns, || fs::read_to_string(format!("/proc/sys/net/{key}")))?;
    Ok(value.with_context(|| format!("read net.{key}"))?.trim().to_owned())
}

//! How many cases tests of many cases try: fewer in an emulated machine, more for those who hunt something.

use std::env;

use anyhow::{Context, Result};
use berth_common::memory::generate::cases;

/// Another seed makes other cases.
const SEED: &str = "BERTH_SEED";

/// `usual`, or as many as the environment wants (in percent, `BERTH_CASES`), but never fewer than `least`, below which
/// they prove nothing.
pub fn number(usual: usize, least: usize) -> Result<usize> {
    let wanted = cases::number(u32::try_from(usual)?).context("BERTH_CASES is to be a number")?;
    Ok(usize::try_from(wanted)?.max(least))
}

/// What the cases are drawn from: the same each time, unless the environment wants others.
pub fn seed() -> Result<u64> {
    let Ok(text) = env::var(SEED) else { return Ok(1) };
    text.parse().with_context(|| format!("{SEED} is to be a number: {text}"))
}

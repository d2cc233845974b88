//! How many cases tests of many cases try: fewer in an emulated machine, more for those who hunt something.

use std::env;

use anyhow::{Context, Result};

/// Percent of the usual number of cases.
const PERCENT: &str = "BERTH_CASES";
/// Another seed makes other cases.
const SEED: &str = "BERTH_SEED";

/// `usual`, or as many as the environment wants, but never fewer than `least`, below which they prove nothing.
pub fn number(usual: usize, least: usize) -> Result<usize> {
    let percent = variable(PERCENT)?.unwrap_or(100);
    Ok(scaled(usual, percent).max(least))
}

/// What the cases are drawn from: the same each time, unless the environment wants others.
pub fn seed() -> Result<u64> {
    Ok(variable(SEED)?.unwrap_or(1))
}

fn scaled(usual: usize, percent: u64) -> usize {
    usize::try_from((usual as u64).saturating_mul(percent) / 100).unwrap_or(usize::MAX)
}

fn variable(name: &str) -> Result<Option<u64>> {
    let parse = |text: String| text.parse().with_context(|| format!("{name} is to be a number: {text}"));
    env::var(name).ok().map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn percentages_go_both_ways() {
        assert_eq!(scaled(200, 5), 10);
        assert_eq!(scaled(200, 1_000), 2_000);
        assert_eq!(scaled(usize::MAX, 200), usize::MAX / 100);
    }
}

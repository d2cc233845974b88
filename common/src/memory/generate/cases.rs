//! How many cases tests of many cases try: fewer in an emulated machine, more for those who hunt something.

use core::num::ParseIntError;
use std::env;

/// Percent of the usual number of cases.
const PERCENT: &str = "BERTH_CASES";

/// `usual`, or as much of it or more as the environment wants, but at least one. An error if it wants what is no number.
pub fn number(usual: u32) -> Result<u32, ParseIntError> {
    let percent = env::var(PERCENT).map_or(Ok(100), |text| text.parse())?;
    Ok(scaled(usual, percent).max(1))
}

fn scaled(usual: u32, percent: u64) -> u32 {
    u32::try_from(u64::from(usual).saturating_mul(percent) / 100).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn percentages_go_both_ways() {
        assert_eq!(scaled(200, 5), 10);
        assert_eq!(scaled(200, 1_000), 2_000);
        assert_eq!(scaled(u32::MAX, 200), u32::MAX);
    }
}

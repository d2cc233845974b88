//! Numbers for people.

use crate::api::traffic::Traffic;

/// An amount of bytes, with three digits or so.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1_024 {
        return format!("{count} B");
    }
    // In tenths of the unit, without a detour over floating point.
    let mut tenths = u128::from(count) * 10 / 1_024;
    let mut unit = 0;
    while tenths >= 10_240 {
        tenths /= 1_024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// Packets and bytes.
pub fn traffic(traffic: Traffic) -> String {
    format!("{} ({})", traffic.packets, bytes(traffic.bytes))
}

/// A span of time, roughly.
pub fn milliseconds(span: u64) -> String {
    if span < 10_000 {
        format!("{}.{}s", span / 1_000, span % 1_000 / 100)
    } else {
        humantime::format_duration(std::time::Duration::from_secs(span / 1_000)).to_string().replace(' ', "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units() {
        assert_eq!(bytes(1_023), "1023 B");
        assert_eq!(bytes(1_024), "1.0 KiB");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(bytes(5 * 1_024 * 1_024), "5.0 MiB");
        assert_eq!(bytes(u64::MAX), "15.9 EiB");
    }

    #[test]
    fn spans_are_short() {
        assert_eq!(milliseconds(1_250), "1.2s");
        assert_eq!(milliseconds(432_000_000), "5days");
        assert_eq!(milliseconds(119_999), "1m59s");
    }
}

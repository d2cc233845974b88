//! Random ports, marks, names and texts.

use berth_common::memory::generate::Random;

use crate::rules::values::{mark::MaskedMark, ports::PortRange, rate::Rate};

/// 32 bits.
pub(super) fn word32(random: &mut Random) -> u32 {
    let [a, b, c, d, ..] = random.bits().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// 16 bits.
pub(super) fn word16(random: &mut Random) -> u16 {
    u16::from_le_bytes([random.byte(), random.byte()])
}

/// A number below `end`.
pub(super) fn below(random: &mut Random, end: u16) -> u16 {
    u16::try_from(random.below(end.into())).unwrap_or_default()
}

/// A port, mostly one that is used.
pub(super) fn port(random: &mut Random) -> u16 {
    if random.once_in(4) {
        word16(random)
    } else {
        random.pick(&[0, 22, 25, 53, 80, 443, 1023, 1024, 8080, 65_535]).unwrap_or_default()
    }
}

/// A port or a range that is not every port.
pub(super) fn ports(random: &mut Random) -> PortRange {
    let (a, b) = (port(random), port(random));
    let range = PortRange { first: a.min(b), last: a.max(b) };
    if random.once_in(2) || range == PortRange::ALL { PortRange::one(a) } else { range }
}

/// A word of a mark.
pub(super) fn word(random: &mut Random) -> u32 {
    if random.once_in(4) {
        word32(random)
    } else {
        random.pick(&[0, 1, 2, 0x10, 0xff, 0xffff, u32::MAX]).unwrap_or_default()
    }
}

/// A mark with its mask.
pub(super) fn mark(random: &mut Random) -> MaskedMark {
    let mask = if random.once_in(2) { u32::MAX } else { word(random) };
    MaskedMark { value: word(random), mask }
}

/// A rate that kernels take with bursts up to 100: they refuse what a day would not refill.
pub(super) fn rate<const SCALE: u64>(random: &mut Random) -> Rate<SCALE> {
    let (seconds, least, most) =
        random.pick(&[(1, 1, 10_000), (60, 1, 600), (3_600, 7, 3_600)]).unwrap_or((1, 1, 1));
    Rate::new(u64::from(least + below(random, most)), seconds)
}

/// A text of at most `most` bytes.
pub(super) fn text(random: &mut Random, most: usize) -> String {
    const SIGNS: [char; 16] =
        ['a', 'B', '7', ' ', '-', '_', '"', '\\', '\'', '#', '!', ':', '*', '[', 'é', '→'];
    let usual = if random.once_in(8) { most } else { 12 };
    let wanted = 1 + random.below(usual);
    let mut text = String::new();
    while text.len() < wanted {
        let Some(sign) = random.pick(&SIGNS) else { break };
        if text.len() + sign.len_utf8() > most {
            break;
        }
        text.push(sign);
    }
    text
}

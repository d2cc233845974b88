//! Checks: what must be asked for each packet, at the entry.

use super::{
    limit,
    lines::Lines,
    surroundings::{External, Surroundings},
    walk::Walk,
};
use crate::{
    abi::rules::{
        check::{self, CHECK_WORDS, Check},
        entry::{Entry, MAX_CHECKS},
        half,
    },
    engine::tables::Word,
};

impl<L: Lines, S: Surroundings> Walk<'_, L, S> {
    /// Whether all checks of the entry hold: asked in order, up to the first that does not. Nothing if they make no
    /// sense.
    #[inline(always)]
    pub(super) fn holds(&mut self, entry: &Entry) -> Option<bool> {
        for number in 0..MAX_CHECKS {
            if number >= entry.checks as u32 {
                break;
            }
            let check = self.read_check(entry.first_check.wrapping_add(number))?;
            if !self.check(&check)? {
                return Some(false);
            }
        }
        Some(true)
    }

    #[inline(always)]
    fn read_check(&self, index: u32) -> Option<Check> {
        let line = self.lines.line(index >> 1)?;
        let (lower, upper) = line.split_first_chunk::<CHECK_WORDS>()?;
        let words = if index & 1 == 0 { lower } else { upper.first_chunk::<CHECK_WORDS>()? };
        Some(Check::from_words(*words))
    }

    #[inline(always)]
    fn check(&mut self, check: &Check) -> Option<bool> {
        let [first, second, _] = check.parameters;
        let answer = match check.kind {
            check::MARK => self.state.mark & half(first, 1) == half(first, 0),
            check::MAC => match self.surroundings.source_mac() {
                Some(address) => address == first,
                None => return Some(false),
            },
            check::TCP_OPTION => match self.surroundings.has_tcp_option(first as u8) {
                Some(answer) => answer,
                None => return Some(false),
            },
            check::RANDOM => ((self.surroundings.random() & 0x7fff_ffff) as u64) < first,
            check::NTH => is_turn(self.lines.word(check.place)?, first),
            check::LIMIT => {
                limit::take(self.lines.word(check.place)?, self.surroundings.now(), first, second)
            }
            check::EXTERNAL => self.surroundings.external(&External {
                kind: check.external,
                id: check.place,
                parameters: check.parameters,
                mark: self.state.mark,
            }),
            _ => return None,
        };
        Some(answer != check.inverted)
    }
}

/// One packet in `every`: counts up from where the state begins, and it is the turn of the packet that finds a multiple.
/// Every number is drawn once, whoever else draws at the same time.
#[inline(always)]
fn is_turn<W: Word>(state: W, every: u64) -> bool {
    state.add(1).checked_rem(every) == Some(0)
}

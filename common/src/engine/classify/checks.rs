//! Checks: what must be asked for each packet, at the entry.

use super::{
    limit,
    lines::Lines,
    surroundings::{Answer, External, Surroundings},
    walk::Walk,
};
use crate::{
    abi::rules::{
        check::{self, CHECK_WORDS, Check},
        entry::{Entry, MAX_CHECKS},
        external::{SET, Set},
        half,
    },
    engine::tables::Word,
};

impl<L: Lines, S: Surroundings> Walk<'_, L, S> {
    /// Whether all checks of the entry hold: asked in order, up to the first that does not; after a wait, from the one on
    /// that was waited for. Nothing if they make no sense.
    #[inline(always)]
    pub(super) fn holds(&mut self, entry: &Entry) -> Option<Answer> {
        let held = self.state.held as u32;
        for number in 0..MAX_CHECKS {
            if number >= entry.checks as u32 {
                break;
            }
            if number < held {
                continue;
            }
            let check = self.read_check(entry.first_check.wrapping_add(number))?;
            let answer = self.check(&check)?;
            if answer != Answer::Yes {
                self.state.held = if answer == Answer::Later { number as u8 } else { 0 };
                return Some(answer);
            }
        }
        self.state.held = 0;
        Some(Answer::Yes)
    }

    #[inline(always)]
    fn read_check(&self, index: u32) -> Option<Check> {
        let line = self.lines.line(index >> 1)?;
        let (lower, upper) = line.split_first_chunk::<CHECK_WORDS>()?;
        let words = if index & 1 == 0 { lower } else { upper.first_chunk::<CHECK_WORDS>()? };
        Some(Check::from_words(*words))
    }

    #[inline(always)]
    fn check(&mut self, check: &Check) -> Option<Answer> {
        let [first, second, _] = check.parameters;
        let answer = match check.kind {
            check::MARK => self.state.mark & half(first, 1) == half(first, 0),
            check::MAC => match self.surroundings.source_mac() {
                Some(address) => address == first,
                None => return Some(Answer::No),
            },
            check::TCP_OPTION => match self.surroundings.has_tcp_option(first as u8) {
                Some(answer) => answer,
                None => return Some(Answer::No),
            },
            check::RANDOM => ((self.surroundings.random() & 0x7fff_ffff) as u64) < first,
            check::NTH => is_turn(self.lines.word(check.place)?, first),
            check::LIMIT => {
                limit::take(self.lines.word(check.place)?, self.surroundings.now(), first, second)
            }
            check::EXTERNAL if check.external == SET => {
                self.surroundings.in_set(check.place, Set::from_parameters(check.parameters))?
            }
            check::EXTERNAL => match self.external(check) {
                Answer::No => false,
                Answer::Yes => true,
                other => return Some(other),
            },
            _ => return None,
        };
        Some(Answer::from(answer != check.inverted))
    }

    /// What somebody else says, or has said after a wait.
    #[inline(always)]
    fn external(&mut self, check: &Check) -> Answer {
        if self.state.asks {
            self.state.asks = false;
            return self.state.answer;
        }
        let Check { external: kind, place: id, parameters, .. } = *check;
        self.state.asked = External { kind, id, parameters, mark: self.state.mark };
        let answer = self.surroundings.external(&self.state.asked);
        self.state.asks = answer == Answer::Later;
        self.state.answer = answer;
        answer
    }
}

/// One packet in `every`: counts up from where the state begins, and it is the turn of the packet that finds a multiple.
/// Every number is drawn once, whoever else draws at the same time.
#[inline(always)]
fn is_turn<W: Word>(state: W, every: u64) -> bool {
    state.add(1).checked_rem(every) == Some(0)
}

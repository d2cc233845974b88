//! Parameters of the check for a list of recent addresses.

use super::bit;

/// What is done with the list. The check itself is never inverted: what is done depends on the inverted answer
/// (net/netfilter/xt_recent.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recent {
    /// What is done.
    pub action: RecentAction,
    /// Whether the address is the destination's.
    pub destination: bool,
    /// Whether the answer is inverted.
    pub inverted: bool,
    /// How many leading bits of the address count: the list's, whatever the rule.
    pub prefix: u8,
    /// Of check and update: how often and when it must have been seen.
    pub seen: Seen,
}

/// What is done with a list of recent addresses.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecentAction {
    /// The address is added, or its time renewed; holds.
    Set = 0,
    /// Is it there?
    Check = 1,
    /// Is it there? If the answer, inverted or not, is yes, its time is renewed.
    Update = 2,
    /// Is it there? If so it is removed.
    Remove = 3,
}

/// How often and when an address must have been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Within how many nanoseconds; zero is at any time.
    pub within: u64,
    /// How often; zero is once.
    pub hits: u16,
    /// Whether older times are forgotten on the way.
    pub reap: bool,
    /// Whether the packet's time to live must be that of the packet that was seen last.
    pub same_ttl: bool,
}

impl Recent {
    /// As parameters.
    pub const fn to_parameters(self) -> [u64; 3] {
        let flags = (self.destination as u64) << 8
            | (self.inverted as u64) << 9
            | (self.seen.reap as u64) << 10
            | (self.seen.same_ttl as u64) << 11;
        let numbers = (self.seen.hits as u64) << 16 | (self.prefix as u64) << 32;
        [self.action as u64 | flags | numbers, self.seen.within, 0]
    }

    /// From parameters.
    #[inline(always)]
    pub const fn from_parameters([word, within, _]: [u64; 3]) -> Self {
        Self {
            action: match word & 3 {
                0 => RecentAction::Set,
                1 => RecentAction::Check,
                2 => RecentAction::Update,
                _ => RecentAction::Remove,
            },
            destination: bit(word, 8),
            inverted: bit(word, 9),
            prefix: (word >> 32) as u8,
            seen: Seen { within, hits: (word >> 16) as u16, reap: bit(word, 10), same_ttl: bit(word, 11) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_written() {
        for action in [RecentAction::Set, RecentAction::Check, RecentAction::Update, RecentAction::Remove] {
            for set in 0..5 {
                let flag = |number| number == set;
                let seen = Seen { within: u64::MAX, hits: u16::MAX, reap: flag(0), same_ttl: flag(1) };
                let recent = Recent { action, destination: flag(2), inverted: flag(3), prefix: 128, seen };
                assert_eq!(Recent::from_parameters(recent.to_parameters()), recent);
            }
        }
    }
}

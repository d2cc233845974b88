//! What a walk asks of its surroundings, and tells them.

use crate::abi::{rules::external::Set, units::Nanos};

/// A check that somebody else answers: recent, hashlimit, connlimit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct External {
    /// What is asked: a number that compiler and answerer agree on.
    pub kind: u8,
    /// Of which object.
    pub id: u32,
    /// How.
    pub parameters: [u64; 3],
    /// The packet's mark at this moment.
    pub mark: u32,
}

/// What a check that somebody else answers comes to.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// No.
    No = 0,
    /// Yes.
    Yes = 1,
    /// It cannot be told, since the container keeps as much as it may: the packet is dropped, as netfilter drops what it
    /// finds no memory for.
    OverQuota = 2,
    /// It cannot be told, since the node's table is full: the same.
    TableFull = 3,
    /// It is told later: the walk waits until then ([`State::is_waiting`](super::State::is_waiting)).
    Later = 4,
}

impl From<bool> for Answer {
    #[inline(always)]
    fn from(answer: bool) -> Self {
        if answer { Self::Yes } else { Self::No }
    }
}

/// The rest of the world, for one packet.
pub trait Surroundings {
    /// The time.
    fn now(&mut self) -> Nanos;

    /// 32 random bits.
    fn random(&mut self) -> u32;

    /// The source MAC address as a number; nothing where the packet has none.
    fn source_mac(&mut self) -> Option<u64>;

    /// Whether the TCP header has an option of this kind; nothing where there is no TCP header.
    fn has_tcp_option(&mut self, kind: u8) -> Option<bool>;

    /// Whether the packet is in the named set with this number. Nothing if there is something by that number that is no set.
    fn in_set(&mut self, number: u32, asked: Set) -> Option<bool>;

    /// Answers a check.
    fn external(&mut self, check: &External) -> Answer;

    /// A rule logs the packet: the rule's id in the ruleset, the lower half of that one's stamp, and the packet's mark at
    /// this moment.
    fn log(&mut self, id: u32, ruleset: u32, mark: u32);

    /// The packet was counted in this counter.
    #[inline(always)]
    fn counted(&mut self, counter: u32) {
        let _ = counter;
    }
}

impl<S: Surroundings> Surroundings for &mut S {
    #[inline(always)]
    fn now(&mut self) -> Nanos {
        (**self).now()
    }

    #[inline(always)]
    fn random(&mut self) -> u32 {
        (**self).random()
    }

    #[inline(always)]
    fn source_mac(&mut self) -> Option<u64> {
        (**self).source_mac()
    }

    #[inline(always)]
    fn has_tcp_option(&mut self, kind: u8) -> Option<bool> {
        (**self).has_tcp_option(kind)
    }

    #[inline(always)]
    fn in_set(&mut self, number: u32, asked: Set) -> Option<bool> {
        (**self).in_set(number, asked)
    }

    #[inline(always)]
    fn external(&mut self, check: &External) -> Answer {
        (**self).external(check)
    }

    #[inline(always)]
    fn log(&mut self, id: u32, ruleset: u32, mark: u32) {
        (**self).log(id, ruleset, mark);
    }

    #[inline(always)]
    fn counted(&mut self, counter: u32) {
        (**self).counted(counter);
    }
}

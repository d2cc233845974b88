//! Counters of both directions of an interface.

use std::ops::Sub;
use std::time::Duration;

use anyhow::Result;

use super::counter::{Counter, Counts, Direction, Place};
use crate::netns::Netns;
use crate::wait::{self, LIMIT};

/// How long nothing has to pass before it is taken that nothing will.
const QUIET: Duration = Duration::from_millis(100);

/// A counter for each direction of an interface.
#[derive(Debug)]
pub struct Pair {
    ingress: Counter,
    egress: Counter,
}

/// What a [`Pair`] has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairCounts {
    /// From the wire to the host.
    pub ingress: Counts,
    /// From the host to the wire.
    pub egress: Counts,
}

impl Pair {
    /// Counts what passes an interface from now on.
    pub fn attach(netns: &Netns, interface: &str, place: Place) -> Result<Self> {
        let attach = |direction| Counter::attach(netns, interface, direction, place);
        Ok(Self { ingress: attach(Direction::Ingress)?, egress: attach(Direction::Egress)? })
    }

    /// What has passed so far.
    pub fn read(&self) -> Result<PairCounts> {
        Ok(PairCounts { ingress: self.ingress.read()?, egress: self.egress.read()? })
    }

    /// Waits until nothing passes any more, and gives what has passed.
    pub fn settle(&self) -> Result<PairCounts> {
        wait::until("the interface to fall quiet", LIMIT, || {
            let before = self.read()?;
            std::thread::sleep(QUIET);
            Ok(Some(before).filter(|&before| self.read().is_ok_and(|now| now == before)))
        })
    }
}

impl Sub for PairCounts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { ingress: self.ingress - earlier.ingress, egress: self.egress - earlier.egress }
    }
}

//! What the packets have met: agreement means little where nothing happens.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, ensure};
use berth_common::abi::counters::Both;
use berth_common::abi::reason::Reason;

use crate::trial::Tally;

/// Reasons that no packet of a test run can meet: those of calls, and of rules and translation, which have tests of their own.
const UNREACHABLE: &[Reason] = &[
    Reason::None,
    Reason::BindConflict,
    Reason::BindDenied,
    Reason::PortQuota,
    Reason::BypassDenied,
    Reason::Rule,
    Reason::Rejected,
    Reason::RulesDamaged,
    Reason::RulesBusy,
    Reason::GuardQuota,
    Reason::GuardTableFull,
    Reason::NatPorts,
    Reason::NatTableFull,
    Reason::NotTranslated,
];

/// How often each thing was counted.
#[derive(Default)]
pub struct Coverage {
    reasons: BTreeMap<Reason, u64>,
    /// Packets of owners at uplinks, within the node, on own interfaces, forwarded; of nobody; not IP.
    places: [u64; 6],
}

impl Coverage {
    /// Adds what was counted in one trial.
    pub fn add(&mut self, tally: &Tally) {
        let packets = |both: &Both| both.inward.packets + both.outward.packets;
        let [owners @ .., unowned, non_ip] = tally;
        let [uplink, local, interface, forwarded, nobody, other] = &mut self.places;
        for counters in owners {
            *uplink += packets(&counters.uplink);
            *local += packets(&counters.local);
            *interface += packets(&counters.interface);
            *forwarded += packets(&counters.forwarded);
        }
        *nobody += packets(&unowned.uplink);
        *other += packets(&non_ip.uplink);
        for counters in tally {
            for &reason in Reason::ALL {
                *self.reasons.entry(reason).or_default() += counters.drops_for(reason);
            }
        }
    }

    /// Fails if there is a kind of place where no packet came by.
    pub fn expect_places(&self) -> Result<()> {
        ensure!(self.places.iter().all(|&count| count > 0), "something was never counted: {self}");
        Ok(())
    }

    /// Fails if there is a reason, but these, for which no packet was dropped that could have been.
    pub fn expect_all_but(&self, missing: &[Reason]) -> Result<()> {
        let reasons = Reason::ALL.iter().filter(|reason| !UNREACHABLE.contains(reason));
        for reason in reasons.filter(|reason| !missing.contains(reason)) {
            ensure!(self.reasons.get(reason).is_some_and(|&count| count > 0), "never: {}", reason.name());
        }
        Ok(())
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [uplink, local, interface, forwarded, nobody, other] = self.places;
        write!(f, "packets: uplink {uplink}, local {local}, interface {interface}, forwarded {forwarded}, ")?;
        write!(f, "unowned {nobody}, not IP {other}; drops:")?;
        let met = self.reasons.iter().filter(|(_, count)| **count > 0);
        met.into_iter().try_for_each(|(reason, count)| write!(f, " {} {count}", reason.name()))
    }
}

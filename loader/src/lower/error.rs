//! Why rules cannot be carried out.

use std::fmt;

use berth_common::abi::guard::RECENT_STAMPS;

use super::Place;
use crate::rules::{chain::ChainName, values::range::AddressRange};

/// A rule that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowerError {
    /// The line it was written in, from 1; 0 for a rule that stood in no file.
    pub line: u32,
    /// Where it stands.
    pub place: Box<Place>,
    /// Why not, and what to do instead.
    pub reason: Reason,
}

/// Why a rule cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It sends to the container itself what that sends.
    #[error(
        "what the container sends to itself never leaves it, so that nothing can be redirected in OUTPUT: let its programs use the port itself, or redirect in PREROUTING what comes from others"
    )]
    RedirectOutput,
    /// It sends to a loopback address what the container sends.
    #[error(
        "what goes to {} never leaves the container, so that it cannot be a destination in OUTPUT: let its programs use the address itself", .0.short()
    )]
    ToLoopback(AddressRange),
    /// It is asked before a destination is translated.
    #[error(
        "table mangle is not asked before table nat here: where this chain has rules in nat, put those of mangle into INPUT, FORWARD or POSTROUTING, or what drops into table filter"
    )]
    MangleBeforeNat,
    /// It counts flows in table nat, which only sees them as they begin.
    #[error("table nat does not know when flows end, which -m connlimit counts: refuse them in table filter")]
    ConnlimitOfNat,
    /// It asks for a flow's mark, or changes it.
    #[error("flows have no marks: match and set the packet's, with -m mark and MARK")]
    FlowMark,
    /// It asks for the addresses of one interface.
    #[error(
        "it is not known which interface an address is of: leave --limit-iface-in and --limit-iface-out out, and name the addresses with -s or -d"
    )]
    AddressesOfInterface,
    /// The mask of an address has too many holes.
    #[error(
        "the mask {mask} stands for {needed} ranges of addresses, and at most {limit} are possible: name them one by one, or with -m iprange"
    )]
    Holes {
        /// The mask.
        mask: String,
        /// Ranges that it stands for.
        needed: u128,
        /// How many are possible.
        limit: u32,
    },
    /// The mask of a list of recent addresses is no prefix.
    #[error("the mask {0} of -m recent has holes: use one without, such as 255.255.255.0")]
    RecentMask(String),
    /// There is no such set.
    #[error("there is no set {0}: make it first, with `berth set create`")]
    NoSet(String),
    /// The set is one of the other family.
    #[error("the addresses in set {0} are of the other family")]
    SetFamily(String),
    /// It asks for more hits than are remembered.
    #[error("{0} hits of -m recent are asked for, and {limit} are remembered for an address: ask for fewer", limit = RECENT_STAMPS)]
    RecentHits(u16),
    /// It leads to a chain that its table does not have.
    #[error("there is no chain {0} in its table: declare it")]
    NoChain(ChainName),
}

impl std::error::Error for LowerError {}

impl fmt::Display for LowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, ", self.line)?;
        }
        write!(f, "{}: {}", self.place, self.reason)
    }
}

//! A rule.

use super::{chain::ChainName, counters::Counters, header::Header, matches::Match, targets::Target};

/// One rule: the header is asked first, then the matches in their order, and if all agree the target acts.
///
/// Equality is that of what was written: header, matches, target and counters, not the line.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The line it was written in, from 1; 0 for a rule that stood in no file. A line with lists of addresses makes
    /// several rules.
    pub line: u32,
    /// `[packets:bytes]`, if the text gave them; else what the rule has counted before stays.
    pub counters: Option<Counters>,
    /// Addresses, interfaces, protocol: in iptables part of every rule, and asked before any match.
    pub header: Header,
    /// The matches of `-m`, in the order in which they are asked.
    pub matches: Vec<Match>,
    /// What happens to a packet that all agree on; nothing but counting without one.
    pub target: Option<Target>,
}

impl Rule {
    /// Whether both ask and do the same, whatever they have counted.
    pub fn same(&self, other: &Self) -> bool {
        self.header == other.header && self.matches == other.matches && self.target == other.target
    }

    /// The chain that it sends packets to.
    pub fn leads_to(&self) -> Option<&ChainName> {
        match self.target.as_ref()? {
            Target::Jump(chain) | Target::Goto(chain) => Some(chain),
            Target::Accept
            | Target::Drop
            | Target::Return
            | Target::Connmark(_)
            | Target::Dnat(_)
            | Target::Log(_)
            | Target::Mark(_)
            | Target::Masquerade(_)
            | Target::Nflog(_)
            | Target::Redirect(_)
            | Target::Reject(_)
            | Target::Snat(_) => None,
        }
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) && self.counters == other.counters
    }
}

impl Eq for Rule {}

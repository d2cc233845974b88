//! What the compiler is given: rules as netfilter understands them, with names resolved and values as numbers.

use std::num::NonZeroU32;

pub use berth_common::abi::rules::{BuiltIn, Dimension, Family, target::Target};
use berth_common::abi::units::Nanos;

pub use super::values::Values;

/// The rules of one container. A family without a program has no rules: all its packets pass, and none is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// For IPv4.
    pub ipv4: Option<Program>,
    /// For IPv6.
    pub ipv6: Option<Program>,
    /// By the number in [`Action::Translate`]: what flows are translated to.
    pub targets: Vec<Target>,
}

impl Ruleset {
    /// The program of a family.
    pub const fn program(&self, family: Family) -> Option<&Program> {
        match family {
            Family::Ipv4 => self.ipv4.as_ref(),
            Family::Ipv6 => self.ipv6.as_ref(),
        }
    }
}

/// The rules for one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// What the container receives.
    pub input: Base,
    /// What it sends.
    pub output: Base,
    /// What it routes.
    pub forward: Base,
    /// Where flows are translated, in the order of [`BuiltIn::NAT`]. Without it none is, and nothing is asked.
    pub nat: Option<[Base; 4]>,
    /// All chains; a [`ChainId`] is the place of one.
    pub chains: Vec<Chain>,
}

impl Program {
    /// A built-in chain, if there is such a one.
    pub fn base(&self, chain: BuiltIn) -> Option<&Base> {
        let nat = || self.nat.as_ref();
        match chain {
            BuiltIn::Input => Some(&self.input),
            BuiltIn::Output => Some(&self.output),
            BuiltIn::Forward => Some(&self.forward),
            BuiltIn::NatPrerouting => nat().map(|[prerouting, ..]| prerouting),
            BuiltIn::NatInput => nat().map(|[_, input, ..]| input),
            BuiltIn::NatOutput => nat().map(|[.., output, _]| output),
            BuiltIn::NatPostrouting => nat().map(|[.., postrouting]| postrouting),
        }
    }

    /// The built-in chains that there are.
    pub fn bases(&self) -> impl Iterator<Item = (BuiltIn, &Base)> {
        BuiltIn::ALL.into_iter().filter_map(|chain| Some((chain, self.base(chain)?)))
    }

    /// All rules, whatever chain they are in.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.chains.iter().flat_map(|chain| &chain.rules)
    }

    /// All legs of all built-in chains.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.bases().flat_map(|(_, base)| &base.legs)
    }
}

/// A built-in chain: what a packet meets on its way in, out or through. It goes from leg to leg; the policy of the last one
/// decides about whatever comes to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// One base chain of one table each, in netfilter's order. At least one.
    pub legs: Vec<Leg>,
}

impl Default for Base {
    fn default() -> Self {
        Self { legs: vec![Leg::default()] }
    }
}

/// A base chain of one table. What it lets pass comes to the next leg.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leg {
    /// What becomes of a packet that comes to its end.
    pub policy: Policy,
    /// The number of the policy's counter among those of rules; if there is none, the policy counts where the header has
    /// the counter of the built-in chain's policy.
    pub counter: Option<u32>,
    /// What is not known yet of packets that are here: they have zero in these dimensions.
    pub unknown: Vec<Dimension>,
    /// The chain that has its rules, if it has any. Two built-in chains may have legs in the same one, which then count and
    /// keep state together.
    pub chain: Option<ChainId>,
}

/// What becomes of a packet that no rule decides about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// It passes.
    #[default]
    Accept,
    /// It is dropped.
    Drop,
}

/// A chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Its name, for error messages.
    pub name: String,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// The place of a chain in [`Program::chains`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub usize);

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The number of its counter, over both families. Rules that are one to the user may share one.
    pub counter: u32,
    /// What must hold, in the order in which the rule says it: nothing is evaluated behind the first check that does
    /// not hold, so that a token bucket in front of a port is emptied by packets to other ports too, as in iptables.
    pub conditions: Vec<Condition>,
    /// What is done.
    pub action: Action,
}

/// What must hold for a rule to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The packet's value is one of these.
    Field(Dimension, Values),
    /// One of these holds: each is a list of fields that must hold together (`--ports` of multiport: source or
    /// destination).
    Either(Vec<Vec<(Dimension, Values)>>),
    /// What must be asked for each packet.
    Check(Check),
}

/// What must be asked for each packet, when it comes to the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Whether the mark, masked, is a value.
    Mark {
        /// The value.
        value: u32,
        /// The mask.
        mask: u32,
        /// Whether it must not be.
        inverted: bool,
    },
    /// Whether the source MAC address is this one. False, inverted or not, where a packet has none.
    Mac {
        /// The address.
        address: [u8; 6],
        /// Whether it must not be.
        inverted: bool,
    },
    /// Whether the TCP header has an option. False, inverted or not, where there is no TCP header.
    TcpOption {
        /// Its kind.
        kind: u8,
        /// Whether it must not have it.
        inverted: bool,
    },
    /// Whether 31 random bits are below a number.
    Random {
        /// The number: the probability times 2³¹.
        threshold: u32,
        /// Whether they must not be.
        inverted: bool,
    },
    /// Whether it is the packet's turn.
    Nth {
        /// One packet in how many.
        every: NonZeroU32,
        /// Which of them, counted from zero.
        packet: u32,
        /// Whether it must not be.
        inverted: bool,
    },
    /// Whether a token bucket, full at first, has a token; which is then taken.
    Limit {
        /// In how much time a token comes back.
        cost: Nanos,
        /// In how much time an empty bucket would be full: that of at least one token.
        full: Nanos,
    },
    /// Whether somebody else says so.
    External(External),
}

/// A check that the classifier's surroundings answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// What is asked: a number that whoever lowers rules and whoever answers agree on.
    pub kind: u8,
    /// Of which object.
    pub id: u32,
    /// How.
    pub parameters: [u64; 3],
    /// Whether the answer must be no.
    pub inverted: bool,
    /// Whether asking changes nothing, so that it does not matter when it is asked, as of a named set.
    pub pure: bool,
}

impl Check {
    /// Whether asking changes nothing, and so may be left out or be put behind conditions on fields.
    pub const fn is_pure(&self) -> bool {
        match self {
            Self::Mark { .. } | Self::Mac { .. } | Self::TcpOption { .. } => true,
            Self::Random { .. } | Self::Nth { .. } | Self::Limit { .. } => false,
            Self::External(external) => external.pure,
        }
    }
}

/// What a rule does with a packet that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Lets it pass.
    Accept,
    /// Drops it.
    Drop,
    /// Drops it and tells the sender, in a way that the code says.
    Reject(u8),
    /// Goes on behind the rule that jumped here.
    Return,
    /// Goes to a chain, to come back.
    Jump(ChainId),
    /// Goes to a chain, to come back where this chain would.
    Goto(ChainId),
    /// Reports it, with this id.
    Log(u32),
    /// Clears the mask's bits of the mark, then flips the value's, as xt_MARK does.
    SetMark {
        /// The value.
        value: u32,
        /// The mask.
        mask: u32,
    },
    /// Lets it pass, and its flow be translated to the target of this number. Nothing is asked after that, whichever leg the
    /// rule is in.
    Translate(u32),
    /// Nothing but counting it.
    Continue,
}

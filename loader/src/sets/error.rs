//! What can be wrong with sets, and with what is written about them.

/// Something wrong, and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetError {
    /// The line it was written in, from 1; 0 for what stood in no file.
    pub line: usize,
    /// What is wrong.
    pub fault: Fault,
}

impl std::fmt::Display for SetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        self.fault.fmt(f)
    }
}

impl std::error::Error for SetError {}

impl From<Fault> for SetError {
    fn from(fault: Fault) -> Self {
        Self { line: 0, fault }
    }
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No type of sets is called so.
    #[error("there are no sets of type {0:?}: use one of {known}", known = super::form::names().collect::<Vec<_>>().join(", "))]
    Type(String),
    /// An option of `create` or `add` that is not known, or not supported.
    #[error("{0:?} is not supported for sets: leave it out")]
    Option(String),
    /// An option without its value, or with one that makes no sense.
    #[error("{option} wants {wanted}")]
    Value {
        /// The option.
        option: &'static str,
        /// What stands behind it, if it is right.
        wanted: &'static str,
    },
    /// It makes no sense for sets of this type.
    #[error("{option} makes no sense for sets of type {kind}: leave it out")]
    Senseless {
        /// What was given.
        option: &'static str,
        /// The type.
        kind: &'static str,
    },
    /// No command of ipset's that berth knows.
    #[error("{0:?} is no command for sets: use create, add, del, flush, destroy or swap")]
    Command(String),
    /// A command lacks a word.
    #[error("{command} wants {wanted}")]
    Missing {
        /// The command.
        command: &'static str,
        /// What comes behind it.
        wanted: &'static str,
    },
    /// It is no name of a set.
    #[error("{0:?} cannot name a set: names have 1 to 31 printable characters, without spaces and quotes")]
    Name(String),
    /// It is no entry of such a set.
    #[error("{text:?} is no entry of a set of type {kind}: write it as in {example}")]
    Entry {
        /// What was given.
        text: String,
        /// The type.
        kind: &'static str,
        /// What one looks like.
        example: &'static str,
    },
    /// An address of the other family.
    #[error("{text:?} has no {family} address, as the entries of this set have")]
    Family {
        /// What was given.
        text: String,
        /// The set's family.
        family: &'static str,
    },
    /// A prefix that no network of such a set can have.
    #[error("{0:?} has a prefix of a length that entries of this set cannot have")]
    Prefix(String),
    /// Ranges of IPv6.
    #[error("{0:?} has a range of addresses, which sets of IPv6 addresses do not take: name them one by one")]
    Range(String),
    /// The entry cannot be told from none.
    #[error("{0:?} has the address of nobody, which no set of this type can hold")]
    Null(String),
    /// A port, or a range of them, outside those of the set.
    #[error("{text:?} is outside the set's ports {first}-{last}")]
    PortRange {
        /// What was given.
        text: String,
        /// The set's first port.
        first: u16,
        /// The set's last port.
        last: u16,
    },
    /// A protocol that has no ports.
    #[error("{0:?} names a protocol without ports: its port must be 0")]
    Pseudo(String),
    /// One element stands for more entries than any set can have.
    #[error("{text:?} stands for {count} entries, and a set can hold {limit}")]
    TooMany {
        /// What was given.
        text: String,
        /// How many.
        count: u128,
        /// How many are possible.
        limit: u32,
    },
    /// The networks of a set have too many different lengths.
    #[error("the set {set} would have networks of more than {limit} different lengths: use a second set")]
    Lengths {
        /// The set.
        set: String,
        /// How many are possible.
        limit: usize,
    },
    /// There is no room for its table.
    #[error("the set {set} would take more than {limit} bytes in the kernel: use a second set")]
    Room {
        /// The set.
        set: String,
        /// How many bytes are possible.
        limit: usize,
    },
    /// The set is full.
    #[error("the set {set} is full: it was created for {max} entries (--max, or maxelem)")]
    Full {
        /// The set.
        set: String,
        /// How many it may hold.
        max: u32,
    },
    /// The entry is there.
    #[error("{entry} is in the set {set} already: --exist overlooks that")]
    Present {
        /// The set.
        set: String,
        /// The entry.
        entry: String,
    },
    /// The entry is not there.
    #[error("{entry} is not in the set {set}: --exist overlooks that")]
    Absent {
        /// The set.
        set: String,
        /// The entry.
        entry: String,
    },
    /// There is no such set.
    #[error("there is no set {0}: `berth set create` makes one")]
    NoSet(String),
    /// There is one already.
    #[error("there is a set {0} already: choose another name")]
    Taken(String),
    /// Sets of different types are not swapped.
    #[error("the sets {0} and {1} are of different types or families, and cannot be swapped")]
    Unlike(String, String),
    /// A rule names it.
    #[error(
        "the set {0} is named by a rule (or by rules that come back unless a change is confirmed): remove those first"
    )]
    InUse(String),
    /// A container has as many sets as it may.
    #[error("a container may have {0} sets: destroy some")]
    TooManySets(usize),
    /// No number is free.
    #[error("the node has as many sets as its tables hold ({0})")]
    NoNumber(u32),
}

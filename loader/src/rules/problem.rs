//! What can be wrong with a rule.

use super::{family::Family, hook::Hook, table::TableName};

/// What is wrong with a text that a [`super::error::RuleError`] quotes: the rest of a sentence that begins with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text as a whole is too long.
    #[error("is more than {max} bytes long")]
    TooLarge {
        /// Most bytes.
        max: usize,
    },
    /// One line is too long.
    #[error("begins a line of more than {max} bytes")]
    LineTooLong {
        /// Most bytes.
        max: usize,
    },
    /// One more rule than may be.
    #[error("is one rule too many; a ruleset may have {max}")]
    TooManyRules {
        /// Most rules.
        max: usize,
    },
    /// One more chain than may be.
    #[error("is one chain too many; a table may have {max}")]
    TooManyChains {
        /// Most chains.
        max: usize,
    },
    /// Changes that take too long.
    #[error(
        "moves or looks through too many rules, as others did before it; write rules in their order with -A"
    )]
    TooMuchWork,
    /// Not UTF-8.
    #[error("stands before bytes that are not UTF-8")]
    NotUtf8,
    /// A control character where words are expected.
    #[error("has a control character")]
    ControlCharacter,
    /// A quotation mark without its partner.
    #[error("opens a quotation that the line does not close")]
    OpenQuote,
    /// Not a table.
    #[error("is no table; the tables are filter, nat and mangle")]
    UnknownTable,
    /// A table of iptables that berth has not, with something in it.
    #[error("is in table {table}, which is not supported; {instead}")]
    UnsupportedTable {
        /// Its name.
        table: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// A table for the second time.
    #[error("is given twice; iptables-restore would forget the first")]
    TableTwice,
    /// A line that belongs into a table.
    #[error("stands in no table; put it between a line such as *filter and COMMIT")]
    OutsideTable,
    /// A table within a table.
    #[error("begins a table before COMMIT has ended the one before it")]
    InsideTable,
    /// The end came too early.
    #[error("has no COMMIT; nothing of the table would take effect")]
    NoCommit,
    /// Words behind what is complete.
    #[error("is more than the line may hold")]
    Surplus,
    /// `:NAME` without a policy.
    #[error("needs a policy (ACCEPT, DROP) or, for a chain of your own, '-'")]
    NoPolicy,
    /// Not `[packets:bytes]`.
    #[error("is no pair of counters; write [packets:bytes]")]
    Counters,
    /// Not a policy.
    #[error("is no policy; a base chain has ACCEPT or DROP")]
    UnknownPolicy,
    /// A policy for a chain that has none.
    #[error("has no policy; only {chains} have, in table {table}")]
    PolicyOfUserChain {
        /// The table.
        table: TableName,
        /// Its base chains.
        chains: String,
    },
    /// DROP in nat.
    #[error("does not belong into table nat, which is not for filtering; drop in table filter")]
    DropInNat,
    /// Not a chain of the table.
    #[error("is no chain of table {table} so far; chains are declared before they are used")]
    UnknownChain {
        /// The table.
        table: TableName,
    },
    /// A chain for the second time.
    #[error("is a chain of the table already")]
    ChainExists,
    /// A base chain where one of the user's is needed.
    #[error("is a base chain, which can be neither deleted nor jumped to")]
    BaseChain,
    /// A chain that rules need.
    #[error("cannot be deleted: it has rules, or rules jump to it")]
    ChainInUse,
    /// Too short or too long.
    #[error("is no {what} name; it has 1 to {max} bytes")]
    NameLength {
        /// Of what.
        what: &'static str,
        /// Most bytes.
        max: usize,
    },
    /// A character that names may not have.
    #[error("is no {what} name; whitespace, quotes, backslashes and control characters may not be in it")]
    NameCharacter {
        /// Of what.
        what: &'static str,
    },
    /// `/` in the name of something that is a file under /proc in netfilter.
    #[error("is no {what} name; '/' may not be in it")]
    NameSlash {
        /// Of what.
        what: &'static str,
    },
    /// `-x` as a chain.
    #[error("is no chain name; it may not begin with '-' or '!'")]
    ChainStart,
    /// LOG as a chain.
    #[error("is no chain name; it is a target")]
    ChainIsTarget,
    /// A rule number that is none.
    #[error("is no rule of the chain, which has {count}")]
    NoSuchRule {
        /// How many it has.
        count: usize,
    },
    /// `-D` of a rule that is not there.
    #[error("names a rule that the chain has not")]
    NoSameRule,
    /// `-R` by several rules.
    #[error("replaces one rule by several; give one source and one destination")]
    ReplaceBySeveral,
    /// No `-A` or the like.
    #[error("says nothing to do; begin with a command such as -A CHAIN")]
    NoCommand,
    /// `-A` and `-D`.
    #[error("is a second command; one line has one")]
    SecondCommand,
    /// Options beside a command that takes none.
    #[error("makes no rule, so that nothing else may stand beside it")]
    NotWithCommand,
    /// A command of iptables that changes nothing here.
    #[error("is no command for a ruleset; use -A, -I, -D, -R, -N, -X, -P, -F or -Z")]
    UnsupportedCommand,
    /// `-t` within `*table`.
    #[error("does not belong here; the table is named by a line such as *filter")]
    TableOption,
    /// Unknown `--option`.
    #[error("is no option that may stand here")]
    UnknownOption,
    /// An option of a match that is not loaded.
    #[error("belongs to {owners}; name it first")]
    NotLoaded {
        /// The modules that have it.
        owners: String,
    },
    /// An abbreviation of several options.
    #[error("can mean {options}")]
    Ambiguous {
        /// Those it can mean.
        options: String,
    },
    /// An option that berth does not support.
    #[error("is not supported; {instead}")]
    Unsupported {
        /// Why, or what to use.
        instead: &'static str,
    },
    /// Nothing behind an option that needs something.
    #[error("needs {count} behind it")]
    MissingArgument {
        /// How many.
        count: &'static str,
    },
    /// `=x` behind an option that takes nothing.
    #[error("takes nothing behind it")]
    NoArgument,
    /// `!` before what cannot be negated.
    #[error("cannot be negated by '!'")]
    NotNegatable,
    /// `--dport ! 22`.
    #[error("stands behind its option; put '!' before the option")]
    InnerNegation,
    /// `! !`, or `!` at the end.
    #[error("negates nothing; one '!' stands before an option")]
    StrayNegation,
    /// A word that belongs to no option.
    #[error("belongs to no option")]
    StrayWord,
    /// The same option twice in one match.
    #[error("is given twice")]
    Repeated,
    /// Two that exclude each other.
    #[error("cannot be joined with {with}")]
    Conflict {
        /// The other.
        with: &'static str,
    },
    /// A match without what it needs.
    #[error("needs {option}")]
    Required {
        /// What it needs.
        option: &'static str,
    },
    /// Unknown `-m`.
    #[error("is no match")]
    UnknownMatch,
    /// Unknown `-j`.
    #[error(
        "is neither a target nor a chain of table {table} so far; chains are declared before they are used"
    )]
    UnknownTarget {
        /// The table.
        table: TableName,
    },
    /// `-g` to what is no chain.
    #[error("is no chain to go to")]
    GotoTarget,
    /// Something of the other family.
    #[error("is not for {family}; {instead}")]
    WrongFamily {
        /// The ruleset's.
        family: Family,
        /// What to use.
        instead: &'static str,
    },
    /// A word that is not among those of its kind.
    #[error("is no {what}")]
    NotA {
        /// Of what kind.
        what: &'static str,
    },
    /// A number out of its range.
    #[error("is no {what} ({min} to {max})")]
    OutOfRange {
        /// What it is.
        what: &'static str,
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// A range the wrong way round.
    #[error("ends before it begins")]
    Backwards,
    /// A text that is too long.
    #[error("is too long; {what} has at most {max} bytes")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// Most bytes.
        max: usize,
    },
    /// A text that is empty.
    #[error("is empty")]
    Empty,
    /// Too many in a list.
    #[error("is more than {max}, counting a range as two")]
    TooManyPorts {
        /// Most.
        max: usize,
    },
    /// Too many in a list.
    #[error("is one more than the {max} directions a set can have")]
    TooManyDirections {
        /// Most.
        max: usize,
    },
    /// A name where an address is needed.
    #[error("is no {family} address; names of hosts are not looked up")]
    NotAnAddress {
        /// The ruleset's.
        family: Family,
    },
    /// Not a prefix length and not a mask.
    #[error("is no prefix length (0 to {max}) and no mask")]
    NotAMask {
        /// Longest prefix.
        max: u8,
    },
    /// A mask with holes.
    #[error("is a mask with holes, which only -s and -d may have")]
    MaskWithHoles,
    /// `! -s a,b`.
    #[error("is a list, and lists cannot be negated; write a rule with RETURN for each address")]
    NegatedList,
    /// What no packet agrees with.
    #[error("agrees with no packet")]
    Never,
    /// A rate below one.
    #[error("is no rate; write a number and /second, /minute, /hour or /day")]
    Rate,
    /// A rate that the clock cannot tell.
    #[error("is too fast; {max} per second is the most")]
    TooFast {
        /// Most packets per second.
        max: u64,
    },
    /// A match or target that needs a protocol.
    #[error("needs {protocols} before it in the same rule, not negated")]
    NeedsProtocol {
        /// Those it works with, as options.
        protocols: &'static str,
    },
    /// Not in this table.
    #[error("is not for table {table}, but for {tables}")]
    WrongTable {
        /// The rule's.
        table: TableName,
        /// Those it is for.
        tables: String,
    },
    /// Reached from a hook where it cannot work.
    #[error("cannot be used where packets come from {hook}; it is for {hooks}")]
    WrongHook {
        /// Where packets come from.
        hook: Hook,
        /// Those it is for.
        hooks: String,
    },
    /// `-i` where there is no such interface yet, `-o` likewise.
    #[error("cannot be used in {hook}, where no packet has such an interface")]
    NoInterface {
        /// The base chain.
        hook: Hook,
    },
    /// Jumps in a circle.
    #[error("makes jumps go round in a circle: {way}")]
    Loop {
        /// The chains of the circle.
        way: String,
    },
}

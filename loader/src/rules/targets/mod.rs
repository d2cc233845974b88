//! The targets of `-j`.

pub mod connmark;
pub mod dnat;
pub mod log;
pub mod mark;
pub mod masquerade;
pub mod nat_range;
pub mod nflog;
pub mod redirect;
pub mod reject;
pub mod snat;

use super::{
    chain::ChainName,
    extension::{Extension, Module, Needs, extensions, write},
    family::Family,
    feature::Feature,
    hook::Hooks,
    table::TableName,
};

extensions! {
    /// What happens to a packet that a rule agrees with.
    pub enum Target {
        /// It passes this table.
        Accept = "ACCEPT",
        /// It is dropped.
        Drop = "DROP",
        /// It goes on behind the rule that jumped here; at the end of a base chain, to the policy.
        Return = "RETURN",
        /// `-j CHAIN`: it goes through a chain of the user's, and on behind this rule.
        Jump(ChainName) = "jump",
        /// `-g CHAIN`: it goes through a chain of the user's, and on where this chain's end would lead.
        Goto(ChainName) = "goto",
    }
    /// The mark of its flow is changed.
    Connmark(connmark::Connmark),
    /// The destination of its flow is translated.
    Dnat(dnat::Dnat),
    /// It is reported.
    Log(log::Log),
    /// Its mark is changed.
    Mark(mark::Mark),
    /// The source of its flow is translated to the interface's address.
    Masquerade(masquerade::Masquerade),
    /// It is reported to a listener.
    Nflog(nflog::Nflog),
    /// The destination of its flow is translated to this host.
    Redirect(redirect::Redirect),
    /// It is dropped, and its sender told.
    Reject(reject::Reject),
    /// The source of its flow is translated.
    Snat(snat::Snat),
}

/// The verdicts, which need no module.
pub(super) const VERDICTS: [(&str, Target); 3] =
    [("ACCEPT", Target::Accept), ("DROP", Target::Drop), ("RETURN", Target::Return)];

//! Answers.

use serde::{Deserialize, Serialize};

use super::{
    container::Container,
    event::Event,
    feature::FeatureRow,
    flow::{Busy, Flow},
    port::Port,
    publication::Publication,
    rules::Listed,
    set::Set,
    status::Status,
};

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum Response {
    /// It is done.
    Done {
        /// What the operator should know about how.
        notes: Vec<String>,
    },
    /// One container.
    Container(Box<Container>),
    /// Containers.
    Containers(Vec<Container>),
    /// Rules, or how they differ.
    Text(String),
    /// Rules one by one.
    Rules(Listed),
    /// Named sets.
    Sets(Vec<Set>),
    /// What rules may use.
    Features(Vec<FeatureRow>),
    /// Port reservations.
    Ports(Vec<Port>),
    /// Published ports.
    Publications(Vec<Publication>),
    /// Flows.
    Flows(Vec<Flow>),
    /// Flows that were watched, the busiest first.
    Busy(Vec<Busy>),
    /// The node as a whole.
    Status(Box<Status>),
    /// Events, oldest first.
    Events(Vec<Event>),
}

impl Response {
    /// Done, with nothing to say about it.
    pub const fn nothing() -> Self {
        Self::Done { notes: Vec::new() }
    }
}

//! Answers.

use serde::{Deserialize, Serialize};

use super::{container::Container, event::Event, flow::Flow, port::Port, status::Status};

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
    /// Port reservations.
    Ports(Vec<Port>),
    /// Flows.
    Flows(Vec<Flow>),
    /// The node as a whole.
    Status(Box<Status>),
    /// Events, oldest first.
    Events(Vec<Event>),
}

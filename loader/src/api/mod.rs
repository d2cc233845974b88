//! What crosses the daemon's socket: requests, answers, and the shapes that `--json` prints.
//!
//! Field names are stable. A field may be added; none changes its meaning or goes away without a new version of the
//! path the daemon serves them under.

pub mod allowance;
pub mod container;
pub mod doctor;
pub mod error;
pub mod event;
pub mod feature;
pub mod flow;
pub mod flow_events;
pub mod flow_filter;
pub mod mac;
pub mod masquerade;
pub mod mode;
pub mod name;
pub mod packet_sockets;
pub mod plane;
pub mod port;
pub mod port_span;
pub mod protocol;
pub mod publication;
pub mod quota;
pub mod request;
pub mod reservation;
pub mod response;
pub mod rules;
pub mod runtime;
pub mod set;
pub mod settings;
pub mod spoofing;
pub mod status;
pub mod target;
pub mod timeouts;
pub mod traffic;

/// Path of the requests on the daemon's socket.
pub const REQUEST_PATH: &str = "/v1/request";

/// Path of the stream of events on the daemon's socket.
pub const EVENTS_PATH: &str = "/v1/events";

#[cfg(test)]
mod shapes;

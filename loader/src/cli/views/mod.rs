//! Answers, as tables for people or as JSON for programs.

mod container;
mod doctor;
mod event;
mod feature;
mod flow;
mod port;
mod publication;
mod rules;
mod set;
mod status;

pub use doctor::doctor;
pub use event::event;

use super::output::Output;
use crate::api::{error::ApiError, response::Response};

/// Prints an answer; rules with what they have counted, if `counters` are wanted.
pub fn show(answer: &Response, (json, counters): (bool, bool), output: &Output) -> Result<(), ApiError> {
    match answer {
        Response::Done { .. } => Ok(()),
        Response::Events(events) => events.iter().try_for_each(|one| event(one, json, output)),
        Response::Container(container) if json => output.json(container),
        Response::Containers(containers) if json => output.json(containers),
        Response::Text(text) if text.is_empty() => Ok(()),
        // At once: there may be 100,000 lines.
        Response::Text(text) => output.line(text.trim_end_matches('\n')),
        Response::Rules(listed) if json => output.json(listed),
        Response::Sets(sets) if json => output.json(sets),
        Response::Features(features) if json => output.json(features),
        Response::Ports(ports) if json => output.json(ports),
        Response::Publications(publications) if json => output.json(publications),
        Response::Flows(flows) if json => output.json(flows),
        Response::Busy(flows) if json => output.json(flows),
        Response::Status(status) if json => output.json(status),
        Response::Container(container) => container::one(container, output),
        Response::Containers(containers) => container::all(containers, output),
        Response::Rules(listed) => rules::all(listed, counters, output),
        Response::Sets(sets) => set::all(sets, output),
        Response::Features(features) => feature::all(features, output),
        Response::Ports(ports) => port::all(ports, output),
        Response::Publications(publications) => publication::all(publications, output),
        Response::Flows(flows) => flow::all(flows, output),
        Response::Busy(flows) => flow::busy(flows, output),
        Response::Status(status) => status::status(status, output),
    }
}

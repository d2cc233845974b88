//! Port reservations for people.

use crate::{
    api::{error::ApiError, port::Port},
    cli::output::Output,
};

/// A table of port reservations.
pub fn all(ports: &[Port], output: &Output) -> Result<(), ApiError> {
    let columns = ["OWNER", "PROTOCOL", "ADDRESS", "PORT", "BY", "PERMANENT"];
    let row = |port: &Port| {
        vec![
            port.owner.clone(),
            port.protocol.clone(),
            port.address.to_string(),
            port.port.to_string(),
            port.by.to_string(),
            if port.permanent { "yes" } else { "no" }.to_owned(),
        ]
    };
    output.table(&columns, ports.iter().map(row).collect())
}

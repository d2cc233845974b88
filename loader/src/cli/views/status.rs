//! The node for people.

use super::container;
use crate::{
    api::{error::ApiError, plane::Plane, status::Status},
    cli::{number, output::Output},
};

/// All about the node.
pub fn status(status: &Status, output: &Output) -> Result<(), ApiError> {
    let uplinks = if status.uplinks.is_empty() { "none".to_owned() } else { status.uplinks.join(" ") };
    output.line(&format!(
        "berth {} (ABI {}) on Linux {}, uplinks: {uplinks}, {}",
        status.version,
        status.abi,
        status.kernel,
        daemon(status)
    ))?;
    if let Some(problem) = &status.daemon.problem {
        output.line(&format!("problem: {problem}"))?;
    }
    output.line("")?;
    container::all(&status.containers, output)?;
    output.line("")?;
    let others = [("host", &status.host), ("unowned", &status.unowned), ("not IP", &status.non_ip)];
    let row = |(name, plane): (&str, &Plane)| {
        vec![
            name.to_owned(),
            number::traffic(plane.inward),
            number::traffic(plane.outward),
            container::drops(&plane.drops),
        ]
    };
    output.table(&["OTHERS", "IN", "OUT", "DROPS"], others.map(row).into())?;
    output.line("")?;
    let total = status.memory.values().sum();
    output.line(&format!("memory of the tables: {}", number::bytes(total)))
}

fn daemon(status: &Status) -> String {
    match (status.daemon.running, status.daemon.pid, &status.daemon.since) {
        (true, Some(pid), Some(since)) => format!("daemon {pid} since {since}"),
        (true, ..) => "daemon running".to_owned(),
        (false, ..) => "no daemon".to_owned(),
    }
}

//! Rules for people.

use crate::{
    api::{
        error::ApiError,
        rules::{Chain, Listed},
    },
    cli::output::Output,
};

/// The rules by chain, with counters if they are wanted.
pub fn all(listed: &Listed, counters: bool, output: &Output) -> Result<(), ApiError> {
    for (index, chain) in listed.chains.iter().enumerate() {
        if index > 0 {
            output.line("")?;
        }
        output.heading(&title(chain, counters))?;
        let row = |(number, rule): (usize, &crate::api::rules::Rule)| {
            let counted = [rule.counted.packets.to_string(), rule.counted.bytes.to_string()];
            let mut row = vec![number.to_string()];
            row.extend(counted.into_iter().filter(|_| counters));
            row.push(rule.rule.clone());
            row
        };
        let columns: &[&str] =
            if counters { &["NUMBER", "PACKETS", "BYTES", "RULE"] } else { &["NUMBER", "RULE"] };
        if !chain.rules.is_empty() {
            output.table(columns, (1..).zip(&chain.rules).map(row).collect())?;
        }
    }
    Ok(())
}

fn title(chain: &Chain, counters: bool) -> String {
    let Chain { table, chain, policy, counted, .. } = chain;
    match (policy, counted) {
        (Some(policy), Some(counted)) if counters => {
            let (packets, bytes) = (counted.packets, counted.bytes);
            format!("{table} {chain}: policy {policy}, {packets} packets, {bytes} bytes")
        }
        (Some(policy), _) => format!("{table} {chain}: policy {policy}"),
        (None, _) => format!("{table} {chain}"),
    }
}

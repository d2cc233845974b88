//! Named sets for people.

use crate::{
    api::{error::ApiError, set::Set},
    cli::output::Output,
};

/// A table of sets, and of one that was asked for by name its entries.
pub fn all(sets: &[Set], output: &Output) -> Result<(), ApiError> {
    let columns = ["NAME", "TYPE", "FAMILY", "ENTRIES", "USED BY RULES", "BYTES"];
    let row = |one: &Set| {
        vec![
            one.name.clone(),
            one.kind.clone(),
            one.family.clone().unwrap_or_else(|| "-".to_owned()),
            format!("{}/{}", one.held, one.max),
            if one.used { "yes" } else { "no" }.to_owned(),
            one.bytes.to_string(),
        ]
    };
    output.table(&columns, sets.iter().map(row).collect())?;
    let mut entries = sets.iter().filter_map(|one| one.entries.as_ref()).filter(|all| !all.is_empty());
    entries.try_for_each(|all| output.line(&all.join("\n")))
}

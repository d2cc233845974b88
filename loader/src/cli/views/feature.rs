//! Features for people.

use crate::{
    api::{error::ApiError, feature::FeatureRow},
    cli::output::Output,
};

/// A table of features, with the four sets that decide.
pub fn all(features: &[FeatureRow], output: &Output) -> Result<(), ApiError> {
    let columns = ["FEATURE", "NODE SUPPORTS", "NODE ALLOWS", "CONTAINER", "MODE", "EFFECTIVE"];
    let row = |row: &FeatureRow| {
        let word = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
        let sets = [row.supported, row.node, row.container, row.mode, row.effective];
        std::iter::once(row.feature.clone()).chain(sets.map(word)).collect()
    };
    output.table(&columns, features.iter().map(row).collect())
}

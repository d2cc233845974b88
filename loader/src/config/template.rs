//! Containers that nobody has named, and that are taken in as they start.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{ConfigError, Pattern};
use crate::api::{name::Name, rules::Family, settings::Settings};

/// What holds for each container that a file's patterns mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The file that says so.
    pub path: PathBuf,
    /// Its name without `.toml`.
    pub name: Name,
    /// Which are meant: those that any of these means.
    pub patterns: Vec<Pattern>,
    /// What is set about each.
    pub settings: Settings,
    /// The rules of each, as iptables-save has them, by family.
    pub rules: Vec<(Family, String)>,
}

/// One pattern, or several, as they are written.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Patterns {
    One(String),
    Some(Vec<String>),
}

impl Template {
    /// What stands in the file; `rules` are the names of files beside it.
    pub(super) fn new(
        path: PathBuf,
        name: Name,
        text: &str,
        patterns: Patterns,
        settings: Settings,
        rules: [(Family, Option<PathBuf>); 2],
    ) -> Result<Self, ConfigError> {
        let wrong = |key: &str, message: String| ConfigError::of_key(&path, text, key, message);
        // Nothing is translated of whom no addresses are known.
        let own = [
            ("addresses", settings.addresses.is_some()),
            ("macs", settings.macs.is_some()),
            ("masquerade", settings.masquerade.is_some()),
        ];
        if let Some((key, _)) = own.iter().find(|(_, is_given)| *is_given) {
            return Err(wrong(key, format!("{key} goes with one container, and match may mean several")));
        }
        let texts = match patterns {
            Patterns::One(text) => vec![text],
            Patterns::Some(texts) => texts,
        };
        let patterns = texts.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>();
        let patterns = patterns.map_err(|message| wrong("match", message))?;
        if patterns.is_empty() {
            return Err(wrong("match", "match means nothing".to_owned()));
        }
        let rules = rules.into_iter().filter_map(|(family, file)| Some((family, file?)));
        let rules =
            rules.map(|(family, file)| Ok((family, beside(&path, &file)?))).collect::<Result<_, _>>()?;
        Ok(Self { path, name, patterns, settings, rules })
    }
}

/// The text of a file that is named in the file `path`.
fn beside(path: &Path, name: &Path) -> Result<String, ConfigError> {
    let file = path.parent().unwrap_or(Path::new("")).join(name);
    fs::read_to_string(&file).map_err(|error| ConfigError::Read { path: file, error })
}

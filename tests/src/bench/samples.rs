//! What was measured, over and over.

use std::fmt;

use serde::Serialize;

/// One number, measured in several rounds.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

/// What to say of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Half of the rounds gave less.
    pub median: f64,
    /// The least of all rounds.
    pub least: f64,
    /// The most of all rounds.
    pub most: f64,
}

impl Samples {
    /// Adds what one round gave.
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// What to say of all rounds; nothing if there were none.
    pub fn summary(&self) -> Option<Summary> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (&least, &most) = (sorted.first()?, sorted.last()?);
        let (low, high) = (sorted.get((sorted.len() - 1) / 2)?, sorted.get(sorted.len() / 2)?);
        Some(Summary { median: f64::midpoint(*low, *high), least, most })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, least, most } = self;
        write!(f, "{median:.0} ({least:.0} to {most:.0})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_few() {
        let mut samples = Samples::default();
        assert_eq!(samples.summary(), None);
        for value in [5.0, 1.0, 3.0] {
            samples.add(value);
        }
        assert_eq!(samples.summary(), Some(Summary { median: 3.0, least: 1.0, most: 5.0 }));
        samples.add(4.0);
        assert_eq!(samples.summary(), Some(Summary { median: 3.5, least: 1.0, most: 5.0 }));
    }
}

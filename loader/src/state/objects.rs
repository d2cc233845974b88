//! The numbers of what rules keep something for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The numbers of what a container's rules keep something for beside the ruleset. One is the same as long as there is a rule
/// that names it, however the rules change, and is never given again: so what was kept stays, or is void.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Objects {
    /// The number that was given last.
    pub last: u32,
    /// By what it is, in words.
    pub numbers: BTreeMap<String, u32>,
}

impl Objects {
    /// Those of these names: those that are known keep their numbers, others get new ones.
    #[must_use]
    pub fn renewed(&self, names: impl IntoIterator<Item = String>) -> Self {
        let mut new = Self { last: self.last, numbers: BTreeMap::new() };
        for name in names {
            let number = self.numbers.get(&name).or_else(|| new.numbers.get(&name)).copied();
            let number = number.unwrap_or_else(|| {
                new.last = new.last.wrapping_add(1);
                new.last
            });
            new.numbers.insert(name, number);
        }
        new
    }

    /// Whether none was ever given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_keeps_its_number_and_none_is_given_again() {
        let of = |before: &Objects, names: &[&str]| before.renewed(names.iter().map(|&name| name.to_owned()));
        let numbers = |objects: &Objects| objects.numbers.values().copied().collect::<Vec<_>>();
        let first = of(&Objects::default(), &["a", "b", "a"]);
        assert_eq!(numbers(&first), [1, 2]);
        let second = of(&first, &["b", "c"]);
        assert_eq!(numbers(&second), [2, 3]);
        assert_eq!(numbers(&of(&second, &["a", "b"])), [4, 2]);
    }
}

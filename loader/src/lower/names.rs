//! What names in rules stand for.

use crate::{compile::Values, rules::values::interface::Interface};

/// What names in rules stand for at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Interfaces by the name under which the rules see them, each with its number
    /// ([`interface`](berth_common::abi::rules::interface)).
    pub interfaces: Vec<(String, u32)>,
}

impl Names {
    /// The numbers of the interfaces that are meant: none if no interface is called so now.
    pub(super) fn numbers(&self, wanted: &Interface) -> Values {
        let is_meant = |name: &str| match wanted {
            Interface::Name(exact) => name == exact,
            Interface::Prefix(prefix) => name.starts_with(prefix),
        };
        let numbers = self.interfaces.iter().filter(|(name, _)| is_meant(name)).map(|(_, number)| *number);
        Values::new(numbers.map(|number| number.into()..=number.into()))
    }
}

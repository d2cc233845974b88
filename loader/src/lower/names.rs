//! What names in rules stand for.

use crate::{
    compile::{Values, input::Family},
    rules::values::interface::Interface,
};

/// What names in rules stand for at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Interfaces by the name under which the rules see them, each with its number
    /// ([`interface`](berth_common::abi::rules::interface)).
    pub interfaces: Vec<(String, u32)>,
    /// Named sets, each with its number and its family; none is either's.
    pub sets: Vec<(String, u32, Option<Family>)>,
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

    /// The number of a set, and its family.
    pub(super) fn set(&self, wanted: &str) -> Option<(u32, Option<Family>)> {
        let is_meant = |set: &&(String, u32, Option<Family>)| set.0 == wanted;
        self.sets.iter().find(is_meant).map(|(_, number, family)| (*number, *family))
    }
}

//! What others know: named sets, lists of recent addresses, buckets, flows.

use berth_common::abi::rules::external::{Hashlimit, Recent};

use super::Place;
use crate::{compile::input::Family, rules};

/// Of what an external check asks, beside what its parameters say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalSpec {
    /// A named set: the same one for both families.
    Set {
        /// Its name.
        name: String,
    },
    /// A list of recent addresses.
    Recent {
        /// Whose addresses.
        family: Family,
        /// Its name.
        name: String,
        /// How many leading bits of an address count.
        prefix: u8,
    },
    /// The buckets that rules of one name share.
    Hashlimit {
        /// Of which family's packets.
        family: Family,
        /// As it is written in the first rule of that name, which decides for all of them.
        written: rules::matches::hashlimit::Hashlimit,
        /// The first rule's parameters.
        parameters: Hashlimit,
    },
    /// The flows that one rule counts.
    Connlimit {
        /// The rule.
        place: Place,
    },
}

/// All of a container's rules: an id is the place of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Externals(pub Vec<ExternalSpec>);

impl Externals {
    /// The id of a named set.
    pub(super) fn set(&mut self, name: &str) -> u32 {
        let is_same =
            |known: &ExternalSpec| matches!(known, ExternalSpec::Set { name: other } if other == name);
        let place = self.0.iter().position(is_same);
        self.id(place, || ExternalSpec::Set { name: name.to_owned() })
    }

    /// The id of a list of recent addresses, and what is asked of it. As in the kernel, the prefix is that of the first
    /// rule that names the list.
    pub(super) fn recent(&mut self, family: Family, name: &str, asked: Recent) -> (u32, Recent) {
        let first = self.0.iter().zip(0..).find_map(|(known, id)| match known {
            ExternalSpec::Recent { family: of, name: other, prefix } if *of == family && other == name => {
                Some((id, Recent { prefix: *prefix, ..asked }))
            }
            _ => None,
        });
        first.unwrap_or_else(|| {
            let spec = ExternalSpec::Recent { family, name: name.to_owned(), prefix: asked.prefix };
            (self.id(None, || spec), asked)
        })
    }

    /// The id of the buckets of a name, and what is asked of them. As in the kernel, all but the sense is that of the
    /// first rule that has the name.
    pub(super) fn hashlimit(
        &mut self,
        family: Family,
        written: &rules::matches::hashlimit::Hashlimit,
        asked: Hashlimit,
    ) -> (u32, Hashlimit) {
        let first = self.0.iter().zip(0..).find_map(|(known, id)| match known {
            ExternalSpec::Hashlimit { family: of, written: other, parameters }
                if *of == family && other.name == written.name =>
            {
                Some((id, Hashlimit { above: asked.above, ..*parameters }))
            }
            _ => None,
        });
        first.unwrap_or_else(|| {
            let spec = ExternalSpec::Hashlimit { family, written: written.clone(), parameters: asked };
            (self.id(None, || spec), asked)
        })
    }

    /// The id of the flows that a rule counts.
    pub(super) fn connlimit(&mut self, place: &Place) -> u32 {
        self.id(None, || ExternalSpec::Connlimit { place: place.clone() })
    }

    /// The id of what is at `place`; of a new one if there is none.
    fn id(&mut self, place: Option<usize>, new: impl FnOnce() -> ExternalSpec) -> u32 {
        let place = place.unwrap_or_else(|| {
            self.0.push(new());
            self.0.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }
}

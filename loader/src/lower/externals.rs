//! What others know: lists of recent addresses, buckets, flows. Named sets have numbers of their own.

use berth_common::abi::rules::external::{Hashlimit, Recent};

use super::Place;
use crate::{compile::input::Family, rules};

/// Of what an external check asks, beside what its parameters say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalSpec {
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

/// All of a container's rules, but for named sets: an id is the place of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Externals(pub Vec<ExternalSpec>);

impl Externals {
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
            (self.id(|| spec), asked)
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
            (self.id(|| spec), asked)
        })
    }

    /// The id of the flows that a rule counts.
    pub(super) fn connlimit(&mut self, place: &Place) -> u32 {
        self.id(|| ExternalSpec::Connlimit { place: place.clone() })
    }

    /// The id of something new.
    fn id(&mut self, new: impl FnOnce() -> ExternalSpec) -> u32 {
        self.0.push(new());
        u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX)
    }
}

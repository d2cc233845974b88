//! A container's rules, of both families.

use crate::{
    lower::{Place, Source, Spot},
    rules::{
        chain::Base,
        counters::Counters,
        family::Family,
        feature::{Feature, features},
        matches::Match,
        parse,
        rule::Rule,
        ruleset::Ruleset,
        save,
        table::TableName,
    },
    state,
};

/// A container's rules, of both families.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::node) struct Pair {
    /// iptables'.
    pub ipv4: Option<Ruleset>,
    /// ip6tables'.
    pub ipv6: Option<Ruleset>,
}

impl Pair {
    /// Reads what was remembered, which was written by [`Self::texts`].
    pub fn remembered(ipv4: Option<&str>, ipv6: Option<&str>) -> Result<Self, String> {
        let read = |family, text: Option<&str>| {
            text.map(|text| parse::parse(family, text).map_err(|errors| errors.to_string())).transpose()
        };
        Ok(Self { ipv4: read(Family::Ipv4, ipv4)?, ipv6: read(Family::Ipv6, ipv6)? })
    }

    /// As they are remembered.
    pub fn texts(&self) -> (Option<String>, Option<String>) {
        let text = |ruleset: &Option<Ruleset>| ruleset.as_ref().map(|ruleset| save::to_save(ruleset, false));
        (text(&self.ipv4), text(&self.ipv6))
    }

    /// The rules of a family.
    pub fn of(&self, family: Family) -> Option<&Ruleset> {
        match family {
            Family::Ipv4 => self.ipv4.as_ref(),
            Family::Ipv6 => self.ipv6.as_ref(),
        }
    }

    /// With other rules of a family. Rules that neither are nor drop anything are none.
    pub fn with(&self, ruleset: Ruleset) -> Self {
        let family = ruleset.family;
        let ruleset = if is_void(&ruleset) { None } else { Some(ruleset) };
        match family {
            Family::Ipv4 => Self { ipv4: ruleset, ..self.clone() },
            Family::Ipv6 => Self { ipv6: ruleset, ..self.clone() },
        }
    }

    /// With those rules alone that `keep` says.
    pub fn only(&self, keep: impl Fn(TableName, &Rule) -> bool) -> Self {
        let mut kept = self.clone();
        for ruleset in kept.ipv4.iter_mut().chain(&mut kept.ipv6) {
            for (name, table) in &mut ruleset.tables {
                for chain in &mut table.chains {
                    chain.rules.retain(|rule| keep(*name, rule));
                }
            }
        }
        kept
    }

    /// Both, as far as there are any.
    pub fn all(&self) -> impl Iterator<Item = &Ruleset> {
        self.ipv4.iter().chain(&self.ipv6)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// How many rules, as the quota counts them.
    pub fn entries(&self) -> u64 {
        self.all().map(|ruleset| ruleset.entries() as u64).sum()
    }

    /// For the compiler.
    pub fn source(&self) -> Source<'_> {
        Source { ipv4: self.ipv4.as_ref(), ipv6: self.ipv6.as_ref() }
    }

    /// Whether a rule looks at what kind of address something is.
    pub fn asks_address_types(&self) -> bool {
        self.rules().any(|(table, rule)| features(table, rule).contains(Feature::Addrtype))
    }

    /// Whether a rule names an interface.
    pub fn names_interfaces(&self) -> bool {
        self.rules().any(|(_, rule)| rule.header.input.is_some() || rule.header.output.is_some())
    }

    /// Whether flows are translated.
    pub fn translates(&self) -> bool {
        self.all().any(Ruleset::translates)
    }

    /// The named sets that rules name.
    pub fn names_of_sets(&self) -> impl Iterator<Item = &str> {
        self.rules().flat_map(|(_, rule)| &rule.matches).filter_map(|one| match one {
            Match::Set(set) => Some(set.name.as_str()),
            _ => None,
        })
    }

    /// Puts what was counted in a place.
    pub fn count(&mut self, place: &Place, counted: Counters) {
        let ruleset = match place.family {
            crate::compile::input::Family::Ipv4 => &mut self.ipv4,
            crate::compile::input::Family::Ipv6 => &mut self.ipv6,
        };
        let Some(table) = ruleset.as_mut().and_then(|ruleset| ruleset.tables.get_mut(&place.table)) else {
            return;
        };
        let Some(chain) = table.chains.iter_mut().find(|chain| chain.name == place.chain) else { return };
        match place.spot {
            Spot::Rule(index) => {
                if let Some(rule) = chain.rules.get_mut(index) {
                    rule.counters = Some(counted);
                }
            }
            Spot::Policy => {
                if let Some(Base { counters, .. }) = &mut chain.base {
                    *counters = counted;
                }
            }
        }
    }

    fn rules(&self) -> impl Iterator<Item = (TableName, &Rule)> {
        self.all().flat_map(|ruleset| {
            ruleset.tables.iter().flat_map(|(&name, table)| {
                table.chains.iter().flat_map(move |chain| chain.rules.iter().map(move |rule| (name, rule)))
            })
        })
    }
}

/// Whether a ruleset does nothing and names nothing.
fn is_void(ruleset: &Ruleset) -> bool {
    use crate::rules::chain::Policy;
    ruleset
        .tables
        .values()
        .flat_map(|table| &table.chains)
        .all(|chain| chain.rules.is_empty() && chain.base.is_some_and(|base| base.policy == Policy::Accept))
}

impl TryFrom<&state::Rules> for Pair {
    type Error = String;

    fn try_from(rules: &state::Rules) -> Result<Self, String> {
        Self::remembered(rules.ipv4.as_deref(), rules.ipv6.as_deref())
    }
}

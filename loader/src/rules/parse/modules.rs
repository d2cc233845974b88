//! The matches and the target that a rule has loaded, with the options given so far.

use crate::rules::{
    error::RuleError,
    extension::{Module, Requested},
    family::Family,
    matches::{self, Match},
    option::{Given, Shape},
    piece::Piece,
    problem::Problem,
    targets::{self, Target},
    values::protocol::Protocol,
};

/// A match or target that a rule has loaded.
pub(super) enum Loaded<'a> {
    /// A match.
    Match(Asked<'a, Match>),
    /// A target.
    Target(Asked<'a, Target>),
}

/// A module with the options given so far.
pub(super) struct Asked<'a, K: 'static> {
    /// The module.
    pub module: &'static Module<K>,
    /// What its options look like.
    pub shapes: Vec<&'static Shape>,
    /// What was given.
    pub requested: Requested<'a>,
}

impl<'a, K> Asked<'a, K> {
    /// A module that `name` asks for.
    pub fn new(module: &'static Module<K>, name: Piece<'a>, family: Family) -> Self {
        let requested = Requested { name, family, options: Vec::new() };
        Self { module, shapes: (module.shapes)(), requested }
    }

    /// What the options make.
    pub fn build(&self, errors: &mut Vec<RuleError>) -> Option<K> {
        (self.module.build)(&self.requested, errors)
    }
}

impl<'a> Loaded<'a> {
    /// What its options look like.
    pub fn shapes(&self) -> &[&'static Shape] {
        match self {
            Self::Match(asked) => &asked.shapes,
            Self::Target(asked) => &asked.shapes,
        }
    }

    /// Adds an option, by its place among the shapes.
    pub fn give(&mut self, place: usize, given: Given<'a>) -> Result<(), RuleError> {
        let options = match self {
            Self::Match(asked) => &mut asked.requested.options,
            Self::Target(asked) => &mut asked.requested.options,
        };
        if options.iter().any(|(other, _)| *other == place) {
            return Err(given.option.wrong(Problem::Repeated));
        }
        options.push((place, given));
        Ok(())
    }
}

/// The module of a match by its name.
pub(super) fn match_named(name: &str, family: Family) -> Option<&'static Module<Match>> {
    let mut named = matches::MODULES.iter().filter(|module| module.is_called(name));
    named.clone().find(|module| module.is_for(family)).or_else(|| named.next())
}

/// The module of a target by its name.
pub(super) fn target_named(name: &str) -> Option<&'static Module<Target>> {
    targets::MODULES.iter().find(|module| module.is_called(name))
}

/// The module that a protocol's options load by themselves.
pub(super) fn of_protocol(protocol: Protocol, family: Family) -> Option<&'static Module<Match>> {
    let name = match (protocol, family) {
        (Protocol::TCP, _) => "tcp",
        (Protocol::UDP, _) => "udp",
        (Protocol::ICMP, Family::Ipv4) => "icmp",
        (Protocol::ICMPV6, Family::Ipv6) => "icmp6",
        _ => return None,
    };
    match_named(name, family)
}

/// The options that must stand before one of this name for it to be known: `-p tcp`, `-m state` and the like.
pub(super) fn owners(option: &str, family: Family) -> Vec<String> {
    let has =
        |shapes: Vec<&'static Shape>| shapes.iter().any(|shape| shape.names().any(|name| name == option));
    let of_match = |module: &&Module<Match>| module.is_for(family) && has((module.shapes)());
    let of_target = |module: &&Module<Target>| module.is_for(family) && has((module.shapes)());
    let matches = matches::MODULES.iter().filter(of_match).map(|module| loader(module.name));
    let targets = targets::MODULES.iter().filter(of_target).map(|module| format!("-j {}", module.name));
    matches.chain(targets).collect()
}

fn loader(module: &str) -> String {
    match module {
        "tcp" | "udp" | "icmp" => format!("-p {module}"),
        "icmp6" => "-p ipv6-icmp".to_owned(),
        other => format!("-m {other}"),
    }
}

/// The names of all options of a family's matches and targets.
pub(super) fn all_options(family: Family) -> impl Iterator<Item = &'static str> {
    let matches =
        matches::MODULES.iter().filter(move |module| module.is_for(family)).map(|module| (module.shapes)());
    let targets =
        targets::MODULES.iter().filter(move |module| module.is_for(family)).map(|module| (module.shapes)());
    matches.chain(targets).flatten().filter(|shape| shape.refused.is_none()).flat_map(Shape::names)
}

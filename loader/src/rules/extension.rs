//! What a match or a target is, and its form without its type, by which the parser finds it.

use std::fmt;

use super::{
    error::RuleError,
    family::Family,
    feature::Feature,
    hook::Hooks,
    option::{Given, Opt, Shape, Written},
    problem::Problem,
    table::TableName,
    values::protocol::Protocol,
};

/// A match of `-m` or a target of `-j`: its name, its options and what it needs.
pub(super) trait Extension: Sized + 'static {
    /// What its options fill in.
    type Draft: Default;
    /// Its name.
    const NAME: &'static str;
    /// Other names of it.
    const ALIASES: &'static [&'static str] = &[];
    /// The one family that has it, with what the other has instead; none if both have it.
    const ONLY: Option<(Family, &'static str)> = None;
    /// The tables it can be used in.
    const TABLES: &'static [TableName] = &TableName::ALL;
    /// Its options, in the order in which iptables-save writes them.
    const OPTIONS: &'static [Opt<Self>];
    /// The feature that a rule with it needs.
    const FEATURE: Feature;

    /// What the options made, if it is complete. The problem is the whole extension's.
    fn finish(draft: Self::Draft, family: Family) -> Result<Self, Problem>;

    /// The protocols it needs, one of which the header must name; every one if empty.
    fn protocols(&self, _family: Family) -> Needs {
        Needs::NOTHING
    }

    /// The hooks it can be used at.
    fn hooks(&self) -> Hooks {
        Hooks::ALL
    }
}

/// Protocols of which a rule must name one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    /// The protocols; every one if empty.
    pub protocols: &'static [Protocol],
    /// The same as options, for people.
    pub options: &'static str,
}

impl Needs {
    /// No protocol in particular.
    pub const NOTHING: Self = Self { protocols: &[], options: "" };
}

/// An extension without its type. `K` is the enum of all of its kind.
pub(super) struct Module<K> {
    /// [`Extension::NAME`].
    pub name: &'static str,
    /// [`Extension::ALIASES`].
    pub aliases: &'static [&'static str],
    /// [`Extension::ONLY`].
    pub only: Option<(Family, &'static str)>,
    /// What its options look like.
    pub shapes: fn() -> Vec<&'static Shape>,
    /// Makes one of given options, which are told by their place among `shapes`.
    pub build: fn(&Requested<'_>, &mut Vec<RuleError>) -> Option<K>,
}

/// An extension as a rule asks for it.
pub(super) struct Requested<'a> {
    /// Its name in the rule.
    pub name: super::piece::Piece<'a>,
    /// The ruleset's family.
    pub family: Family,
    /// The options, by their place among the shapes.
    pub options: Vec<(usize, Given<'a>)>,
}

impl<K> Module<K> {
    /// The module of an extension.
    pub const fn of<X: Extension + Into<K>>() -> Self {
        Self {
            name: X::NAME,
            aliases: X::ALIASES,
            only: X::ONLY,
            shapes: || X::OPTIONS.iter().map(|option| &option.shape).collect(),
            build: build::<X, K>,
        }
    }

    /// Whether `name` is one of its names.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    /// Whether `family` has it.
    pub fn is_for(&self, family: Family) -> bool {
        self.only.is_none_or(|(only, _)| only == family)
    }
}

fn build<X: Extension + Into<K>, K>(requested: &Requested<'_>, errors: &mut Vec<RuleError>) -> Option<K> {
    let before = errors.len();
    let mut draft = X::Draft::default();
    for (index, given) in &requested.options {
        let Some(option) = X::OPTIONS.get(*index) else { continue };
        match option.shape.refused {
            Some(instead) => errors.push(given.option.wrong(Problem::Unsupported { instead })),
            None => errors.extend((option.read)(&mut draft, given).err()),
        }
    }
    if errors.len() > before {
        return None;
    }
    match X::finish(draft, requested.family) {
        Ok(extension) => Some(extension.into()),
        Err(problem) => {
            errors.push(requested.name.wrong(problem));
            None
        }
    }
}

/// Writes an extension's options, each with a space before it.
pub(super) fn write<X: Extension>(extension: &X, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for option in X::OPTIONS {
        let Some(Written { negated, words }) = (option.write)(extension) else { continue };
        let not = if negated { " !" } else { "" };
        write!(f, "{not} {}", option.shape.name)?;
        if !words.is_empty() {
            write!(f, " {words}")?;
        }
    }
    Ok(())
}

/// Makes the enum of all extensions of one kind, and the table by which the parser finds them: one line for each.
macro_rules! extensions {
    (
        $(#[$enum_doc:meta])*
        pub enum $Kind:ident {
            $($(#[$plain_doc:meta])* $Plain:ident $(($Inner:ty))? = $plain_name:literal,)*
        }
        $($(#[$doc:meta])* $Variant:ident($Type:ty),)+
    ) => {
        $(#[$enum_doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $Kind {
            $($(#[$plain_doc])* $Plain $(($Inner))?,)*
            $($(#[$doc])* $Variant($Type),)+
        }

        $(impl From<$Type> for $Kind {
            fn from(extension: $Type) -> Self {
                Self::$Variant(extension)
            }
        })+

        /// Every module of this kind.
        pub(super) static MODULES: &[Module<$Kind>] = &[$(Module::of::<$Type>(),)+];

        impl $Kind {
            /// Its name.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$Plain { .. } => $plain_name,)*
                    $(Self::$Variant(_) => <$Type>::NAME,)+
                }
            }

            /// The feature that a rule with it needs.
            pub fn feature(&self) -> Feature {
                match self {
                    $(Self::$Plain { .. } => Feature::Filter,)*
                    $(Self::$Variant(_) => <$Type>::FEATURE,)+
                }
            }

            /// The tables it can be used in.
            pub(super) fn tables(&self) -> &'static [TableName] {
                match self {
                    $(Self::$Plain { .. } => &TableName::ALL,)*
                    $(Self::$Variant(_) => <$Type>::TABLES,)+
                }
            }

            /// The protocols of which a rule must name one.
            pub(super) fn protocols(&self, family: Family) -> Needs {
                match self {
                    $(Self::$Plain { .. } => {
                        let _ = family;
                        Needs::NOTHING
                    })*
                    $(Self::$Variant(extension) => extension.protocols(family),)+
                }
            }

            /// The hooks it can be used at.
            pub(super) fn hooks(&self) -> Hooks {
                match self {
                    $(Self::$Plain { .. } => Hooks::ALL,)*
                    $(Self::$Variant(extension) => extension.hooks(),)+
                }
            }

            /// Writes its options, each with a space before it.
            pub(super) fn write_options(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$Plain { .. } => Ok(()),)*
                    $(Self::$Variant(extension) => write(extension, f),)+
                }
            }
        }
    };
}

pub(super) use extensions;

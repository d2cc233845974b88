//! Features: abilities that rules need, named after the modules of iptables.

use std::{fmt, str::FromStr};

use super::{rule::Rule, suggest::nearest, table::TableName};

/// An ability that rules need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Rules at all: table filter, addresses, interfaces, protocols, TCP, UDP and ICMP, chains and verdicts.
    Filter,
    /// Table mangle.
    Mangle,
    /// Table nat and its targets.
    Nat,
    /// `-m conntrack`.
    Conntrack,
    /// `-m state`.
    State,
    /// `-m connmark` and CONNMARK.
    Connmark,
    /// `-m connlimit`.
    Connlimit,
    /// `-m multiport`.
    Multiport,
    /// `-m iprange`.
    Iprange,
    /// `-m length`.
    Length,
    /// `-m dscp`.
    Dscp,
    /// `-m tos`.
    Tos,
    /// `-m ttl`.
    Ttl,
    /// `-m hl`.
    Hl,
    /// `-m mark` and MARK.
    Mark,
    /// `-m addrtype`.
    Addrtype,
    /// `-m pkttype`.
    Pkttype,
    /// `-m mac`.
    Mac,
    /// `-m frag`.
    Frag,
    /// `-m comment`.
    Comment,
    /// `-m statistic`.
    Statistic,
    /// `-m limit`.
    Limit,
    /// `-m hashlimit`.
    Hashlimit,
    /// `-m set`.
    Set,
    /// `-m recent`.
    Recent,
    /// REJECT.
    Reject,
    /// LOG.
    Log,
    /// NFLOG.
    Nflog,
    /// Connections that FTP announces are RELATED: no rule's, but the container's own.
    HelperFtp,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 29] = [
        Self::Filter,
        Self::Mangle,
        Self::Nat,
        Self::Conntrack,
        Self::State,
        Self::Connmark,
        Self::Connlimit,
        Self::Multiport,
        Self::Iprange,
        Self::Length,
        Self::Dscp,
        Self::Tos,
        Self::Ttl,
        Self::Hl,
        Self::Mark,
        Self::Addrtype,
        Self::Pkttype,
        Self::Mac,
        Self::Frag,
        Self::Comment,
        Self::Statistic,
        Self::Limit,
        Self::Hashlimit,
        Self::Set,
        Self::Recent,
        Self::Reject,
        Self::Log,
        Self::Nflog,
        Self::HelperFtp,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Mangle => "mangle",
            Self::Nat => "nat",
            Self::Conntrack => "conntrack",
            Self::State => "state",
            Self::Connmark => "connmark",
            Self::Connlimit => "connlimit",
            Self::Multiport => "multiport",
            Self::Iprange => "iprange",
            Self::Length => "length",
            Self::Dscp => "dscp",
            Self::Tos => "tos",
            Self::Ttl => "ttl",
            Self::Hl => "hl",
            Self::Mark => "mark",
            Self::Addrtype => "addrtype",
            Self::Pkttype => "pkttype",
            Self::Mac => "mac",
            Self::Frag => "frag",
            Self::Comment => "comment",
            Self::Statistic => "statistic",
            Self::Limit => "limit",
            Self::Hashlimit => "hashlimit",
            Self::Set => "set",
            Self::Recent => "recent",
            Self::Reject => "reject",
            Self::Log => "log",
            Self::Nflog => "nflog",
            Self::HelperFtp => "helper-ftp",
        }
    }

    /// What it needs beside itself: one step, [`Features::closure`] takes them all.
    pub const fn needs(self) -> &'static [Self] {
        match self {
            Self::Filter => &[],
            Self::Nat | Self::State | Self::Connmark | Self::Connlimit | Self::HelperFtp => {
                &[Self::Conntrack]
            }
            Self::Mangle
            | Self::Conntrack
            | Self::Multiport
            | Self::Iprange
            | Self::Length
            | Self::Dscp
            | Self::Tos
            | Self::Ttl
            | Self::Hl
            | Self::Mark
            | Self::Addrtype
            | Self::Pkttype
            | Self::Mac
            | Self::Frag
            | Self::Comment
            | Self::Statistic
            | Self::Limit
            | Self::Hashlimit
            | Self::Set
            | Self::Recent
            | Self::Reject
            | Self::Log
            | Self::Nflog => &[Self::Filter],
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Feature {
    type Err = FeatureError;

    /// Takes the names of the kernel's modules too (`xt_mac`, `ipt_REJECT`, `iptable_nat`, `ip_conntrack`), as masks of
    /// Virtuozzo have them.
    fn from_str(text: &str) -> Result<Self, FeatureError> {
        const PREFIXES: [&str; 7] = ["iptable_", "ip6table_", "ip6t_", "ipt_", "xt_", "nf_", "ip_"];
        let lower = text.to_ascii_lowercase();
        let bare = PREFIXES.iter().find_map(|prefix| lower.strip_prefix(prefix)).unwrap_or(&lower);
        let name = match bare {
            "tables" => "filter",
            "redirect" | "masquerade" | "snat" | "dnat" => "nat",
            "helper" | "conntrack_ftp" => "helper-ftp",
            other => other,
        };
        Self::ALL.into_iter().find(|feature| feature.name() == name).ok_or_else(|| FeatureError {
            text: text.to_owned(),
            nearest: nearest(name, Self::ALL.iter().map(|feature| feature.name())),
        })
    }
}

/// A text that names no feature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no feature{}", .nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default())]
pub struct FeatureError {
    /// The text.
    pub text: String,
    /// The feature whose name comes nearest.
    pub nearest: Option<&'static str>,
}

/// A set of features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features(u32);

impl Features {
    /// None.
    pub const NONE: Self = Self(0);

    /// Every feature.
    pub fn all() -> Self {
        Feature::ALL.into_iter().collect()
    }

    /// What a container may use unless told: every feature but those that act without a rule.
    pub fn unless_told() -> Self {
        Self::all().without([Feature::HelperFtp].into_iter().collect())
    }

    /// Adds one.
    pub const fn insert(&mut self, feature: Feature) {
        self.0 |= 1 << feature as u32;
    }

    /// Whether `feature` is among them.
    pub const fn contains(self, feature: Feature) -> bool {
        self.0 & 1 << feature as u32 != 0
    }

    /// Those in both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those in either.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in `self` that are not in `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The features, in the order of [`Feature::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.into_iter().filter(move |&feature| self.contains(feature))
    }

    /// With everything that they need, and what that needs.
    pub fn closure(self) -> Self {
        let wider = self.iter().fold(self, |all, feature| all.or(feature.needs().iter().copied().collect()));
        if wider == self { self } else { wider.closure() }
    }

    /// Those that have everything they need among them: what is left of an allowance.
    pub fn supported(self) -> Self {
        let alone = |feature: &Feature| Self::from_iter([*feature]).closure().without(self) == Self::NONE;
        self.iter().filter(alone).collect()
    }
}

impl FromIterator<Feature> for Features {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        let mut set = Self::NONE;
        for feature in features {
            set.insert(feature);
        }
        set
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, feature) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{feature}")?;
        }
        Ok(())
    }
}

/// What a rule of `table` needs by itself; [`Features::closure`] adds what that needs.
pub fn features(table: TableName, rule: &Rule) -> Features {
    let of_table = match table {
        TableName::Filter => Feature::Filter,
        TableName::Nat => Feature::Nat,
        TableName::Mangle => Feature::Mangle,
    };
    let of_matches = rule.matches.iter().map(super::matches::Match::feature);
    let of_target = rule.target.iter().map(super::targets::Target::feature);
    [of_table].into_iter().chain(of_matches).chain(of_target).collect()
}

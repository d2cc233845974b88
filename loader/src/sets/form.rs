//! Types of sets.

use berth_common::abi::{rules::Family, set::Kind};

use super::Fault;

/// What a set's entries are like: fixed when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The type.
    pub kind: Kind,
    /// The family; none for sets of ports.
    pub family: Option<Family>,
    /// Of sets of ports: the ports that there may be in it.
    pub ports: (u16, u16),
}

const NAMES: [(&str, Kind); 7] = [
    ("hash:ip", Kind::HashIp),
    ("hash:net", Kind::HashNet),
    ("hash:ip,port", Kind::HashIpPort),
    ("hash:net,port", Kind::HashNetPort),
    ("hash:ip,port,ip", Kind::HashIpPortIp),
    ("hash:ip,port,net", Kind::HashIpPortNet),
    ("bitmap:port", Kind::BitmapPort),
];

/// The names of all types.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().map(|(name, _)| name)
}

/// The type of this name.
pub fn kind(name: &str) -> Result<Kind, Fault> {
    // ipset's short names of old.
    let name = match name {
        "iphash" => "hash:ip",
        "nethash" => "hash:net",
        "ipporthash" => "hash:ip,port",
        "ipportiphash" => "hash:ip,port,ip",
        "ipportnethash" => "hash:ip,port,net",
        "portmap" => "bitmap:port",
        name => name,
    };
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, kind)| *kind)
        .ok_or_else(|| Fault::Type(name.to_owned()))
}

/// The name of a type.
pub fn name(kind: Kind) -> &'static str {
    NAMES.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name)
}

/// The name of a family.
pub const fn family_name(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "inet",
        Family::Ipv6 => "inet6",
    }
}

impl Form {
    /// Of a type with addresses.
    pub const fn of(kind: Kind, family: Family) -> Self {
        match kind {
            Kind::BitmapPort => Self { kind, family: None, ports: (0, u16::MAX) },
            _ => Self { kind, family: Some(family), ports: (0, u16::MAX) },
        }
    }

    /// The type's name.
    pub fn name(&self) -> &'static str {
        name(self.kind)
    }

    /// Bits of an address.
    pub const fn bits(&self) -> u8 {
        match self.family {
            None => 1,
            Some(Family::Ipv4) => 32,
            Some(Family::Ipv6) => 128,
        }
    }

    /// Whether a rule of this family may ask for such a set, as iptables sees it.
    pub fn suits(&self, family: Family) -> bool {
        self.family.is_none_or(|own| own == family)
    }

    /// What `create` says of it, with the most entries that it may have.
    pub fn describe(&self, max: u32) -> String {
        match self.family {
            None => format!("{} range {}-{}", self.name(), self.ports.0, self.ports.1),
            Some(family) => {
                format!("{} family {} hashsize 1024 maxelem {max}", self.name(), family_name(family))
            }
        }
    }
}

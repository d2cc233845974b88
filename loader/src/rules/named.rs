//! Names that others than rules have too.

use super::{
    family::Family,
    matches::icmp_names,
    values::{protocol, services::SERVICES},
};

/// A protocol by its name.
pub(crate) fn protocol(name: &str) -> Option<u8> {
    find(protocol::NAMES, name)
}

/// The name of a protocol.
pub(crate) fn protocol_name(number: u8) -> Option<&'static str> {
    protocol::NAMES.iter().find(|(_, other)| *other == number).map(|(name, _)| *name)
}

/// The port of a service.
pub(crate) fn service(name: &str) -> Option<u16> {
    find(SERVICES, name)
}

/// Type and code of ICMP by their name; the code is zero where only a type is named.
pub(crate) fn icmp(family: Family, name: &str) -> Option<(u8, u8)> {
    let names = if family == Family::Ipv4 { icmp_names::ICMP } else { icmp_names::ICMP6 };
    find(names, name).map(|(kind, code)| (kind, code.unwrap_or(0)))
}

fn find<T: Copy>(names: &[(&str, T)], wanted: &str) -> Option<T> {
    names.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
}

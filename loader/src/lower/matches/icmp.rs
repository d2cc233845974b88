//! Types and codes of ICMP (net/ipv4/netfilter/ip_tables.c, net/ipv6/netfilter/ip6_tables.c). Type and code are one number;
//! fragments that lack it match nothing, negated or not.

use super::super::values::{field, range};
use crate::{
    compile::{
        Values,
        input::{Condition, Dimension, Family},
    },
    rules::matches::{
        icmp::{Icmp, IcmpType},
        icmp6::{Icmp6, Icmp6Type},
    },
};

pub(super) fn icmp(icmp: &Icmp, family: Family) -> Condition {
    let values = match icmp.kind.value {
        IcmpType::Any => Values::all(Dimension::DestinationPort, family),
        IcmpType::Type(kind) => all_codes(kind),
        IcmpType::Code(kind, code) => one_code(kind, code),
    };
    field(Dimension::DestinationPort, values, icmp.kind.negated, family)
}

pub(super) fn icmp6(icmp: &Icmp6, family: Family) -> Condition {
    let values = match icmp.kind.value {
        Icmp6Type::Type(kind) => all_codes(kind),
        Icmp6Type::Code(kind, code) => one_code(kind, code),
    };
    field(Dimension::DestinationPort, values, icmp.kind.negated, family)
}

fn all_codes(kind: u8) -> Values {
    range(u16::from_be_bytes([kind, 0]), u16::from_be_bytes([kind, u8::MAX]))
}

fn one_code(kind: u8, code: u8) -> Values {
    Values::one(u16::from_be_bytes([kind, code]))
}

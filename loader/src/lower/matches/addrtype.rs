//! Kinds of addresses (net/netfilter/xt_addrtype.c).

use super::super::{Reason, values::field};
use crate::{
    compile::{
        Values,
        input::{Condition, Dimension, Family},
    },
    rules::{
        matches::addrtype::{AddressType, Addrtype},
        values::flags::Flags,
    },
};

/// Kinds of routes, as the kernel numbers them (include/uapi/linux/rtnetlink.h).
const UNICAST: u32 = 1;
const LOCAL: u32 = 2;
const BROADCAST: u32 = 3;
const MULTICAST: u32 = 5;

pub(super) fn conditions(addrtype: &Addrtype, family: Family) -> Result<Vec<Condition>, Reason> {
    if addrtype.interface.is_some() {
        return Err(Reason::AddressesOfInterface);
    }
    let ends = [(Dimension::SourceType, addrtype.source), (Dimension::DestinationType, addrtype.destination)];
    let mut all = Vec::new();
    for (dimension, types) in ends {
        if let Some(types) = types {
            let values = match family {
                Family::Ipv4 => any_of(types.value),
                Family::Ipv6 => all_of(types.value, dimension),
            };
            all.push(field(dimension, values, types.negated, family));
        }
    }
    Ok(all)
}

/// An IPv4 address is of one kind.
fn any_of(types: Flags<AddressType>) -> Values {
    let number = |kind| match kind {
        AddressType::Unicast => UNICAST,
        AddressType::Local => LOCAL,
        AddressType::Broadcast => BROADCAST,
        AddressType::Multicast => MULTICAST,
    };
    Values::new(types.iter().map(number).map(|number| number.into()..=number.into()))
}

/// An IPv6 address must be of all kinds that are named, and a local one is unicast too.
fn all_of(types: Flags<AddressType>, dimension: Dimension) -> Values {
    let of = |kind| match kind {
        AddressType::Unicast => Values::new([UNICAST.into()..=LOCAL.into()]),
        AddressType::Local => Values::one(LOCAL),
        AddressType::Broadcast => Values::default(),
        AddressType::Multicast => Values::one(MULTICAST),
    };
    types.iter().map(of).fold(Values::all(dimension, Family::Ipv6), |all, one| all.intersection(&one))
}

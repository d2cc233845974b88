//! What flows are translated to.

use berth_common::abi::{address::Address, rules::target::Target, units::Port};

use crate::rules::{targets::Target as Written, values::range::AddressRange};

/// What the kernel puts into a struct nf_nat_range2 (xt_nat.c, xt_MASQUERADE.c, nf_nat_redirect.c).
pub(super) fn target(written: &Written) -> Target {
    let (mut addresses, mut base, mut flags) = (None, None, 0);
    let mut if_set = |is_set: bool, flag: u32| flags |= if is_set { flag } else { 0 };
    let ports = match written {
        Written::Dnat(dnat) => {
            (addresses, base) = (dnat.to.addresses, dnat.to.base);
            if_set(dnat.random, Target::RANDOM);
            if_set(dnat.persistent, Target::PERSISTENT);
            dnat.to.ports
        }
        Written::Snat(snat) => {
            addresses = snat.to.addresses;
            if_set(snat.random | snat.random_fully, Target::RANDOM);
            if_set(snat.persistent, Target::PERSISTENT);
            snat.to.ports
        }
        Written::Masquerade(masquerade) => {
            if_set(masquerade.random | masquerade.random_fully, Target::RANDOM);
            if_set(true, Target::OWN);
            masquerade.ports
        }
        Written::Redirect(redirect) => {
            if_set(redirect.random, Target::RANDOM);
            if_set(true, Target::OWN);
            redirect.ports
        }
        other => panic!("{} should have been refused", other.name()),
    };
    if_set(addresses.is_some(), Target::ADDRESSES);
    if_set(ports.is_some(), Target::PORTS);
    if_set(base.is_some(), Target::SHIFTS);
    let none = Target::NOTHING;
    Target {
        flags,
        ports: ports.map_or(none.ports, |ports| [Port(ports.first), Port(ports.last)]),
        base: base.map_or(none.base, Port),
        addresses: addresses.map_or(none.addresses, |addresses| match addresses {
            AddressRange::V4 { first, last } => {
                [first, last].map(|one| Address::from_octets(one.to_ipv6_mapped().octets()))
            }
            AddressRange::V6 { first, last } => [first, last].map(|one| Address::from_octets(one.octets())),
        }),
    }
}

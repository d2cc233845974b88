//! What flows are translated to (net/netfilter/xt_nat.c, xt_MASQUERADE.c, xt_REDIRECT.c).

use std::net::{IpAddr, Ipv6Addr};

use berth_common::abi::{address::Address, rules::target::Target, units::Port};

use super::{Reason, rule::Context};
use crate::{
    compile::input::Action,
    rules::{
        targets::{dnat::Dnat, masquerade::Masquerade, nat_range::NatRange, redirect::Redirect, snat::Snat},
        values::{ports::PortRange, range::AddressRange},
    },
};

pub(super) fn dnat(dnat: &Dnat, context: &mut Context<'_>) -> Result<Action, Reason> {
    if let Some(addresses) =
        dnat.to.addresses.filter(|addresses| context.is_sending && is_loopback(addresses))
    {
        return Err(Reason::ToLoopback(addresses));
    }
    let flags = flag(Target::RANDOM, dnat.random) | flag(Target::PERSISTENT, dnat.persistent);
    Ok(translate(range(&dnat.to, flags), context))
}

pub(super) fn snat(snat: &Snat, context: &mut Context<'_>) -> Action {
    let random = flag(Target::RANDOM, snat.random || snat.random_fully);
    translate(range(&snat.to, random | flag(Target::PERSISTENT, snat.persistent)), context)
}

pub(super) fn masquerade(masquerade: Masquerade, context: &mut Context<'_>) -> Action {
    let random = flag(Target::RANDOM, masquerade.random || masquerade.random_fully);
    translate(with_ports(masquerade.ports, Target::OWN | random), context)
}

pub(super) fn redirect(redirect: Redirect, context: &mut Context<'_>) -> Result<Action, Reason> {
    if context.is_sending {
        return Err(Reason::RedirectOutput);
    }
    let random = flag(Target::RANDOM, redirect.random);
    Ok(translate(with_ports(redirect.ports, Target::OWN | random), context))
}

fn translate(target: Target, context: &mut Context<'_>) -> Action {
    let number = u32::try_from(context.targets.len()).unwrap_or(u32::MAX);
    context.targets.push(target);
    Action::Translate(number)
}

fn range(to: &NatRange, flags: u32) -> Target {
    let target = with_ports(to.ports, flags);
    let target = match to.base {
        Some(base) => Target { flags: target.flags | Target::SHIFTS, base: Port(base), ..target },
        None => target,
    };
    match to.addresses {
        Some(range) => Target {
            flags: target.flags | Target::ADDRESSES,
            addresses: [range.first(), range.last()].map(Address::from),
            ..target
        },
        None => target,
    }
}

fn with_ports(ports: Option<PortRange>, flags: u32) -> Target {
    match ports {
        Some(PortRange { first, last }) => {
            Target { flags: flags | Target::PORTS, ports: [Port(first), Port(last)], ..Target::NOTHING }
        }
        None => Target { flags, ..Target::NOTHING },
    }
}

/// Whether one of these addresses is no other host's ever.
fn is_loopback(range: &AddressRange) -> bool {
    match (range.first(), range.last()) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let [first, last] = [first, last].map(|address| address.octets()[0]);
            (first..=last).contains(&127)
        }
        _ => range.contains(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    }
}

const fn flag(flag: u32, is_set: bool) -> u32 {
    if is_set { flag } else { 0 }
}

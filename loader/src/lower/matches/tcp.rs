//! Ports, flags and options of TCP (net/netfilter/xt_tcpudp.c).

use super::{super::values::field, ports};
use crate::{
    compile::{
        Values,
        input::{Check, Condition, Dimension, Family},
    },
    rules::{
        matches::tcp::{Tcp, TcpFlag},
        values::flags::Flags,
    },
};

pub(super) fn conditions(tcp: &Tcp, family: Family) -> Vec<Condition> {
    let mut all = ports::both(tcp.source, tcp.destination, family);
    if all.is_empty() {
        all.push(ports::any(family));
    }
    if let Some(flags) = tcp.flags {
        let values = Values::masked(bits(flags.value.mask), bits(flags.value.set));
        all.push(field(Dimension::TcpFlags, values, flags.negated, family));
    }
    if let Some(option) = tcp.option {
        all.push(Condition::Check(Check::TcpOption { kind: option.value, inverted: option.negated }));
    }
    all
}

fn bits(flags: Flags<TcpFlag>) -> u8 {
    flags.iter().fold(0, |bits, flag| bits | flag.bit())
}

//! Netfilter's order of tables.

use crate::{
    compile::input::BuiltIn,
    rules::{hook::Hook, table::TableName},
};

/// The tables whose rules are carried out.
pub(super) const ENFORCED: [TableName; 3] = [TableName::Filter, TableName::Mangle, TableName::Nat];

/// The base chains that a packet meets, or that are asked about a flow's first packet, one after another
/// (include/uapi/linux/netfilter_ipv4.h: the lower priority first).
pub(super) const fn way(chain: BuiltIn) -> &'static [(TableName, Hook)] {
    const FILTER: TableName = TableName::Filter;
    const MANGLE: TableName = TableName::Mangle;
    const NAT: TableName = TableName::Nat;
    match chain {
        BuiltIn::Input => &[(MANGLE, Hook::Prerouting), (MANGLE, Hook::Input), (FILTER, Hook::Input)],
        BuiltIn::Output => &[(MANGLE, Hook::Output), (FILTER, Hook::Output), (MANGLE, Hook::Postrouting)],
        BuiltIn::Forward => &[
            (MANGLE, Hook::Prerouting),
            (MANGLE, Hook::Forward),
            (FILTER, Hook::Forward),
            (MANGLE, Hook::Postrouting),
        ],
        BuiltIn::NatPrerouting => &[(NAT, Hook::Prerouting)],
        BuiltIn::NatInput => &[(NAT, Hook::Input)],
        BuiltIn::NatOutput => &[(NAT, Hook::Output)],
        BuiltIn::NatPostrouting => &[(NAT, Hook::Postrouting)],
    }
}

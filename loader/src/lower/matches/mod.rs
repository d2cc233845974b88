//! The matches of `-m`.

mod addrtype;
mod bytes;
mod connlimit;
mod conntrack;
mod frag;
mod hashlimit;
mod helper;
mod icmp;
mod iprange;
mod limit;
mod pkttype;
mod ports;
mod recent;
mod set;
mod statistic;
mod tcp;

use super::{Reason, rule::Context};
use crate::{
    compile::input::{Check, Condition},
    rules::{self, matches::Match, table::TableName, values::mark::MaskedMark},
};

/// The conditions of a match.
pub(super) fn conditions(one: &Match, context: &mut Context<'_>) -> Result<Vec<Condition>, Reason> {
    let family = context.family();
    let conditions = match one {
        Match::Addrtype(addrtype) => addrtype::conditions(addrtype, family)?,
        Match::Comment(_) => Vec::new(),
        Match::Connlimit(_) if context.place.table == TableName::Nat => return Err(Reason::ConnlimitOfNat),
        Match::Connlimit(connlimit) => vec![connlimit::condition(connlimit, context)],
        Match::Connmark(_) => return Err(Reason::FlowMark),
        Match::Conntrack(conntrack) => conntrack::conditions(conntrack, family)?,
        Match::Dscp(dscp) => vec![bytes::dscp(dscp, family)],
        Match::Frag(frag) => vec![frag::condition(frag)],
        Match::Hashlimit(hashlimit) => vec![hashlimit::condition(hashlimit, context)],
        Match::Helper(helper) => vec![helper::condition(helper, family)],
        Match::Hl(hl) => vec![bytes::hl(*hl, family)],
        Match::Icmp(icmp) => vec![icmp::icmp(icmp, family)],
        Match::Icmp6(icmp) => vec![icmp::icmp6(icmp, family)],
        Match::Iprange(iprange) => iprange::conditions(iprange, family),
        Match::Length(length) => vec![bytes::length(length, family)],
        Match::Limit(limit) => vec![limit::condition(limit)],
        Match::Mac(mac) => {
            let (address, inverted) = (mac.source.value.0, mac.source.negated);
            vec![Condition::Check(Check::Mac { address, inverted })]
        }
        Match::Mark(mark) => {
            let rules::condition::Condition { negated: inverted, value: MaskedMark { value, mask } } =
                mark.mark;
            vec![Condition::Check(Check::Mark { value, mask, inverted })]
        }
        Match::Multiport(multiport) => ports::multiport(multiport, family),
        Match::Pkttype(pkttype) => vec![pkttype::condition(pkttype, family)],
        Match::Recent(recent) => vec![recent::condition(recent, context)?],
        Match::Set(set) => vec![set::condition(set, context)?],
        Match::State(state) => vec![conntrack::state(state.state, family)],
        Match::Statistic(statistic) => vec![statistic::condition(*statistic)],
        Match::Tcp(tcp) => tcp::conditions(tcp, family),
        Match::Tos(tos) => vec![bytes::tos(tos, family)],
        Match::Ttl(ttl) => vec![bytes::ttl(*ttl, family)],
        Match::Udp(udp) => ports::udp(udp, family),
    };
    Ok(conditions)
}

//! What a rule does.

use berth_common::abi::rules::reject::Rejection;

use super::{LogSpec, Reason, Report, rule::Context, translation};
use crate::{
    compile::input::{Action, ChainId},
    rules::{
        chain::ChainName,
        targets::{
            Target,
            reject::{RejectWith, Unreachable, Unreachable6},
        },
    },
};

/// What a rule with this target does.
pub(super) fn action(target: Option<&Target>, context: &mut Context<'_>) -> Result<Action, Reason> {
    let Some(target) = target else {
        return Ok(Action::Continue);
    };
    let action = match target {
        Target::Accept => Action::Accept,
        Target::Drop => Action::Drop,
        Target::Return => Action::Return,
        Target::Jump(chain) => Action::Jump(find(chain, context)?),
        Target::Goto(chain) => Action::Goto(find(chain, context)?),
        Target::Log(log) => report(Report::Log(log.clone()), context),
        Target::Nflog(nflog) => report(Report::Nflog(nflog.clone()), context),
        Target::Mark(mark) => Action::SetMark { value: mark.change.flip, mask: mark.change.clear },
        Target::Reject(reject) => Action::Reject(rejection(reject.with).number()),
        Target::Connmark(_) => return Err(Reason::FlowMark),
        Target::Dnat(dnat) => translation::dnat(dnat, context)?,
        Target::Masquerade(masquerade) => translation::masquerade(*masquerade, context),
        Target::Redirect(redirect) => translation::redirect(*redirect, context)?,
        Target::Snat(snat) => translation::snat(snat, context),
    };
    Ok(action)
}

fn find(chain: &ChainName, context: &Context<'_>) -> Result<ChainId, Reason> {
    (context.find)(chain).ok_or_else(|| Reason::NoChain(chain.clone()))
}

fn report(report: Report, context: &mut Context<'_>) -> Action {
    let id = u32::try_from(context.logs.len()).unwrap_or(u32::MAX);
    context.logs.push(LogSpec { place: context.place.clone(), report });
    Action::Log(id)
}

const fn rejection(with: RejectWith) -> Rejection {
    match with {
        RejectWith::TcpReset => Rejection::TcpReset,
        RejectWith::Icmp(Unreachable::Network) => Rejection::Network,
        RejectWith::Icmp(Unreachable::Host) => Rejection::Host,
        RejectWith::Icmp(Unreachable::Protocol) => Rejection::Protocol,
        RejectWith::Icmp(Unreachable::Port) => Rejection::Port,
        RejectWith::Icmp(Unreachable::NetworkProhibited) => Rejection::NetworkProhibited,
        RejectWith::Icmp(Unreachable::HostProhibited) => Rejection::HostProhibited,
        RejectWith::Icmp(Unreachable::AdministrativelyProhibited) => Rejection::AdministrativelyProhibited,
        RejectWith::Icmp6(Unreachable6::NoRoute) => Rejection::NoRoute6,
        RejectWith::Icmp6(Unreachable6::AdministrativelyProhibited) => Rejection::AdministrativelyProhibited6,
        RejectWith::Icmp6(Unreachable6::Address) => Rejection::Address6,
        RejectWith::Icmp6(Unreachable6::Port) => Rejection::Port6,
        RejectWith::Icmp6(Unreachable6::PolicyFail) => Rejection::PolicyFail6,
        RejectWith::Icmp6(Unreachable6::RejectRoute) => Rejection::RejectRoute6,
    }
}

//! Events for user space: at most [`PER_SECOND`] for each owner and reason, or [`LOGS_PER_SECOND`] for each rule that logs,
//! with the number of those left out. (Those of flows are in [`crate::told`].)

use aya_ebpf::{bindings::BPF_ANY, helpers::generated::bpf_ktime_get_coarse_ns};
use berth_common::{
    abi::{
        event::Event,
        reason::Reason,
        rules::Dimension,
        units::{ContainerId, Nanos},
    },
    engine::{Headers, Verdict, classify::Question, rules::Case},
};

use crate::{
    maps::{EVENT_RATES, EVENTS},
    packet::Skb,
    rules::Logged,
};

/// Enough to see what is going on, too few to hurt.
const PER_SECOND: u64 = 10;
/// Whoever wants fewer of a rule that logs has `-m limit` before it.
const LOGS_PER_SECOND: u64 = 1_000;

/// What happened to whom.
#[derive(Clone, Copy)]
pub struct Incident {
    /// Whose packet or call it was.
    pub owner: ContainerId,
    /// Who holds the port that was asked for.
    pub holder: ContainerId,
    /// Why.
    pub reason: Reason,
    /// The interface; zero for a call.
    pub ifindex: u32,
}

/// A packet was dropped.
#[inline(always)]
pub fn dropped(now: Nanos, headers: &Headers, verdict: &Verdict, ifindex: u32) {
    let incident =
        Incident { owner: verdict.owner.id, holder: ContainerId::UNOWNED, reason: verdict.reason, ifindex };
    report(now, headers, &incident);
}

/// A packet was dropped, or a call refused (whose port is the destination of `headers`).
#[inline(never)]
pub fn report(now: Nanos, headers: &Headers, incident: &Incident) {
    let key = (incident.owner.0 as u64) << 8 | incident.reason as u64;
    let Some(suppressed) = admit(now, key, PER_SECOND) else { return };
    let Some(mut entry) = EVENTS.reserve_untyped::<Event>(0) else { return lose(key, suppressed) };
    entry.write(Event {
        time: now,
        source: headers.source,
        destination: headers.destination,
        container: incident.owner,
        holder: incident.holder,
        source_port: headers.source_port,
        destination_port: headers.destination_port,
        protocol: headers.protocol.0,
        reason: incident.reason as u8,
        detail: 0,
        ttl: 0,
        suppressed,
        ifindex: incident.ifindex,
        log: 0,
        ruleset: 0,
        mark: 0,
        length: 0,
        tos: 0,
        chain: 0,
        padding: 0,
    });
    entry.submit(0);
}

/// A rule logs a packet, about which this was the question.
#[inline(always)]
pub fn logged((skb, headers): (Skb, &Headers), case: &Case, question: &Question, logged: &Logged) {
    // SAFETY: The helper has no preconditions.
    let now = Nanos(unsafe { bpf_ktime_get_coarse_ns() });
    let key = 1 << 63 | (case.container.0 as u64) << 32 | logged.id as u64;
    let Some(suppressed) = admit(now, key, LOGS_PER_SECOND) else { return };
    let Some(mut entry) = EVENTS.reserve_untyped::<Event>(0) else { return lose(key, suppressed) };
    entry.write(Event {
        time: now,
        source: headers.source,
        destination: headers.destination,
        container: case.container,
        holder: ContainerId::UNOWNED,
        source_port: headers.source_port,
        destination_port: headers.destination_port,
        protocol: headers.protocol.0,
        reason: Reason::None as u8,
        detail: headers.detail,
        ttl: question.fields.get(Dimension::Ttl) as u8,
        suppressed,
        ifindex: skb.ifindex(),
        log: logged.id.wrapping_add(1),
        ruleset: logged.ruleset,
        mark: logged.mark,
        length: question.length,
        tos: question.fields.get(Dimension::Tos) as u8,
        chain: case.chain.built_in() as u8,
        padding: 0,
    });
    entry.submit(0);
}

/// One that was admitted found no room, and is suppressed with those that it was to tell of.
#[inline(always)]
fn lose(key: u64, suppressed: u64) {
    // SAFETY: As below.
    let word = unsafe { EVENT_RATES.get(key) }.copied().unwrap_or(0);
    let all = (word >> 16 & 0xff_ffff).wrapping_add(suppressed).wrapping_add(1) & 0xff_ffff;
    let _ = EVENT_RATES.insert(key, word & !(0xff_ffff << 16) | all << 16, BPF_ANY.into());
}

/// How many of this key were suppressed since the last one if this one may be reported, else nothing. The word in the
/// table: the second (upper 24 bits), how many were suppressed (24), how many were reported in it (16).
#[inline(always)]
fn admit(now: Nanos, key: u64, per_second: u64) -> Option<u64> {
    let second = (now.0 >> 30) & 0xff_ffff;
    // SAFETY: One word; a lost update lets one event more or fewer through.
    let word = unsafe { EVENT_RATES.get(key) }.copied().unwrap_or(0);
    let (last, suppressed, reported) = (word >> 40, word >> 16 & 0xff_ffff, word & 0xffff);
    let (result, word) = if last != second {
        (Some(suppressed), second << 40 | 1)
    } else if reported < per_second {
        (Some(0), second << 40 | suppressed << 16 | (reported + 1))
    } else {
        (None, second << 40 | ((suppressed + 1) & 0xff_ffff) << 16 | reported)
    };
    let _ = EVENT_RATES.insert(key, word, BPF_ANY.into());
    result
}

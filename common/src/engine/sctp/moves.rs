//! Where a chunk moves an association to.

use super::Phase;
use crate::wire::sctp::kind;

/// Where an association stands after a chunk; nothing if the chunk makes no sense there. What is not listed leaves it where it is:
/// not all that moves nothing is harmless, but between the ends nothing can be told of that.
#[inline(always)]
pub(super) const fn next(phase: Phase, kind: u8, from_opener: bool) -> Option<Phase> {
    use Phase::{
        Closed, CookieEchoed, CookieWait, Established, HeartbeatSent, ShutdownAckSent, ShutdownReceived,
        ShutdownSent,
    };
    let next = match (phase, kind) {
        (Phase::None, _) => return first(kind, from_opener),
        (HeartbeatSent, _) => return on_other_path(kind, from_opener),
        (_, kind::ABORT) | (ShutdownAckSent, kind::SHUTDOWN_COMPLETE) => Closed,
        (ShutdownSent | ShutdownReceived, kind::INIT) if from_opener => Closed,
        (CookieEchoed, kind::ERROR) if !from_opener => Closed,
        (Closed, kind::INIT_ACK) if !from_opener => CookieWait,
        (CookieWait, kind::COOKIE_ECHO) => CookieEchoed,
        (CookieEchoed, kind::COOKIE_ACK) => Established,
        (Established, kind::SHUTDOWN) if from_opener => ShutdownSent,
        (Established, kind::SHUTDOWN) => ShutdownReceived,
        (ShutdownSent | ShutdownReceived, kind::SHUTDOWN_ACK) => ShutdownAckSent,
        (phase, _) => phase,
    };
    Some(next)
}

/// After the first one.
#[inline(always)]
const fn first(kind: u8, from_opener: bool) -> Option<Phase> {
    match kind {
        _ if !from_opener => None,
        kind::SHUTDOWN_ACK => Some(Phase::ShutdownAckSent),
        kind::HEARTBEAT => Some(Phase::HeartbeatSent),
        _ => Some(Phase::Closed),
    }
}

/// After one on a path of which nothing but a HEARTBEAT has been seen.
#[inline(always)]
const fn on_other_path(kind: u8, from_opener: bool) -> Option<Phase> {
    match (kind, from_opener) {
        (kind::HEARTBEAT, _) | (kind::HEARTBEAT_ACK, true) => Some(Phase::HeartbeatSent),
        (kind::HEARTBEAT_ACK, false) => Some(Phase::Established),
        (_, false) => None,
        (kind::INIT, true) => Some(Phase::CookieWait),
        (kind::SHUTDOWN_ACK, true) => Some(Phase::ShutdownAckSent),
        (_, true) => Some(Phase::Closed),
    }
}

//! Whether a segment is one that its receiver can be expecting.
//!
//! After Guido van Rooij, "Real Stateful TCP Packet Filtering in IP Filter" (2000), with the bounds that nf_conntrack has
//! (`tcp_in_window` in net/netfilter/nf_conntrack_proto_tcp.c), so that both say the same of the same segments.

use super::segment::{Options, Segment, after, before};
use crate::{abi::flow::Phase, wire::tcp};

/// What is known of one end. All numbers in host byte order.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The sequence number behind the last byte that it has sent.
    pub sent: u32,
    /// The one behind the last byte that it may send, by the windows that the other end has offered.
    pub may_send: u32,
    /// The largest window that it has offered; zero if nothing was seen of it.
    pub window: u32,
    /// The most that it has acknowledged, if it [has](Self::ACKNOWLEDGED).
    pub acknowledged: u32,
    /// By what power of two its windows are scaled.
    pub scale: u8,
    /// [`Self::SCALES`] and its neighbours.
    pub flags: u8,
}

impl End {
    /// It scales its windows.
    pub const SCALES: u8 = 1;
    /// It takes selective acknowledgements.
    pub const SACK: u8 = 2;
    /// It was the first to close.
    pub const CLOSED: u8 = 4;
    /// Too little is known of it for its segments to be judged: it was met in mid-stream.
    pub const LIBERAL: u8 = 8;
    /// The other end has not acknowledged all that it has sent.
    pub const UNACKNOWLEDGED: u8 = 16;
    /// It has acknowledged something.
    pub const ACKNOWLEDGED: u8 = 32;

    /// Nothing was seen of it.
    pub const UNKNOWN: Self = Self { sent: 0, may_send: 0, window: 0, acknowledged: 0, scale: 0, flags: 0 };

    /// Whether a flag is set.
    #[inline(always)]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// It begins with this SYN.
    #[inline(always)]
    pub(super) fn begin(&mut self, segment: &Segment) {
        self.sent = segment.end;
        self.may_send = segment.end;
        self.window = at_least_one(segment.window as u32);
        self.take_options(segment);
    }

    /// It is met in mid-stream, by this segment.
    #[inline(always)]
    pub(super) fn pick_up(&mut self, segment: &Segment) {
        self.sent = segment.end;
        self.window = at_least_one((segment.window as u32).wrapping_shl(self.scale as u32));
        self.may_send = segment.end.wrapping_add(self.window);
    }

    /// A SYN without any options leaves what was known before, as in nf_conntrack.
    #[inline(always)]
    fn take_options(&mut self, segment: &Segment) {
        let options = segment.options;
        if !options.has(Options::PRESENT) {
            return;
        }
        self.scale = 0;
        self.flags &= Self::LIBERAL;
        if options.has(Options::SACK) {
            self.flags |= Self::SACK;
        }
        if options.has(Options::SCALES) {
            self.scale = options.scale();
            self.flags |= Self::SCALES;
        }
    }

    /// Forgets all but whether it is to be judged. What its next SYN sets is left to that.
    #[inline(always)]
    pub(super) const fn forget(&mut self) {
        self.window = 0;
        self.scale = 0;
        self.flags &= Self::LIBERAL;
    }
}

/// How a segment fits.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It does.
    Inside = 0,
    /// It is old, or comes a little early: it changes nothing, and does no harm.
    Beside = 1,
    /// It does not.
    Outside = 2,
}

impl Fit {
    /// From its number.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Inside,
            1 => Self::Beside,
            _ => Self::Outside,
        }
    }
}

/// How far behind what was sent an acknowledgement may be, at least: a window that was not scaled, and some.
const OLDEST: u32 = 66_000;

/// How a segment fits, which moves both ends on if it does. `phase` is where the connection stands before it.
#[inline(always)]
pub(super) fn meet(
    (sender, receiver): (&mut End, &mut End),
    segment: &Segment,
    phase: Phase,
    from_opener: bool,
) -> Fit {
    let (syn, ack) = (segment.has(tcp::SYN), segment.has(tcp::ACK));
    let begins_anew =
        syn && after(segment.end, sender.sent) && matches!(phase, Phase::SynSent | Phase::SynRecv);
    let is_new = sender.window == 0;
    if syn && (is_new || begins_anew) {
        sender.begin(segment);
        // Windows are scaled only if both ends scale theirs (RFC 7323 §2.2).
        let both_scale = sender.has(End::SCALES) && receiver.has(End::SCALES);
        if !from_opener && !both_scale {
            sender.scale = 0;
            receiver.scale = 0;
        }
        if !ack && (is_new || !from_opener) {
            return Fit::Inside;
        }
    } else if is_new {
        sender.pick_up(segment);
        if receiver.window == 0 {
            receiver.sent = segment.selective;
            receiver.may_send = segment.selective;
        } else if segment.selective == receiver.sent.wrapping_add(1) {
            // The answer to a probe of whether it is still there.
            receiver.sent = segment.selective;
        }
    }
    judge((sender, receiver), segment, phase)
}

/// How a segment of ends that are known fits.
#[inline(always)]
fn judge((sender, receiver): (&mut End, &mut End), segment: &Segment, phase: Phase) -> Fit {
    let Segment { mut sequence, mut end, acknowledgement, selective, .. } = *segment;
    let is_reset = segment.has(tcp::RST);
    // Some that reset acknowledge nothing by a zero.
    let acknowledges = segment.has(tcp::ACK) && !(is_reset && acknowledgement == 0);
    let (ack, sack) =
        if acknowledges { (acknowledgement, selective) } else { (receiver.sent, receiver.sent) };
    // The answer to a SYN has no sequence number of its own.
    if is_reset && sequence == 0 && phase == Phase::SynSent {
        sequence = sender.sent;
        end = sender.sent;
    }
    let oldest = receiver.sent.wrapping_sub(at_least(sender.window, OLDEST)).wrapping_sub(1);
    let is_recent = after(end, sender.sent.wrapping_sub(receiver.window).wrapping_sub(1));
    let is_acknowledging_what_was_sent = before(sack, receiver.sent.wrapping_add(1));
    if !before(sequence, sender.may_send.wrapping_add(1)) {
        let beyond = end.wrapping_sub(sender.may_send).wrapping_add(1);
        let is_near = receiver.window != 0 && is_recent && beyond <= receiver.window;
        if !(is_near && is_acknowledging_what_was_sent && after(sack, oldest)) {
            return Fit::Outside;
        }
        // More than was asked for. Should it pass, its acknowledgement must, too.
        sender.sent = end;
        sender.flags |= End::UNACKNOWLEDGED;
        return Fit::Beside;
    }
    if !is_acknowledging_what_was_sent {
        return Fit::Outside;
    }
    if (receiver.window != 0 && !is_recent) || !after(sack, oldest) {
        return Fit::Beside;
    }
    let told = if segment.has(tcp::ACK) { Some(ack) } else { None };
    let scale = if segment.has(tcp::SYN) { 0 } else { sender.scale };
    let window = (segment.window as u32).wrapping_shl(scale as u32);
    send(sender, (end, told), window.wrapping_add(sack.wrapping_sub(ack)));
    if receiver.window != 0 && after(end, sender.may_send) {
        receiver.window = receiver.window.wrapping_add(end.wrapping_sub(sender.may_send));
    }
    let edge = sack.wrapping_add(window);
    if after(edge, receiver.may_send.wrapping_sub(1)) {
        receiver.may_send = if window == 0 { edge.wrapping_add(1) } else { edge };
    }
    if ack == receiver.sent {
        receiver.flags &= !End::UNACKNOWLEDGED;
    }
    Fit::Inside
}

/// An end has sent as far as `end`, has acknowledged so much, and has offered so large a window.
#[inline(always)]
fn send(sender: &mut End, (end, acknowledged): (u32, Option<u32>), window: u32) {
    sender.window = at_least(sender.window, window);
    if after(end, sender.sent) {
        sender.sent = end;
        sender.flags |= End::UNACKNOWLEDGED;
    }
    if let Some(acknowledged) = acknowledged {
        if !sender.has(End::ACKNOWLEDGED) || after(acknowledged, sender.acknowledged) {
            sender.acknowledged = acknowledged;
        }
        sender.flags |= End::ACKNOWLEDGED;
    }
}

#[inline(always)]
const fn at_least(number: u32, least: u32) -> u32 {
    if number < least { least } else { number }
}

#[inline(always)]
const fn at_least_one(number: u32) -> u32 {
    at_least(number, 1)
}

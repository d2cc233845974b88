//! How long flows last.

use super::{association, flow::Phase, units::Nanos};

/// Places for kinds of timeouts: room for kinds to come without a change of layout.
pub const TIMEOUTS: usize = 32;

/// A kind of timeout: the index of its value in [`Timeouts`]. TCP's phases have the numbers that they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub u32);

macro_rules! timeouts {
    ($($(#[$doc:meta])+ $constant:ident = $number:literal, $seconds:literal $(, $name:literal)?;)+) => {
        impl Timeout {
            $($(#[$doc])+ pub const $constant: Self = Self($number);)+

            /// Those that can be set, with nf_conntrack's names (after `nf_conntrack_` and without `timeout_`).
            pub const NAMED: &'static [(&'static str, Self)] = &[$($(($name, Self::$constant),)?)+];

            /// How long it is unless set, in seconds: as in nf_conntrack (net/netfilter/nf_conntrack_proto_*.c).
            pub const fn seconds(self) -> u32 {
                match self {
                    $(Self::$constant => $seconds,)+
                    _ => 600,
                }
            }
        }
    };
}

timeouts! {
    /// TCP and SCTP, of no phase: it but tells whose the ends are.
    NO_PHASE = 0, 60;
    /// TCP: a SYN.
    TCP_SYN_SENT = 1, 120, "tcp_syn_sent";
    /// TCP: its answer.
    TCP_SYN_RECV = 2, 60, "tcp_syn_recv";
    /// TCP, open: 5 days, as TCP allows.
    TCP_ESTABLISHED = 3, 432_000, "tcp_established";
    /// TCP: one end has closed.
    TCP_FIN_WAIT = 4, 120, "tcp_fin_wait";
    /// TCP: that was acknowledged.
    TCP_CLOSE_WAIT = 5, 60, "tcp_close_wait";
    /// TCP: the other end has closed, too.
    TCP_LAST_ACK = 6, 30, "tcp_last_ack";
    /// TCP: that was acknowledged.
    TCP_TIME_WAIT = 7, 120, "tcp_time_wait";
    /// TCP: reset.
    TCP_CLOSE = 8, 10, "tcp_close";
    /// TCP: both ends have sent a SYN.
    TCP_SYN_SENT2 = 9, 120;
    /// TCP that waits for an acknowledgement, at most.
    TCP_UNACKNOWLEDGED = 10, 300, "tcp_unacknowledged";
    /// TCP whose one end repeats itself, at most.
    TCP_MAX_RETRANS = 11, 300, "tcp_max_retrans";
    /// UDP and UDP-Lite.
    UDP = 12, 30, "udp";
    /// The same that has gone to and fro for two seconds.
    UDP_STREAM = 13, 120, "udp_stream";
    /// Queries of ICMP.
    ICMP = 14, 30, "icmp";
    /// Queries of ICMPv6.
    ICMPV6 = 15, 30, "icmpv6";
    /// GRE.
    GRE = 16, 30, "gre";
    /// The same that was answered.
    GRE_STREAM = 17, 180, "gre_stream";
    /// All other protocols.
    GENERIC = 18, 600, "generic";
    /// SCTP that is over, or of which INIT alone was seen.
    SCTP_CLOSED = 19, 10, "sctp_closed";
    /// SCTP: INIT ACK.
    SCTP_COOKIE_WAIT = 20, 3, "sctp_cookie_wait";
    /// SCTP: COOKIE ECHO.
    SCTP_COOKIE_ECHOED = 21, 3, "sctp_cookie_echoed";
    /// SCTP, open: seven times as long as it takes to find out that a path is dead.
    SCTP_ESTABLISHED = 22, 210, "sctp_established";
    /// SCTP: who has opened it shuts it down.
    SCTP_SHUTDOWN_SENT = 23, 3, "sctp_shutdown_sent";
    /// SCTP: the other end shuts it down.
    SCTP_SHUTDOWN_RECD = 24, 3, "sctp_shutdown_recd";
    /// SCTP: that was acknowledged.
    SCTP_SHUTDOWN_ACK_SENT = 25, 3, "sctp_shutdown_ack_sent";
    /// SCTP: HEARTBEAT on another path.
    SCTP_HEARTBEAT_SENT = 26, 30, "sctp_heartbeat_sent";
    /// A connection that was announced, and is awaited (net/netfilter/nf_conntrack_ftp.c).
    EXPECTED = 27, 300, "expected";
}

impl Timeout {
    /// That of a TCP connection in this phase.
    #[inline(always)]
    pub const fn of_phase(phase: Phase) -> Self {
        Self(phase as u32)
    }

    /// That of an SCTP association in this phase.
    #[inline(always)]
    pub const fn of_association(phase: association::Phase) -> Self {
        match phase {
            association::Phase::None => Self::NO_PHASE,
            // Those come in the same order.
            phase => Self((phase as u32).wrapping_add(Self::SCTP_CLOSED.0 - 1)),
        }
    }

    /// As [`Self::seconds`], in nanoseconds.
    pub const fn unless_set(self) -> Nanos {
        Nanos::seconds(self.seconds() as u64)
    }
}

/// Value of `TIMEOUTS` (index: container id), in seconds, by [`Timeout`]. Zero: [`Timeout::seconds`]. Written by the loader alone.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts(pub [u32; TIMEOUTS]);

//! SCTP associations.

/// Where an SCTP association stands, as it looks from between its ends. The names are nf_conntrack's
/// (net/netfilter/nf_conntrack_proto_sctp.c), and so are the numbers.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was seen.
    None = 0,
    /// It is over, or not yet begun: INIT, too, leaves it so until that is answered.
    Closed = 1,
    /// INIT ACK.
    CookieWait = 2,
    /// COOKIE ECHO.
    CookieEchoed = 3,
    /// COOKIE ACK.
    Established = 4,
    /// SHUTDOWN by who opened it.
    ShutdownSent = 5,
    /// SHUTDOWN by the other end.
    ShutdownReceived = 6,
    /// That was acknowledged.
    ShutdownAckSent = 7,
    /// HEARTBEAT alone: another path of an association that was seen elsewhere.
    HeartbeatSent = 8,
}

impl Phase {
    /// All of those in which there is something.
    pub const ALL: [Self; 8] = [
        Self::Closed,
        Self::CookieWait,
        Self::CookieEchoed,
        Self::Established,
        Self::ShutdownSent,
        Self::ShutdownReceived,
        Self::ShutdownAckSent,
        Self::HeartbeatSent,
    ];

    /// From its number; what has no name is closed.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::None,
            2 => Self::CookieWait,
            3 => Self::CookieEchoed,
            4 => Self::Established,
            5 => Self::ShutdownSent,
            6 => Self::ShutdownReceived,
            7 => Self::ShutdownAckSent,
            8 => Self::HeartbeatSent,
            _ => Self::Closed,
        }
    }

    /// Its name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Closed => "CLOSED",
            Self::CookieWait => "COOKIE_WAIT",
            Self::CookieEchoed => "COOKIE_ECHOED",
            Self::Established => "ESTABLISHED",
            Self::ShutdownSent => "SHUTDOWN_SENT",
            Self::ShutdownReceived => "SHUTDOWN_RECD",
            Self::ShutdownAckSent => "SHUTDOWN_ACK_SENT",
            Self::HeartbeatSent => "HEARTBEAT_SENT",
        }
    }
}

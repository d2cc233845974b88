//! What a segment comes to.

/// What a segment comes to.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has moved the connection on.
    Moved = 0,
    /// It is the connection's, but has not moved it.
    Ignored = 1,
    /// It is none of the connection's: to rules it is invalid.
    Invalid = 2,
    /// It begins another connection between the same ends.
    Reopens = 3,
    /// It has ended the connection, which nobody had answered.
    Ends = 4,
    /// It has moved it on, and shows that both ends mean it.
    Assured = 5,
}

/// How long a connection lasts from now on unless more comes.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// As long as before.
    Unchanged = 0,
    /// As its phase does.
    Phase = 1,
    /// As one that was reset.
    Reset = 2,
    /// No longer than one whose end waits for an acknowledgement (`nf_conntrack_tcp_timeout_unacknowledged`).
    Unacknowledged = 3,
    /// No longer than one whose end repeats itself (`nf_conntrack_tcp_timeout_max_retrans`).
    Repeating = 4,
    /// As long as before, but no longer than one whose end waits for an acknowledgement.
    Shortened = 5,
}

/// What else is known of a connection's flow.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The other end has answered before.
    pub is_answered: bool,
    /// It has gone far enough to be worth keeping.
    pub is_assured: bool,
    /// No segment is outside of the window (`nf_conntrack_tcp_be_liberal`).
    pub is_liberal: bool,
}

//! What berth has left on a packet that it sees again.

/// What is known of a packet from an earlier hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// Nothing: it is seen for the first time, and moves its flow on.
    None,
    /// The rules of its sender were asked, and let it through. It has moved its flow on.
    Judged,
    /// It is a [notice](super::notice), which berth has made of a packet that rules have rejected.
    Notice,
}

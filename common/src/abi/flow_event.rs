//! Flows that begin and end, for the `EVENTS` ring buffer.

use super::{flow::Flow, units::Nanos};

/// One record of the ring buffer, which is told from an [`Event`](super::event::Event) by its length.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowEvent {
    /// When.
    pub time: Nanos,
    /// A [`Change`] as a number.
    pub change: u32,
    /// How many of the same container's could not be told since the last that was: nobody had read those before.
    pub lost: u32,
    /// The flow. Where it has ended, it is as it was then, but for when it was to end.
    pub flow: Flow,
}

/// What has become of a flow.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has begun.
    Begun = 0,
    /// Nothing more came in time, or the host has taken its port.
    Expired = 1,
    /// It had to go for another one of its container's.
    Evicted = 2,
    /// It was deleted: by the operator, or with its container.
    Flushed = 3,
    /// Another began between the same ends.
    Replaced = 4,
}

impl Change {
    /// From its number; what has no name has been deleted.
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Begun,
            1 => Self::Expired,
            2 => Self::Evicted,
            4 => Self::Replaced,
            _ => Self::Flushed,
        }
    }

    /// Its name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Expired => "expired",
            Self::Evicted => "evicted",
            Self::Flushed => "flushed",
            Self::Replaced => "replaced",
        }
    }
}

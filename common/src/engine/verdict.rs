//! What comes out of the engine.

use crate::abi::{reason::Reason, units::ContainerId};

/// How a packet's owner was found (design §4).
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It was not.
    None = 0,
    /// The sending socket's container.
    Cgroup = 1,
    /// The container's own interface.
    Interface = 2,
    /// The flow it belongs to.
    Flow = 3,
    /// The flow, port or socket of the packet that an ICMP error quotes.
    Related = 4,
    /// A port reservation.
    Port = 5,
    /// The container that has the address.
    Address = 6,
    /// The socket that it is for.
    Socket = 7,
    /// The first fragment of the same packet.
    Fragment = 8,
}

impl Way {
    /// Its name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Cgroup => "cgroup",
            Self::Interface => "interface",
            Self::Flow => "flow",
            Self::Related => "related",
            Self::Port => "port",
            Self::Address => "address",
            Self::Socket => "socket",
            Self::Fragment => "fragment",
        }
    }
}

/// Whose a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// A container, the host, or nobody.
    pub id: ContainerId,
    /// How it was found.
    pub way: Way,
}

impl Owner {
    /// Nobody's.
    pub const NOBODY: Self = Self { id: ContainerId::UNOWNED, way: Way::None };

    /// `id`'s, found by `way`.
    #[inline(always)]
    pub const fn new(id: ContainerId, way: Way) -> Self {
        Self { id, way }
    }
}

/// Whose a packet is and whether it goes on.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Who it is counted for.
    pub owner: Owner,
    /// [`Reason::None`] if it passes.
    pub reason: Reason,
    /// How its sender is told, if a rule rejects it.
    pub code: u8,
    /// It makes sense in its flow, if it is in one.
    pub makes_sense: bool,
}

impl Verdict {
    /// It passes.
    #[inline(always)]
    pub const fn pass(owner: Owner) -> Self {
        Self::because(owner, Reason::None)
    }

    /// It is dropped, unless the reason is [`Reason::None`].
    #[inline(always)]
    pub const fn because(owner: Owner, reason: Reason) -> Self {
        Self { owner, reason, code: 0, makes_sense: true }
    }

    /// Whether it passes.
    #[inline(always)]
    pub fn passes(&self) -> bool {
        self.reason == Reason::None
    }
}

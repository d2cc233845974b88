//! Numbers of interfaces: values of [`Dimension::InInterface`] and [`Dimension::OutInterface`].
//!
//! Rules see interfaces as their container does. The loader numbers the names that the container has, for as long as a
//! ruleset is in force; whoever fills in a packet's fields looks the number up by the interface that the packet is at.
//!
//! [`Dimension::InInterface`]: super::Dimension::InInterface
//! [`Dimension::OutInterface`]: super::Dimension::OutInterface

/// None, as a packet that the container sends came in by none; or one that was given no number. No name matches it, and
/// every negated name does.
pub const OTHER: u16 = 0;

/// The container's own interface: of a shared network, the uplink that the packet is at, unless the loader has numbered
/// the uplinks.
pub const OWN: u16 = 1;

/// `lo`.
pub const LOOPBACK: u16 = 2;

/// The first number that the loader gives as it likes.
pub const FIRST_FREE: u16 = 3;

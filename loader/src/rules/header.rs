//! What every rule may ask without a match: addresses, interfaces, protocol, fragment.

use super::{
    condition::Condition,
    values::{interface::Interface, network::Network, protocol::Protocol},
};

/// What every rule may ask without a match. All parts that are there must agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `-s`.
    pub source: Option<Condition<Network>>,
    /// `-d`.
    pub destination: Option<Condition<Network>>,
    /// `-i`.
    pub input: Option<Condition<Interface>>,
    /// `-o`.
    pub output: Option<Condition<Interface>>,
    /// `-p`; never zero, which is every protocol.
    pub protocol: Option<Condition<Protocol>>,
    /// `-f`, of IPv4 alone: second and further fragments; negated, packets that are whole and first fragments.
    pub fragment: Option<Condition<()>>,
}

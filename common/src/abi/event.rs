//! What happened, for the `EVENTS` ring buffer.

use super::{
    address::Address,
    units::{ContainerId, Nanos, Port},
};

/// One record of the ring buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub time: Nanos,
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Whose packet or call it was.
    pub container: ContainerId,
    /// For [`super::reason::Reason::BindConflict`]: the container that holds the port.
    pub holder: ContainerId,
    /// Source port.
    pub source_port: Port,
    /// Destination port.
    pub destination_port: Port,
    /// IP protocol.
    pub protocol: u8,
    /// The [`super::reason::Reason`] as a number; none for what a rule logs.
    pub reason: u8,
    /// TCP: the flags. ICMP: the type.
    pub detail: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// How many like it were not reported since the last that was.
    pub suppressed: u64,
    /// Interface index.
    pub ifindex: u32,
    /// Of what a rule logs: the rule's id in its ruleset, plus one; else zero, as all that follows.
    pub log: u32,
    /// Lower half of the ruleset's stamp.
    pub ruleset: u32,
    /// The packet's mark at the rule.
    pub mark: u32,
    /// Its length from the IP header on, in bytes.
    pub length: u32,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// The chain ([`super::rules::BuiltIn`]) as a number.
    pub chain: u8,
    /// Unused.
    pub padding: u16,
}

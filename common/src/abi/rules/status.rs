//! What is known of a packet's flow: bits of [`Dimension::Status`], by the numbers that nf_conntrack gives them
//! (`IPS_EXPECTED` and so on, include/uapi/linux/netfilter/nf_conntrack_common.h). A packet without a flow has none.
//!
//! [`Dimension::Status`]: super::Dimension::Status

/// Another flow announced it.
pub const EXPECTED: u8 = 1;

/// There were packets in both directions.
pub const SEEN_REPLY: u8 = 2;

/// It is not to be given up early.
pub const ASSURED: u8 = 4;

/// Its first packet has passed.
pub const CONFIRMED: u8 = 8;

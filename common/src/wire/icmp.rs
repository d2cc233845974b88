//! ICMP (RFC 792, RFC 950) and ICMPv6 (RFC 4443, RFC 4861, RFC 2710, RFC 3810).

/// Bytes before the packet that an error quotes.
pub const ERROR_HEADER: u32 = 8;

/// What a message is to the one who routes it to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A query with an id.
    Request,
    /// The answer; the number is its request's type.
    Reply(u8),
    /// About a packet, which it quotes.
    Error,
    /// Neighbour and router discovery, multicast membership: of the link, not of a conversation.
    Link,
}

/// Redirect (RFC 792).
pub const REDIRECT4: u8 = 5;
/// Router solicitation (RFC 4861 §4.1).
pub const ROUTER_SOLICITATION: u8 = 133;
/// Router advertisement (RFC 1256).
pub const ROUTER_ADVERTISEMENT4: u8 = 9;
/// Router advertisement (RFC 4861 §4.2).
pub const ROUTER_ADVERTISEMENT: u8 = 134;
/// Neighbour solicitation (RFC 4861 §4.3).
pub const NEIGHBOUR_SOLICITATION: u8 = 135;
/// Neighbour advertisement (RFC 4861 §4.4).
pub const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// Node information query (RFC 4620).
pub const NODE_INFORMATION_QUERY: u8 = 139;
/// Redirect (RFC 4861 §4.5).
pub const REDIRECT: u8 = 137;

/// The class of an ICMP message of type `kind`.
#[inline(always)]
pub const fn class4(kind: u8) -> Class {
    match kind {
        // Echo, timestamp, information, address mask.
        8 | 13 | 15 | 17 => Class::Request,
        0 => Class::Reply(8),
        14 => Class::Reply(13),
        16 => Class::Reply(15),
        18 => Class::Reply(17),
        // Unreachable, source quench, redirect, time exceeded, parameter problem.
        3 | 4 | 5 | 11 | 12 => Class::Error,
        _ => Class::Link,
    }
}

/// The class of an ICMPv6 message of type `kind`.
#[inline(always)]
pub const fn class6(kind: u8) -> Class {
    match kind {
        128 => Class::Request,
        129 => Class::Reply(128),
        // RFC 4443 §2.1: errors are 0 to 127.
        0..=127 => Class::Error,
        _ => Class::Link,
    }
}

/// Whether an ICMPv6 message of type `kind` is multicast listener discovery (RFC 2710, RFC 3810).
#[inline(always)]
pub const fn is_mld(kind: u8) -> bool {
    matches!(kind, 130 | 131 | 132 | 143)
}

//! The matches of `-m`.

pub mod addrtype;
pub mod comment;
pub mod connlimit;
pub mod connmark;
pub mod conntrack;
pub mod dscp;
pub mod frag;
pub mod hashlimit;
pub mod helper;
pub mod hl;
pub mod icmp;
pub mod icmp6;
pub(in crate::rules) mod icmp_names;
pub mod iprange;
pub mod length;
pub mod limit;
pub mod mac;
pub mod mark;
pub mod multiport;
pub mod pkttype;
pub mod recent;
pub mod set;
pub mod state;
pub mod statistic;
pub mod tcp;
pub mod tos;
pub mod ttl;
pub mod udp;

use super::{
    extension::{Extension, Module, Needs, extensions, write},
    family::Family,
    feature::Feature,
    hook::Hooks,
    table::TableName,
};

extensions! {
    /// A match of `-m`.
    pub enum Match {}
    /// Kinds of addresses.
    Addrtype(addrtype::Addrtype),
    /// A remark.
    Comment(comment::Comment),
    /// How many flows there are.
    Connlimit(connlimit::Connlimit),
    /// The mark of the flow.
    Connmark(connmark::Connmark),
    /// State and ends of the flow.
    Conntrack(conntrack::Conntrack),
    /// The code point of differentiated services.
    Dscp(dscp::Dscp),
    /// Fragments of IPv6.
    Frag(frag::Frag),
    /// How often packets of one kind come.
    Hashlimit(hashlimit::Hashlimit),
    /// Who has announced the flow.
    Helper(helper::Helper),
    /// The hop limit of IPv6.
    Hl(hl::Hl),
    /// Type and code of ICMP.
    Icmp(icmp::Icmp),
    /// Type and code of ICMPv6.
    Icmp6(icmp6::Icmp6),
    /// Ranges of addresses.
    Iprange(iprange::Iprange),
    /// The length of the packet.
    Length(length::Length),
    /// How often packets come.
    Limit(limit::Limit),
    /// The hardware address of the sender.
    Mac(mac::MacSource),
    /// The mark of the packet.
    Mark(mark::Mark),
    /// Several ports.
    Multiport(multiport::Multiport),
    /// To whom the link layer sent the packet.
    Pkttype(pkttype::Pkttype),
    /// Lists of addresses that were seen.
    Recent(recent::Recent),
    /// Named sets.
    Set(set::Set),
    /// The state of the flow.
    State(state::State),
    /// Every so many packets, or by chance.
    Statistic(statistic::Statistic),
    /// Ports, flags and options of TCP.
    Tcp(tcp::Tcp),
    /// The type of service.
    Tos(tos::Tos),
    /// The time to live of IPv4.
    Ttl(ttl::Ttl),
    /// Ports of UDP.
    Udp(udp::Udp),
}

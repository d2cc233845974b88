//! What a container may send, and is shown, on an interface of its own: under its own addresses, as far as they are known.

use super::{
    exempt,
    headers::{Headers, Kind, Part},
    tables::Tables,
};
use crate::{
    abi::{
        address::Address,
        container::Container,
        reason::Reason,
        units::{ContainerId, Protocol},
    },
    wire::{
        Packet,
        arp::Arp,
        ether::{EtherType, Mac},
        neighbour,
    },
};

/// What a packet is to the container on whose interface it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// From it, or for it.
    Ends,
    /// It goes through: it is from somebody, or for somebody, behind it.
    GoesThrough,
}

/// Whether a packet on a container's interface has to be held against what is known of it: [`course`] says no more than
/// [`Course::Ends`] of others.
#[inline(always)]
pub fn concerns(headers: &Headers, flags: u8, inward: bool) -> bool {
    const KNOWN: u8 = Container::KNOWN_ADDRESSES | Container::KNOWN_MACS;
    flags & KNOWN != 0 || (!inward && is_rogue(headers))
}

/// Whether only a router, or a server of the network's, would send it.
#[inline(always)]
const fn is_rogue(headers: &Headers) -> bool {
    exempt::is_rogue(headers) || exempt::is_for_dhcp_client(headers)
}

/// What `packet` is to the container, to which it goes (`inward`) or from which it comes; or why it goes no further.
#[inline(always)]
pub fn course<T: Tables, P: Packet>(
    tables: &T,
    (packet, headers): (&P, &Headers),
    (id, inward): (ContainerId, bool),
) -> Result<Course, Reason> {
    let Some(holder) = Holder::of(tables, id) else { return Ok(Course::Ends) };
    if headers.network != 0 {
        holder.check_frame(packet, inward)?;
    }
    if inward { holder.receives(packet, headers) } else { holder.sends(packet, headers) }
}

/// Whether a container may send from an address, as far as its own are known.
#[inline(always)]
pub fn may_speak<T: Tables>(tables: &T, id: ContainerId, address: &Address) -> bool {
    let Some(holder) = Holder::of(tables, id) else { return true };
    !holder.knows_addresses() || holder.whose(address) != Whose::Anothers
}

/// Why a frame of the container's that is of no IP goes no further.
#[inline(always)]
pub fn refuses_frame<T: Tables, P: Packet>(
    tables: &T,
    packet: &P,
    (kind, offset): (EtherType, u32),
    (id, inward): (ContainerId, bool),
) -> Reason {
    let Some(holder) = Holder::of(tables, id) else { return Reason::None };
    match holder.check_frame(packet, inward) {
        Ok(()) if inward => Reason::None,
        Ok(()) if kind == EtherType::ARP => holder.resolves(packet, offset),
        Ok(()) if holder.knows_addresses() => Reason::NonIp,
        Ok(()) => Reason::None,
        Err(reason) => reason,
    }
}

/// A container, as far as it is known.
struct Holder<'a, T> {
    tables: &'a T,
    id: ContainerId,
    flags: u8,
}

/// Whose an address is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The container's.
    Own,
    /// That of somebody behind it, for whom it routes.
    Behind,
    /// Another's.
    Anothers,
}

impl<'a, T: Tables> Holder<'a, T> {
    #[inline(always)]
    fn of(tables: &'a T, id: ContainerId) -> Option<Self> {
        tables.container(id).map(|container| Self { tables, id, flags: container.flags })
    }

    #[inline(always)]
    fn knows_addresses(&self) -> bool {
        self.flags & Container::KNOWN_ADDRESSES != 0
    }

    #[inline(always)]
    fn knows_macs(&self) -> bool {
        self.flags & Container::KNOWN_MACS != 0
    }

    #[inline(always)]
    fn routes(&self) -> bool {
        self.flags & Container::ROUTES != 0
    }

    #[inline(always)]
    fn is_own_mac(&self, mac: Mac) -> bool {
        !self.knows_macs() || self.tables.has_address(self.id, &mac.link_local())
    }

    /// Whose an address is. An address of the link is one of those made of its hardware addresses; where these are not known, any
    /// but the node's.
    #[inline(always)]
    fn whose(&self, address: &Address) -> Whose {
        if self.tables.has_address(self.id, address) {
            return Whose::Own;
        }
        let is_free = || match self.tables.address(address) {
            Some(owner) => owner == self.id,
            None => true,
        };
        if address.is_link_local() && !self.knows_macs() {
            return if is_free() { Whose::Own } else { Whose::Anothers };
        }
        let is_routed = !(address.is_loopback()
            || address.is_group()
            || address.is_link_local()
            || address.is_wildcard());
        let can_be_behind = self.routes() && is_routed;
        if can_be_behind && is_free() { Whose::Behind } else { Whose::Anothers }
    }

    /// Whether the frame is from one of its hardware addresses, or for one of them or for several.
    #[inline(always)]
    fn check_frame<P: Packet>(&self, packet: &P, inward: bool) -> Result<(), Reason> {
        if !self.knows_macs() {
            return Ok(());
        }
        let mac = if inward { Mac::destination(packet) } else { Mac::source(packet) };
        match mac {
            Some(mac) if inward && mac.is_group() => Ok(()),
            Some(mac) if self.is_own_mac(mac) => Ok(()),
            _ if inward => Err(Reason::NotOwner),
            _ => Err(Reason::SpoofedMac),
        }
    }

    #[inline(always)]
    fn receives<P: Packet>(&self, packet: &P, headers: &Headers) -> Result<Course, Reason> {
        let destination = &headers.destination;
        if !self.knows_addresses() || destination.is_group() {
            return Ok(Course::Ends);
        }
        match self.whose(destination) {
            Whose::Own => Ok(Course::Ends),
            // As to a network's broadcast address.
            _ if headers.network != 0 && Mac::destination(packet).is_some_and(Mac::is_group) => {
                Ok(Course::Ends)
            }
            _ if self.routes() => Ok(Course::GoesThrough),
            _ => Err(Reason::NotOwner),
        }
    }

    #[inline(always)]
    fn sends<P: Packet>(&self, packet: &P, headers: &Headers) -> Result<Course, Reason> {
        if !self.routes() && is_rogue(headers) {
            return Err(Reason::RogueServer);
        }
        let discovers = headers.protocol == Protocol::ICMPV6
            && headers.kind == Kind::Link
            && neighbour::is_one(headers.detail);
        if discovers && !self.discovers(packet, headers) {
            return Err(Reason::SpoofedNeighbour);
        }
        if !self.knows_addresses() {
            return Ok(Course::Ends);
        }
        match exempt::link_control(self.tables, headers, self.id) {
            Some(Reason::None) if headers.source.is_wildcard() => return Ok(Course::Ends),
            None | Some(Reason::None) => {}
            Some(reason) => return Err(reason),
        }
        match self.whose(&headers.source) {
            Whose::Own => Ok(Course::Ends),
            Whose::Behind => Ok(Course::GoesThrough),
            Whose::Anothers => Err(Reason::SpoofedSource),
        }
    }

    /// Whether a message of neighbour discovery claims nothing that is another's. Not in fragments, of which the first need not have
    /// all of it (RFC 6980 §5).
    #[inline(always)]
    fn discovers<P: Packet>(&self, packet: &P, headers: &Headers) -> bool {
        if headers.fragment != Part::Whole {
            return false;
        }
        let (offset, kind) = (headers.transport, headers.detail);
        let claims = neighbour::claims(kind, &headers.source);
        if self.knows_addresses() && claims {
            let target = neighbour::target(packet, offset);
            if target.is_none_or(|target| self.whose(&target) == Whose::Anothers) {
                return false;
            }
        }
        !self.knows_macs() || neighbour::options_are(packet, offset, kind, |mac| self.is_own_mac(mac))
    }

    /// Why an ARP packet of the container's goes no further.
    #[inline(always)]
    fn resolves<P: Packet>(&self, packet: &P, offset: u32) -> Reason {
        if !self.knows_addresses() && !self.knows_macs() {
            return Reason::None;
        }
        let Some(arp) = Arp::read(packet, offset) else { return Reason::Malformed };
        if !self.is_own_mac(arp.mac) {
            return Reason::SpoofedMac;
        }
        // Who asks whether an address is free has none yet, and means to take it.
        let claimed = if arp.sender.is_wildcard() { &arp.target } else { &arp.sender };
        if self.knows_addresses() && self.whose(claimed) == Whose::Anothers {
            return Reason::SpoofedNeighbour;
        }
        Reason::None
    }
}

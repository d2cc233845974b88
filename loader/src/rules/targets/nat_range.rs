//! What a flow's address and port are translated to.

use std::fmt;

use crate::rules::{
    error::RuleError,
    extension::Needs,
    family::Family,
    piece::Piece,
    problem::Problem,
    values::{
        Literal,
        ports::{PortRange, port},
        protocol::Protocol,
        range::AddressRange,
    },
};

/// What a flow's address and port are translated to; at least one is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatRange {
    /// The addresses to choose from; none leaves the address.
    pub addresses: Option<AddressRange>,
    /// The ports to choose from; none leaves the port if that can be.
    pub ports: Option<PortRange>,
    /// DNAT alone, `/port`: the flow's port less this one is added to the first of `ports`, which are several.
    pub base: Option<u16>,
}

impl Literal for NatRange {
    /// From `ADDRESS[-ADDRESS][:PORT[-PORT]]`, where an IPv6 address with ports stands in brackets.
    fn read(piece: Piece<'_>, family: Family) -> Result<Self, RuleError> {
        let (addresses, ports) = parts(piece, family)?;
        let addresses = addresses.map(|addresses| AddressRange::read(addresses, family)).transpose()?;
        let ports = ports.map(PortRange::dashed).transpose()?;
        Ok(Self { addresses, ports, base: None })
    }
}

impl NatRange {
    /// The same with `/PORT` behind a range of ports.
    pub(super) fn with_base(piece: Piece<'_>, family: Family) -> Result<Self, RuleError> {
        match piece.split_once('/') {
            None => Self::read(piece, family),
            Some((range, base)) => {
                let range = Self::read(range, family)?;
                match range.ports.filter(|ports| ports.first < ports.last) {
                    Some(_) => Ok(Self { base: Some(port(base)?), ..range }),
                    None => Err(base.wrong(Problem::Required { option: "a range of ports before it" })),
                }
            }
        }
    }

    /// Ports are only for protocols that have them; iptables lets ICMP's ids count as such in IPv4.
    pub(super) fn protocols(&self, family: Family) -> Needs {
        if self.ports.is_some() { with_ports(family) } else { Needs::NOTHING }
    }
}

/// The protocols whose ports can be translated.
pub(super) fn with_ports(family: Family) -> Needs {
    match family {
        Family::Ipv4 => Needs {
            protocols: &[Protocol::TCP, Protocol::UDP, Protocol::SCTP, Protocol::DCCP, Protocol::ICMP],
            options: "-p tcp, udp, sctp, dccp or icmp",
        },
        Family::Ipv6 => Needs {
            protocols: &[Protocol::TCP, Protocol::UDP, Protocol::SCTP, Protocol::DCCP],
            options: "-p tcp, udp, sctp or dccp",
        },
    }
}

type Parts<'a> = (Option<Piece<'a>>, Option<Piece<'a>>);

/// The addresses and the ports, as far as they are there.
fn parts(piece: Piece<'_>, family: Family) -> Result<Parts<'_>, RuleError> {
    let there = |piece: Piece<'_>| !piece.text.is_empty();
    let (addresses, ports) = match (family, piece.behind("[")) {
        (Family::Ipv4, _) => match piece.split_once(':') {
            Some((addresses, ports)) => (addresses, Some(ports)),
            None => (piece, None),
        },
        (Family::Ipv6, Some(inner)) => {
            let (addresses, rest) =
                inner.split_once(']').ok_or_else(|| piece.wrong(Problem::NotAnAddress { family }))?;
            let ports = match (there(rest), rest.behind(":")) {
                (false, _) => None,
                (true, Some(ports)) => Some(ports),
                (true, None) => return Err(rest.wrong(Problem::NotA { what: "':' and ports" })),
            };
            (addresses, ports)
        }
        (Family::Ipv6, None) => match single_colon(piece) {
            Some(ports) => (Piece { text: "", column: piece.column }, Some(ports)),
            None => (piece, None),
        },
    };
    let addresses = Some(addresses).filter(|&addresses| there(addresses));
    if addresses.is_none() && ports.is_none() {
        return Err(piece.wrong(Problem::NotAnAddress { family }));
    }
    Ok((addresses, ports))
}

/// What stands behind a colon that begins the piece and is its only one.
fn single_colon(piece: Piece<'_>) -> Option<Piece<'_>> {
    piece.behind(":").filter(|ports| !ports.text.contains(':'))
}

impl fmt::Display for NatRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.addresses, self.ports) {
            (None, _) => {}
            (Some(addresses @ AddressRange::V6 { .. }), Some(_)) => write!(f, "[{}]", addresses.short())?,
            (Some(addresses), _) => f.write_str(&addresses.short())?,
        }
        if let Some(ports) = self.ports {
            write!(f, ":{}", ports.with_dash())?;
        }
        match self.base {
            Some(base) => write!(f, "/{base}"),
            None => Ok(()),
        }
    }
}

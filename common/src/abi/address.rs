//! IP addresses.

use super::units::ContainerId;

/// An IPv6 address, or an IPv4 address in its IPv4-mapped form `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2), as four words
/// in network byte order. So one type, one comparison and one map serve both families.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u32; 4]);

impl Address {
    /// `0.0.0.0`: the wildcard of IPv4 sockets.
    pub const ANY4: Self = Self::v4(0);
    /// `::`: the wildcard of IPv6 sockets.
    pub const ANY6: Self = Self([0; 4]);

    /// From an IPv4 address as it stands in a packet (network byte order in memory).
    #[inline(always)]
    pub const fn v4(word: u32) -> Self {
        Self([0, 0, 0xffff_u32.to_be(), word])
    }

    /// Whether this is an IPv4 address.
    #[inline(always)]
    pub const fn is_v4(self) -> bool {
        self.0[0] == 0 && self.0[1] == 0 && self.0[2] == 0xffff_u32.to_be()
    }

    /// The wildcard address of the same family.
    #[inline(always)]
    pub const fn wildcard(self) -> Self {
        // Not a choice between two constants, for which the compiler would call a function in the kernel.
        let [.., family, _] = Self::ANY4.0;
        Self([0, 0, if self.is_v4() { family } else { 0 }, 0])
    }

    /// Whether this is the wildcard address of its family.
    #[inline(always)]
    pub const fn is_wildcard(self) -> bool {
        self.0[3] == 0 && self.0[0] == 0 && self.0[1] == 0 && (self.0[2] == 0 || self.is_v4())
    }

    /// Whether this is a multicast address, or IPv4's limited broadcast.
    #[inline(always)]
    pub const fn is_group(self) -> bool {
        if self.is_v4() {
            let word = u32::from_be(self.0[3]);
            word >> 28 == 0xe || word == u32::MAX
        } else {
            u32::from_be(self.0[0]) >> 24 == 0xff
        }
    }

    /// Whether this is a loopback address: `127.0.0.0/8` or `::1`.
    #[inline(always)]
    pub const fn is_loopback(self) -> bool {
        if self.is_v4() {
            u32::from_be(self.0[3]) >> 24 == 127
        } else {
            self.0[0] == 0 && self.0[1] == 0 && self.0[2] == 0 && self.0[3] == 1_u32.to_be()
        }
    }

    /// Whether this is an IPv6 address of one link alone (RFC 4291 §2.5.6).
    #[inline(always)]
    pub const fn is_link_local(self) -> bool {
        u32::from_be(self.0[0]) >> 22 == 0xfe80 >> 6
    }

    /// Its first `prefix` bits, as its family counts them; zeros after them.
    #[inline(always)]
    pub fn masked(self, prefix: u8) -> Self {
        let bits = if self.is_v4() { (prefix as u32).wrapping_add(96) } else { prefix as u32 };
        let [a, b, c, d] = self.0;
        Self([a & mask(bits, 0), b & mask(bits, 32), c & mask(bits, 64), d & mask(bits, 96)])
    }

    /// The sixteen bytes in network order.
    pub const fn octets(self) -> [u8; 16] {
        let [a, b, c, d] = self.0;
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (a.to_ne_bytes(), b.to_ne_bytes());
        let ([c0, c1, c2, c3], [d0, d1, d2, d3]) = (c.to_ne_bytes(), d.to_ne_bytes());
        [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3]
    }

    /// From sixteen bytes in network order.
    pub const fn from_octets(octets: [u8; 16]) -> Self {
        let [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3] = octets;
        Self([
            u32::from_ne_bytes([a0, a1, a2, a3]),
            u32::from_ne_bytes([b0, b1, b2, b3]),
            u32::from_ne_bytes([c0, c1, c2, c3]),
            u32::from_ne_bytes([d0, d1, d2, d3]),
        ])
    }
}

/// The first of so many bits that are in the word with so many bits before it, in network byte order.
#[inline(always)]
fn mask(bits: u32, before: u32) -> u32 {
    let own = positive((bits as u64).wrapping_sub(before as u64));
    let rest = positive(32_u64.wrapping_sub(own));
    ((u32::MAX as u64).wrapping_shl(rest as u32) as u32).to_be()
}

/// The number, or zero if it is less. It is multiplied by its sign: a branch, or a mask of it, the kernel's verifier would
/// follow either way, for each word.
#[inline(always)]
fn positive(number: u64) -> u64 {
    number.wrapping_mul(core::hint::black_box(!number >> 63))
}

impl From<core::net::IpAddr> for Address {
    fn from(address: core::net::IpAddr) -> Self {
        match address {
            core::net::IpAddr::V4(v4) => Self::v4(u32::from_ne_bytes(v4.octets())),
            core::net::IpAddr::V6(v6) => Self::from_octets(v6.octets()),
        }
    }
}

impl From<Address> for core::net::IpAddr {
    fn from(address: Address) -> Self {
        let v6 = core::net::Ipv6Addr::from(address.octets());
        v6.to_ipv4_mapped().map_or(Self::V6(v6), Self::V4)
    }
}

impl core::fmt::Display for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::net::IpAddr::from(*self).fmt(f)
    }
}

/// Key of the `OWN_ADDRESSES` map: an address of a container that has an interface of its own, there. Others may have the
/// same on interfaces of theirs. A hardware address is the [link-local one](crate::wire::ether::Mac::link_local) that is made
/// of it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnAddress {
    /// The address.
    pub address: Address,
    /// The container. The map's value is its generation when the entry was made.
    pub container: ContainerId,
}

/// Value of the `ADDRESSES` map: whose an address is as seen from the uplinks. Every address of the node is in it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressEntry {
    /// [`ContainerId::HOST`]: the node's, shared by all its containers. Otherwise the container's alone.
    pub owner: ContainerId,
    /// The owner's generation when the entry was made.
    pub generation: u32,
}

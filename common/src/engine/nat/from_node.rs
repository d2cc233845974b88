//! What sockets of the node's own network ask for, which no interface ever sees: a published port is replaced by the container's end
//! before there is a packet, and the socket is told of it by the name that it has asked for (as Cilium's `bpf_sock.c` does for services).

use super::{NatTables, inward::published_at};
use crate::abi::{
    flow::End,
    nat::NatEnd,
    socket::{Alias, Aliases},
    units::Protocol,
};

/// Where it leads that a socket of the node's asks for `to`, if that is a published port: then it is written to `inner`. Loopback addresses,
/// and the wildcard, by which Linux means them, are the node's here.
#[inline(always)]
pub fn ask<T: NatTables>(tables: &T, protocol: Protocol, to: &End, inner: &mut NatEnd) -> bool {
    let is_local = to.address.is_loopback() || to.address.is_wildcard();
    !to.address.is_link_local() && published_at(tables, protocol, to, is_local, inner).is_container()
}

impl Aliases {
    /// What the socket has asked for when it was given `reached`.
    #[inline(always)]
    pub fn asked(&self, reached: &NatEnd) -> Option<NatEnd> {
        // Not an option, which would be moved about before it is anything.
        let mut asked = NatEnd::NOWHERE;
        for alias in &self.places {
            if alias.reached == *reached {
                asked = alias.asked;
            }
        }
        if asked == NatEnd::NOWHERE { None } else { Some(asked) }
    }

    /// Remembers it, in the place of whatever `asked` stood for before; and, if there is no place left, of another one.
    #[inline(always)]
    pub fn note(&mut self, asked: &NatEnd, reached: &NatEnd) {
        let mut place = self.next as usize % Self::PLACES;
        let mut is_new = true;
        for (number, alias) in self.places.iter_mut().enumerate() {
            if alias.reached == *reached {
                alias.asked = *asked;
                is_new = false;
            } else if alias.asked == *asked {
                *alias = Alias::NONE;
            }
            if alias.reached == NatEnd::NOWHERE {
                place = number;
            }
        }
        if let (true, Some(alias)) = (is_new, self.places.get_mut(place)) {
            *alias = Alias { asked: *asked, reached: *reached };
            self.next = self.next.wrapping_add(1);
        }
    }

    /// The socket has asked for `end` itself, which leads to nobody.
    #[inline(always)]
    pub fn forget(&mut self, end: &NatEnd) {
        for alias in &mut self.places {
            if alias.reached == *end || alias.asked == *end {
                *alias = Alias::NONE;
            }
        }
    }
}

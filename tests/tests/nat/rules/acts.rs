//! What is tried.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::Result;
use berth_common::memory::generate::Random;
use berth_tests::topology::at;

use super::clients::{ping, tcp, udp};
use super::outcome::Outcome;
use super::rulesets::{ASKED, NOWHERE, one};
use super::{Place, SECOND};
use crate::REMOTE;

/// Sizes of what is sent, of which datagrams take the first ones. None makes a fragment: netfilter counts datagrams that are
/// put together again.
const SIZES: [usize; 4] = [1, 100, 1_300, 100_000];
const DATAGRAM_SIZES: usize = 3;
/// What is tried: everything that both worlds need to know to do the same.
#[derive(Clone, Copy, Debug)]
pub struct Act {
    /// Whether it is the guest that begins, else the remote host.
    pub out: bool,
    /// What is sent.
    pub kind: Kind,
    /// IPv4 or IPv6.
    pub family: usize,
    /// Which of its addresses the client has.
    pub from: usize,
    /// Which address is asked: the other side's first or second, or one to which there is no way.
    pub to: usize,
    /// The client's port, or the id of its echo requests: nobody else's until the rules are others.
    pub own: u16,
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// To a port, so many bytes.
    Tcp(u16, usize),
    /// To a port, so many bytes, by a socket that is connected or not.
    Udp(u16, usize, bool),
    /// Echo requests.
    Ping,
}

/// Acts of which no two are of one client, or at one end.
pub fn draw(random: &mut Random, first: u16, count: usize) -> Vec<Act> {
    let (mut acts, mut ends) = (Vec::new(), BTreeSet::new());
    while acts.len() < count {
        let number = first + u16::try_from(acts.len()).unwrap_or_default();
        let (out, family) = (random.once_in(2), random.below(2));
        let port = one(random, &ASKED);
        let kind = match random.below(9) {
            0..4 => Kind::Tcp(port, one(random, &SIZES)),
            4..8 => Kind::Udp(port, one(random, &SIZES[..DATAGRAM_SIZES]), random.once_in(2)),
            _ => Kind::Ping,
        };
        let ports = !matches!(kind, Kind::Ping);
        let nowhere = match kind {
            // It hears of it by its second attempt, after a second.
            Kind::Tcp(..) => random.once_in(40),
            Kind::Udp(..) => random.once_in(6),
            // It would wait for an answer.
            Kind::Ping => false,
        };
        let to = if out && nowhere { 2 } else { random.below(2) };
        let own = match kind {
            Kind::Ping => number,
            _ => one(random, &[20_000, 40_000]) + number,
        };
        if !ports || ends.insert((out, matches!(kind, Kind::Udp(..)), family, to, port)) {
            acts.push(Act { out, kind, family, from: random.below(2), to, own });
        }
    }
    acts
}

impl Act {
    /// Does it.
    pub fn carry_out(self, place: &Place) -> Result<Outcome> {
        let Self { out, kind, own, .. } = self;
        let (guest, remote) = (&place.guest.host, &place.topology.remote);
        let (client, server) = if out { (guest, remote) } else { (remote, guest) };
        let (mine, asked) = self.addresses(place);
        match kind {
            Kind::Ping => ping(client, server, (mine, asked), &self.theirs(place), own),
            Kind::Tcp(port, size) => tcp(client, (at(mine, own), at(asked, port)), size),
            Kind::Udp(port, size, connected) => {
                udp(client, (at(mine, own), at(asked, port)), size, connected)
            }
        }
    }

    /// The client's address, and the one that it asks.
    pub fn addresses(self, place: &Place) -> (IpAddr, IpAddr) {
        let mine = Self { out: !self.out, ..self }.theirs(place);
        let asked = self.theirs(place).get(self.to).copied();
        (mine[self.from], asked.unwrap_or(NOWHERE[self.family]))
    }

    /// Those of the side that is asked.
    fn theirs(self, place: &Place) -> [IpAddr; 2] {
        let family = self.family;
        let guest = [place.guest.addresses[family], place.seconds[family]];
        if self.out { [REMOTE[family], SECOND[family]] } else { guest }
    }
}

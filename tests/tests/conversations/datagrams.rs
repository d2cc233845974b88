//! Conversations of UDP, echo requests and replies, GRE without keys, and a protocol that nobody knows: what has gone to and fro for
//! two seconds is a stream, of GRE at once.

use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use berth_common::abi::units::Protocol;
use berth_common::memory::generate::Random;
use berth_tests::frame::Packet;
use berth_tests::topology::at;
use berth_tests::{cases, privileged};

use crate::router::{NAMELESS, Router, State, beside};
use crate::{LEFT, RIGHT};

const CONVERSATIONS: usize = 300;
const LEAST: usize = 100;
/// Most packets before the pause, and after it.
const MOST: usize = 4;
/// Longer than nf_conntrack waits until it takes UDP for a stream, with some slack for each packet sent.
const PAUSE: Duration = Duration::from_millis(2_500);

/// Reserved for experiments (RFC 3692).
const NOBODY_S: u8 = 253;
/// No flags, version 0, protocol type IPv4.
const GRE_HEADER: [u8; 4] = [0, 0, 8, 0];

/// What is sent, and what tells it apart.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Udp([u16; 2]),
    /// With an id; whether the left end asks.
    Echo(u16, bool),
    /// From an address of its own, by its last byte.
    Gre(u8),
    Other(u8),
}

/// Two ends, and which of them sends next.
struct Conversation {
    kind: Kind,
    senders: Vec<bool>,
}

/// What nobody else has yet.
struct Names {
    left: RangeInclusive<u8>,
    of_another: RangeInclusive<u8>,
}

impl Names {
    fn kind(&mut self, random: &mut Random, router: &mut Router) -> Result<Kind> {
        let ports = router.ports()?;
        let rest = match random.below(4) {
            0 => return Ok(Kind::Echo(ports[0], random.once_in(2))),
            1 => self.left.next().map(Kind::Gre),
            2 => self.of_another.next().map(Kind::Other),
            _ => None,
        };
        Ok(rest.unwrap_or(Kind::Udp(ports)))
    }
}

impl Conversation {
    fn random(random: &mut Random, kind: Kind) -> Self {
        Self { kind, senders: Self::more(random) }
    }

    fn more(random: &mut Random) -> Vec<bool> {
        (0..random.below(MOST + 1)).map(|_| random.once_in(2)).collect()
    }

    fn packet(&self, from_left: bool) -> Result<Vec<u8>> {
        let left = match self.kind {
            Kind::Gre(number) | Kind::Other(number) => beside(LEFT, number)?,
            Kind::Udp(_) | Kind::Echo(..) => LEFT,
        };
        let [from, to] = if from_left { [left, RIGHT] } else { [RIGHT, left] };
        match self.kind {
            Kind::Udp([near, far]) => {
                let [source, destination] = if from_left { [near, far] } else { [far, near] };
                Packet::udp(at(from, source), at(to, destination)).payload(*b"data").build()
            }
            Kind::Echo(id, asks_left) if asks_left == from_left => {
                Packet::echo_request(from, to, id, 1).payload(*b"data").build()
            }
            Kind::Echo(id, _) => Packet::echo_reply(from, to, id, 1).payload(*b"data").build(),
            Kind::Gre(_) => Packet::other(from, to, Protocol::GRE.0).payload(GRE_HEADER).build(),
            Kind::Other(_) => Packet::other(from, to, NOBODY_S).payload(*b"data").build(),
        }
    }

    /// Sends what is next, and compares after each packet. What each packet was, and whether it was in a stream, is added to
    /// what was met.
    fn go_on(&self, router: &mut Router, met: &mut Vec<(State, bool)>) -> Result<()> {
        for (number, &from_left) in self.senders.iter().enumerate() {
            let judged = router.judge(&self.packet(from_left)?, from_left)?;
            ensure!(judged.agrees(), "packet {number} of {:?}: {judged:?}", self.senders);
            ensure!(
                judged.state == State::Invalid || judged.netfilter.is_some(),
                "netfilter knows none of it"
            );
            let is_stream = judged.netfilter.is_some_and(|connection| connection.is_assured);
            met.push((judged.state, is_stream));
        }
        Ok(())
    }
}

#[test]
fn of_datagrams_agree_with_netfilter() -> Result<()> {
    privileged!();
    let (mut random, wanted) = (Random::new(cases::seed()?), cases::number(CONVERSATIONS, LEAST)?);
    let mut router = Router::new()?;
    router.forget()?;
    let mut names = Names { left: NAMELESS, of_another: NAMELESS };
    let mut conversations = Vec::new();
    for _ in 0..wanted {
        let kind = names.kind(&mut random, &mut router)?;
        conversations.push(Conversation::random(&mut random, kind));
    }
    let mut met = Vec::new();
    for is_late in [false, true] {
        for (number, conversation) in conversations.iter_mut().enumerate() {
            conversation.go_on(&mut router, &mut met).with_context(|| {
                format!("conversation {number}, late: {is_late}, {:?}", conversation.kind)
            })?;
            conversation.senders = Conversation::more(&mut random);
        }
        thread::sleep(PAUSE);
    }
    for kind in [
        (State::Invalid, false),
        (State::New, false),
        (State::Established, false),
        (State::Established, true),
    ] {
        ensure!(met.contains(&kind), "no packet was ever so: {kind:?}");
    }
    Ok(())
}

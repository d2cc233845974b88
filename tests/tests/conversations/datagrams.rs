//! Conversations of UDP, and echo requests and replies: what has gone to and fro for two seconds is a stream.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use berth_common::memory::generate::Random;
use berth_tests::frame::Packet;
use berth_tests::topology::at;
use berth_tests::{cases, privileged};

use crate::router::{Router, State};
use crate::{LEFT, RIGHT};

const CONVERSATIONS: usize = 300;
const LEAST: usize = 100;
/// Most packets before the pause, and after it.
const MOST: usize = 4;
/// Longer than nf_conntrack waits until it takes UDP for a stream, with some slack for each packet sent.
const PAUSE: Duration = Duration::from_millis(2_500);

/// Two ends, and which of them sends next.
struct Conversation {
    ports: [u16; 2],
    is_echo: bool,
    asks_left: bool,
    senders: Vec<bool>,
}

impl Conversation {
    fn random(random: &mut Random, ports: [u16; 2]) -> Self {
        let (is_echo, asks_left) = (random.once_in(3), random.once_in(2));
        Self { ports, is_echo, asks_left, senders: Self::more(random) }
    }

    fn more(random: &mut Random) -> Vec<bool> {
        (0..random.below(MOST + 1)).map(|_| random.once_in(2)).collect()
    }

    fn packet(&self, from_left: bool) -> Result<Vec<u8>> {
        let ends = [at(LEFT, self.ports[0]), at(RIGHT, self.ports[1])];
        let [from, to] = if from_left { ends } else { [ends[1], ends[0]] };
        let id = self.ports[0];
        let packet = match (self.is_echo, from_left == self.asks_left) {
            (true, true) => Packet::echo_request(from.ip(), to.ip(), id, 1),
            (true, false) => Packet::echo_reply(from.ip(), to.ip(), id, 1),
            (false, _) => Packet::udp(from, to),
        };
        packet.payload(*b"data").build()
    }

    /// Sends what is next, and compares after each packet. What each packet was, and whether it was in a stream, is added to
    /// what was met.
    fn go_on(&self, router: &mut Router, met: &mut Vec<(State, bool)>) -> Result<()> {
        for (number, &from_left) in self.senders.iter().enumerate() {
            let judged = router.judge(&self.packet(from_left)?, from_left)?;
            ensure!(judged.agrees(), "packet {number} of {:?}: {judged:?}", self.senders);
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
    let mut conversations = Vec::new();
    for _ in 0..wanted {
        conversations.push(Conversation::random(&mut random, router.ports()?));
    }
    let mut met = Vec::new();
    for is_late in [false, true] {
        for (number, conversation) in conversations.iter_mut().enumerate() {
            conversation.go_on(&mut router, &mut met).with_context(|| {
                format!("conversation {number}, late: {is_late}, echo: {}", conversation.is_echo)
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

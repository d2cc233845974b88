//! Conversations of UDP, and echo requests and replies: what has gone to and fro for two seconds is a stream.

use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use berth_common::memory::generate::Random;
use berth_tests::frame::Packet;
use berth_tests::topology::at;
use berth_tests::{cases, privileged};

use crate::conversation::{LEFT, RIGHT};
use crate::router::Router;

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

    /// Sends what is next, and compares after each packet. Tells what there is to see afterwards: a stream, or none.
    fn go_on(&self, router: &mut Router) -> Result<Option<bool>> {
        let mut assured = None;
        for (number, &from_left) in self.senders.iter().enumerate() {
            let judged = router.judge(&self.packet(from_left)?, from_left)?;
            ensure!(judged.agrees(), "packet {number} of {:?}: {judged:?}", self.senders);
            assured = judged.netfilter.map(|connection| connection.is_assured);
        }
        Ok(assured)
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
    let mut met = [0; 3];
    for is_late in [false, true] {
        for (number, conversation) in conversations.iter_mut().enumerate() {
            let assured = match conversation.go_on(&mut router) {
                Ok(assured) => assured,
                Err(error) => {
                    bail!("conversation {number}, late: {is_late}, echo: {}: {error:#}", conversation.is_echo)
                }
            };
            met[match assured {
                None => 0,
                Some(false) => 1,
                Some(true) => 2,
            }] += 1;
            conversation.senders = Conversation::more(&mut random);
        }
        thread::sleep(PAUSE);
    }
    ensure!(met.iter().all(|&count| count > 0), "nothing invalid, no stream, or nothing else: {met:?}");
    Ok(())
}

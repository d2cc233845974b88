//! Random conversations, packet by packet, through a router where the kernel's own connection tracking and berth's see them: both
//! say the same of every packet (new, established, invalid), and of the connection after it (its state, whether it is answered
//! and assured, how long it lasts). Here those of TCP; [`datagrams`] has others.

mod berth;
mod conversation;
mod datagrams;
mod router;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Result, bail, ensure};
use berth_common::memory::generate::Random;
use berth_tests::{cases, privileged};

use conversation::{Conversation, Segment};
use router::{Router, State};

/// How many conversations.
const CONVERSATIONS: usize = 5_000;
const LEAST: usize = 250;

/// How a connection can stand.
const PHASES: [&str; 9] = [
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
];

#[test]
fn of_tcp_agree_with_netfilter() -> Result<()> {
    privileged!();
    let (seed, wanted) = (cases::seed()?, cases::number(CONVERSATIONS, LEAST)?);
    let mut router = Router::new()?;
    let mut seeds = Random::new(seed);
    let mut met = BTreeSet::new();
    for number in 0..wanted {
        let conversation = Conversation::random(&mut Random::new(seeds.bits()));
        if let Some(difference) = compare(&mut router, &conversation.segments, &mut met)? {
            let (shortest, difference) = shrink(&mut router, conversation.segments, difference)?;
            bail!("conversation {number} of seed {seed}:\n{}{difference}", describe(&shortest)?);
        }
    }
    let missed: Vec<_> = wanted_to_meet().filter(|one| !met.contains(one)).collect();
    ensure!(missed.is_empty(), "no connection was ever so, or met such a segment: {missed:?}");
    Ok(())
}

/// What must be met, or the conversations prove little: every way to stand, and there an invalid segment.
fn wanted_to_meet() -> impl Iterator<Item = (String, bool)> {
    PHASES.iter().flat_map(|phase| [true, false].map(|invalid| ((*phase).to_owned(), invalid)))
}

/// Where both differ, if they do. How connections stood, and whether a segment was invalid then, is added to what was met.
fn compare(
    router: &mut Router,
    segments: &[Segment],
    met: &mut BTreeSet<(String, bool)>,
) -> Result<Option<String>> {
    router.forget()?;
    let ports = router.ports()?;
    for (number, segment) in segments.iter().enumerate() {
        let judged = match router.judge(&segment.packet(ports)?, segment.from_left) {
            Ok(judged) => judged,
            Err(error) => return Ok(Some(format!("segment {number}: {error:#}\n"))),
        };
        if let Some(connection) = &judged.netfilter {
            met.insert((connection.phase.clone(), judged.state == State::Invalid));
        }
        if !judged.agrees() {
            return Ok(Some(format!("segment {number}: {judged:?}\n")));
        }
    }
    Ok(None)
}

/// Leaves out whatever is not needed for both to differ.
fn shrink(
    router: &mut Router,
    mut segments: Vec<Segment>,
    mut difference: String,
) -> Result<(Vec<Segment>, String)> {
    let mut place = segments.len();
    while let Some(before) = place.checked_sub(1) {
        place = before;
        let mut fewer = segments.clone();
        fewer.remove(place);
        if let Some(found) = compare(router, &fewer, &mut BTreeSet::new())? {
            difference = found;
            place = fewer.len();
            segments = fewer;
        }
    }
    Ok((segments, difference))
}

fn describe(segments: &[Segment]) -> Result<String> {
    let mut text = String::new();
    for (number, segment) in segments.iter().enumerate() {
        writeln!(text, "{number}: {segment}")?;
    }
    Ok(text)
}

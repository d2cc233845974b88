//! Holding what both say of a conversation against each other.

use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};

use anyhow::{Result, bail, ensure};
use berth_common::memory::generate::Random;
use berth_tests::cases;

use crate::router::{Router, State};

/// A packet of a conversation.
pub trait Sent: Clone + Display {
    /// Whether the left end sends it.
    fn is_from_left(&self) -> bool;
    /// Its bytes, of IPv4, between the two ends' ports.
    fn packet(&self, ports: [u16; 2]) -> Result<Vec<u8>>;
}

/// How conversations stood, and whether a packet was invalid then.
type Met = BTreeSet<(String, bool)>;

/// Makes so many random conversations (or as few as `least`, where that is asked for), which must agree, and among them meet each
/// of these phases, and an invalid packet in each.
pub fn all<S: Sent>(
    (wanted, least): (usize, usize),
    random: impl Fn(&mut Random) -> Vec<S>,
    phases: &[&str],
) -> Result<()> {
    let (seed, wanted) = (cases::seed()?, cases::number(wanted, least)?);
    let mut router = Router::new()?;
    let mut seeds = Random::new(seed);
    let mut met = Met::new();
    for number in 0..wanted {
        let sent = random(&mut Random::new(seeds.bits()));
        if let Some(difference) = compare(&mut router, &sent, &mut met)? {
            let (shortest, difference) = shrink(&mut router, sent, difference)?;
            bail!("conversation {number} of seed {seed}:\n{}{difference}", describe(&shortest)?);
        }
    }
    // Or the conversations prove little.
    let to_meet = phases.iter().flat_map(|phase| [true, false].map(|invalid| ((*phase).to_owned(), invalid)));
    let missed: Vec<_> = to_meet.filter(|one| !met.contains(one)).collect();
    ensure!(missed.is_empty(), "no conversation was ever so, or met such a packet: {missed:?}");
    Ok(())
}

/// Where both differ, if they do. How connections stood, and whether a packet was invalid then, is added to what was met.
fn compare<S: Sent>(router: &mut Router, sent: &[S], met: &mut Met) -> Result<Option<String>> {
    router.forget()?;
    let ports = router.ports()?;
    for (number, one) in sent.iter().enumerate() {
        let judged = match router.judge(&one.packet(ports)?, one.is_from_left()) {
            Ok(judged) => judged,
            Err(error) => return Ok(Some(format!("packet {number}: {error:#}\n"))),
        };
        if let Some(connection) = &judged.netfilter {
            met.insert((connection.phase.clone(), judged.state == State::Invalid));
        }
        if !judged.agrees() {
            return Ok(Some(format!("packet {number}: {judged:?}\n")));
        }
    }
    Ok(None)
}

/// Leaves out whatever is not needed for both to differ.
fn shrink<S: Sent>(
    router: &mut Router,
    mut sent: Vec<S>,
    mut difference: String,
) -> Result<(Vec<S>, String)> {
    let mut place = sent.len();
    while let Some(before) = place.checked_sub(1) {
        place = before;
        let mut fewer = sent.clone();
        fewer.remove(place);
        if let Some(found) = compare(router, &fewer, &mut Met::new())? {
            difference = found;
            place = fewer.len();
            sent = fewer;
        }
    }
    Ok((sent, difference))
}

fn describe<S: Sent>(sent: &[S]) -> Result<String> {
    let mut text = String::new();
    for (number, one) in sent.iter().enumerate() {
        writeln!(text, "{number}: {one}")?;
    }
    Ok(text)
}

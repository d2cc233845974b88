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

/// How conversations stood, and what a packet was to rules then.
#[derive(Default)]
pub struct Met(BTreeSet<(String, State)>);

impl Met {
    pub fn contains(&self, phase: &str, state: State) -> bool {
        self.0.contains(&(phase.to_owned(), state))
    }

    /// Fails if there is a phase in which no conversation was ever, or no packet of one invalid: then they prove little.
    pub fn has_all(&self, phases: &[&str]) -> Result<()> {
        let is_met = |phase: &str, is_invalid: bool| {
            self.0.iter().any(|(met, state)| met == phase && (*state == State::Invalid) == is_invalid)
        };
        let to_meet = phases.iter().flat_map(|phase| [true, false].map(|is_invalid| (*phase, is_invalid)));
        let missed: Vec<_> = to_meet.filter(|(phase, is_invalid)| !is_met(phase, *is_invalid)).collect();
        ensure!(missed.is_empty(), "no conversation was ever so, or met such a packet: {missed:?}");
        Ok(())
    }
}

/// Makes so many random conversations (or as few as `least`, where that is asked for), which must agree.
pub fn all<S: Sent>((wanted, least): (usize, usize), random: impl Fn(&mut Random) -> Vec<S>) -> Result<Met> {
    let (seed, wanted) = (cases::seed()?, cases::number(wanted, least)?);
    let mut router = Router::new()?;
    let mut seeds = Random::new(seed);
    let mut met = Met::default();
    for number in 0..wanted {
        let sent = random(&mut Random::new(seeds.bits()));
        if let Some(difference) = compare(&mut router, &sent, &mut met)? {
            let (shortest, difference) = shrink(&mut router, sent, difference)?;
            bail!("conversation {number} of seed {seed}:\n{}{difference}", describe(&shortest)?);
        }
    }
    Ok(met)
}

/// Where both differ, if they do. How connections stood, and what packets were then, is added to what was met.
fn compare<S: Sent>(router: &mut Router, sent: &[S], met: &mut Met) -> Result<Option<String>> {
    router.forget()?;
    let ports = router.ports()?;
    for (number, one) in sent.iter().enumerate() {
        let judged = match router.judge(&one.packet(ports)?, one.is_from_left()) {
            Ok(judged) => judged,
            Err(error) => return Ok(Some(format!("packet {number}: {error:#}\n"))),
        };
        if let Some(connection) = &judged.netfilter {
            met.0.insert((connection.phase.clone(), judged.state));
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
        if let Some(found) = compare(router, &fewer, &mut Met::default())? {
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

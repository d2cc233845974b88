//! Holding what both say of a conversation against each other.

use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
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

/// How long states last that end in a pause, how long the pause is, and how long others last: what a group sends before the pause, or
/// after it, takes no such time.
const SHORT: u32 = 2;
const PAUSE: Duration = Duration::from_secs(4);
const LONG: u32 = 600;
/// Conversations that pause together.
const GROUP: usize = 50;

/// As [`all`], but each conversation pauses somewhere. Of the timeouts of these names about half are over by then, others each time:
/// what is known of a conversation has lapsed, or has not, and it goes on.
pub fn paused<S: Sent>(
    (wanted, least): (usize, usize),
    timeouts: &[&str],
    random: impl Fn(&mut Random) -> Vec<S>,
) -> Result<()> {
    let (seed, wanted) = (cases::seed()?, cases::number(wanted, least)?);
    let mut router = Router::new()?;
    let mut seeds = Random::new(seed);
    let (mut lapsed, mut lasted) = (0, 0);
    for group in 0..wanted.div_ceil(GROUP) {
        let mut source = Random::new(seeds.bits());
        router.forget()?;
        let seconds = |random: &mut Random| if random.once_in(2) { SHORT } else { LONG };
        let chosen: Vec<_> = timeouts.iter().map(|name| (*name, seconds(&mut source))).collect();
        router.set_timeouts(&chosen)?;
        let mut conversations = Vec::new();
        for _ in 0..GROUP {
            let sent = random(&mut source);
            let first = source.below(sent.len() + 1);
            conversations.push((router.ports()?, sent, first));
        }
        for is_late in [false, true] {
            for (number, (ports, sent, first)) in conversations.iter().enumerate() {
                let context = || {
                    let (all, pause) = (describe(sent).unwrap_or_default(), first);
                    format!(
                        "conversation {number} of group {group}, seed {seed}, that pauses before {pause}:\n{all}{chosen:?}"
                    )
                };
                if is_late && *first > 0 {
                    let there = router.stands(&sent[0].packet(*ports)?).with_context(context)?;
                    *(if there { &mut lasted } else { &mut lapsed }) += 1;
                }
                let part = if is_late { *first..sent.len() } else { 0..*first };
                for one in part {
                    let sent = &sent[one];
                    let judged = router.judge(&sent.packet(*ports)?, sent.is_from_left());
                    let judged = judged.with_context(context)?;
                    ensure!(judged.agrees(), "packet {one}: {judged:?}, {}", context());
                }
            }
            if !is_late {
                thread::sleep(PAUSE);
            }
        }
    }
    ensure!(lapsed > 0 && lasted > 0, "{lapsed} have lapsed, and {lasted} have lasted");
    Ok(())
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

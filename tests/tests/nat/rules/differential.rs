//! What becomes of flows by rules in berth is what becomes of them by the same rules in the guest's own kernel.

use std::fmt::Write as _;
use std::io::ErrorKind;

use anyhow::{Result, ensure};
use berth_common::memory::generate::Random;
use berth_tests::{cases, privileged};

use super::acts::{self, Act};
use super::outcome::{End, Outcome, Port};
use super::worlds::World;
use super::{Place, rulesets};

const RULESETS: usize = 40;
/// So many have some of each kind of outcome.
const LEAST: usize = 12;
/// Acts for each.
const ACTS: usize = 24;
/// Clients' ports are numbered below this: twice as many and the two kinds of them would meet.
const NUMBERS: usize = 9_000;

/// How often it came to what.
#[derive(Debug, Default)]
struct Tally {
    served: usize,
    echoed: usize,
    refused: usize,
    unreachable: usize,
    /// Where the server has seen another than the client is, or was reached elsewhere than it was asked.
    peers: usize,
    reached: usize,
    /// The same of echo requests.
    pings: usize,
    /// Where a port was one of several.
    chosen: usize,
}

impl Tally {
    fn add(&mut self, act: Act, place: &Place, outcome: Outcome) -> Result<()> {
        let (own, asked) = act.addresses(place);
        match outcome {
            Outcome::Served { peer, reached, heard } => {
                self.served += 1;
                self.peers += usize::from(peer != End { address: own, port: Port::Kept });
                self.reached += usize::from(reached != End { address: asked, port: Port::Kept });
                let chosen = |end: End| matches!(end.port, Port::Among(_));
                self.chosen += usize::from(chosen(peer) || chosen(reached));
                ensure!(heard.ip() == asked, "{act:?}: it hears {heard}");
            }
            Outcome::Echoed { id, peer, reached } => {
                self.echoed += 1;
                self.pings += usize::from((peer, reached) != (own, asked));
                ensure!(id == act.own, "{act:?}: its id has become {id}");
            }
            Outcome::Told(kind, notice) => {
                self.refused += usize::from(kind == ErrorKind::ConnectionRefused);
                self.unreachable += usize::from(kind != ErrorKind::ConnectionRefused);
                ensure!(notice.about.ip() == asked, "{act:?}: {kind:?}, {notice:?}");
            }
            Outcome::Failed(ErrorKind::ConnectionRefused) => self.refused += 1,
            Outcome::Failed(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => {
                self.unreachable += 1;
            }
            Outcome::Failed(kind) => anyhow::bail!("{act:?}: netfilter has it fail: {kind:?}"),
        }
        Ok(())
    }

    fn has_all(&self) -> bool {
        let Self { served, echoed, refused, unreachable, peers, reached, pings, chosen } = *self;
        [served, echoed, refused, unreachable, peers, reached, pings, chosen].iter().all(|count| *count > 0)
    }
}

/// Tries one ruleset of each family in both worlds; netfilter's comes first.
fn compare(worlds: &mut [World; 2], texts: &[String; 2], acts: &[Act], tally: &mut Tally) -> Result<()> {
    for world in worlds.iter_mut() {
        world.restore(texts)?;
    }
    let mut done = String::new();
    for &act in acts {
        let [kernel, berth] = worlds.each_ref().map(|world| act.carry_out(&world.place));
        let kernel = kernel?;
        // What goes wrong is told with what was done before.
        let _ = writeln!(done, "{act:?}");
        let berth =
            berth.map_err(|error| error.context(format!("netfilter has {kernel:?}, after\n{done}")))?;
        ensure!(berth == kernel, "berth has {berth:?},\nand netfilter {kernel:?}, after\n{done}");
        tally.add(act, &worlds[0].place, kernel)?;
    }
    for family in [0, 1] {
        let [kernel, berth] = worlds.each_ref().map(|world| world.counted(family));
        let (kernel, berth) = (kernel?, berth?);
        ensure!(berth == kernel, "berth has counted {berth:#?},\nand netfilter {kernel:#?}, after\n{done}");
    }
    Ok(())
}

#[test]
fn flows_meet_the_same_fate() -> Result<()> {
    privileged!();
    let mut worlds = [World::netfilter()?, World::berth()?];
    let mut seeds = Random::new(cases::seed()?);
    let mut tally = Tally::default();
    for number in 0..cases::number(RULESETS, LEAST)? {
        let mut random = Random::new(seeds.bits());
        let texts = rulesets::draw(&mut random, &worlds[0].place);
        let acts = acts::draw(&mut random, u16::try_from(number * ACTS % NUMBERS)?, ACTS);
        let compared = compare(&mut worlds, &texts, &acts, &mut tally);
        compared.map_err(|error| error.context(format!("ruleset {number}:\n{}", texts.concat())))?;
    }
    assert!(tally.has_all(), "{tally:?}");
    let drops = worlds[1].drops()?;
    assert!(drops.is_empty(), "{drops:?}");
    Ok(())
}

//! Rules in berth count the same packets as the same rules in the kernel's own netfilter: random rules, and packets aimed
//! at what they name. Every packet ends at a rule or a policy that counts it, so that verdicts are compared too.

mod aim;
mod connlimits;
mod enforced;
mod netfilter;
mod packet;
mod reach;
mod rulesets;
mod sets;
mod shrink;
mod side;
mod tools;
mod traffic;
mod trial;

use anyhow::{Result, bail, ensure};
use berth::rules::family::Family;
use berth_common::memory::generate::Random;
use berth_tests::{cases, privileged};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use trial::{Sides, Trial};

/// How many rulesets, of either family.
const RULESETS: usize = 100;
const LEAST_RULESETS: usize = 5;
/// Packets for each.
const PACKETS: usize = 200;

/// How many rulesets about how many flows there are, and how many packets for each: these take their time.
const CONNLIMITS: usize = 12;
const CONNLIMIT_PACKETS: usize = 40;

#[test]
fn rules_agree_with_iptables() -> Result<()> {
    privileged!();
    agree(Family::Ipv4)
}

#[test]
fn rules_agree_with_ip6tables() -> Result<()> {
    privileged!();
    agree(Family::Ipv6)
}

#[test]
fn connlimits_agree_with_netfilter() -> Result<()> {
    privileged!();
    let mut sides = Sides::new()?;
    stay_on_one_processor()?;
    let mut seeds = Random::new(cases::seed()?);
    for number in 0..cases::number(CONNLIMITS, 2)? {
        let family = if number % 2 == 0 { Family::Ipv4 } else { Family::Ipv6 };
        let trial = connlimits::trial(&mut Random::new(seeds.bits()), family, CONNLIMIT_PACKETS)?;
        let differences = sides.run(&trial)?;
        if !differences.is_empty() {
            let text = shrink::shrink(&mut sides, trial)?;
            bail!("ruleset {number}:\n{}shrunk: {text}", trial::tell(&differences));
        }
    }
    Ok(())
}

#[test]
fn what_tools_write_agrees_with_netfilter() -> Result<()> {
    privileged!();
    let mut sides = Sides::new()?;
    stay_on_one_processor()?;
    let mut seeds = Random::new(cases::seed()?);
    for file in tools::FILES {
        let ruleset = tools::enforced(file)?;
        for _ in 0..cases::number(3, 1)? {
            let packets = traffic::random(&mut Random::new(seeds.bits()), &ruleset, PACKETS);
            let trial = Trial { ruleset: ruleset.clone(), packets };
            let differences = sides.run(&trial)?;
            if !differences.is_empty() {
                let text = shrink::shrink(&mut sides, trial)?;
                bail!("{}:\n{}shrunk: {text}", file.0, trial::tell(&differences));
            }
        }
    }
    Ok(())
}

fn agree(family: Family) -> Result<()> {
    let (seed, wanted) = (cases::seed()?, cases::number(RULESETS, LEAST_RULESETS)?);
    let mut sides = Sides::new()?;
    stay_on_one_processor()?;
    let mut seeds = Random::new(seed);
    let has_sets = sides.make_sets(&sets::text(&mut seeds, family))?;
    for number in 0..wanted {
        let mut random = Random::new(seeds.bits());
        let ruleset = rulesets::random(&mut random, family, has_sets);
        let packets = traffic::random(&mut random, &ruleset, PACKETS);
        let trial = Trial { ruleset, packets };
        let differences = sides.run(&trial)?;
        if !differences.is_empty() {
            let text = shrink::shrink(&mut sides, trial)?;
            let differences = trial::tell(&differences);
            bail!("ruleset {number} of seed {seed}:\n{differences}shrunk: {text}");
        }
    }
    let met = sides.set_rules_met;
    println!("{met} rules with sets have counted packets");
    ensure!(met > 0 || !has_sets, "no packet was in any set");
    Ok(())
}

/// What a packet that is sent sets off then runs to its end before this thread goes on.
fn stay_on_one_processor() -> Result<()> {
    let own = Pid::from_raw(0);
    let allowed = sched_getaffinity(own)?;
    let mut one = CpuSet::new();
    for cpu in 0..CpuSet::count() {
        if allowed.is_set(cpu)? {
            one.set(cpu)?;
            break;
        }
    }
    Ok(sched_setaffinity(own, &one)?)
}

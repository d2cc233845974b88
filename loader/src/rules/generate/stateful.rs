//! Random matches that keep state.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{address, numbers, scene::Scene};
use crate::rules::{
    condition::Condition,
    family::Family,
    matches::{
        connlimit::{self, Bound, Connlimit},
        hashlimit::{Hashlimit, Key, Sense},
        limit::Limit,
        recent::{self, Action, Recent, Seen},
        statistic::{Probability, Statistic},
    },
    piece::Piece,
    values::{
        flags::{Flag, Flags},
        name::Name,
    },
};

pub(super) fn limit(scene: &mut Scene<'_>) -> Limit {
    Limit { rate: numbers::rate(scene.random), burst: 1 + u32::from(numbers::below(scene.random, 20)) }
}

pub(super) fn connlimit(scene: &mut Scene<'_>) -> Connlimit {
    let count = u32::from(numbers::below(scene.random, 10));
    let bound = if scene.random.once_in(2) { Bound::Upto(count) } else { Bound::Above(count) };
    let side =
        scene.random.pick(&[connlimit::Side::Source, connlimit::Side::Destination]).unwrap_or_default();
    Connlimit { bound, prefix: address::length(scene.random, scene.wanted.family), side }
}

/// A name for each, as rules that share one share the buckets too, whatever else they say.
pub(super) fn hashlimit(scene: &mut Scene<'_>) -> Option<Hashlimit> {
    let family = scene.family();
    let rate = numbers::rate(scene.random);
    let prefix = |scene: &mut Scene<'_>| {
        let length = address::length(scene.random, family);
        (scene.random.once_in(3) && length != family.bits()).then_some(length)
    };
    let keys = Key::NAMES.iter().map(|&(_, key)| key).filter(|_| scene.random.once_in(2)).collect::<Vec<_>>();
    let some = |scene: &mut Scene<'_>, choices: &[u32]| {
        if scene.random.once_in(4) { scene.random.pick(choices) } else { None }
    };
    let unit = u32::try_from(rate.unit() * 1_000).ok()?;
    Some(Hashlimit {
        sense: scene.random.pick(&[Sense::Upto, Sense::Above])?,
        rate,
        burst: 1 + u32::from(numbers::below(scene.random, 20)),
        mode: Flags::of(&keys),
        name: name(&format!("limit{}", scene.random.bits()))?,
        size: some(scene, &[16, 1_000]),
        max: some(scene, &[16, 2_000]),
        sweep: some(scene, &[500, 60_000]).unwrap_or(1_000),
        expire: some(scene, &[5, 1_000, 10_000, 60_000, 3_600_000]).unwrap_or(unit),
        source_prefix: prefix(scene),
        destination_prefix: prefix(scene),
    })
}

pub(super) fn recent(scene: &mut Scene<'_>) -> Option<Recent> {
    let seconds =
        if scene.random.once_in(2) { Some(1 + u32::from(numbers::below(scene.random, 100))) } else { None };
    let hits = if scene.random.once_in(2) { Some(1 + numbers::below(scene.random, 20)) } else { None };
    let reap = seconds.is_some() && scene.random.once_in(4);
    let seen = Seen { seconds, reap, hits, same_ttl: scene.random.once_in(6) };
    let action =
        scene.random.pick(&[Action::Set, Action::Check(seen), Action::Update(seen), Action::Remove])?;
    let mask = match scene.family() {
        Family::Ipv4 => {
            IpAddr::V4(scene.random.pick(&[Ipv4Addr::BROADCAST, Ipv4Addr::new(255, 255, 255, 0)])?)
        }
        Family::Ipv6 => {
            let bits = scene.random.pick(&[u128::MAX, u128::MAX << 64])?;
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
    };
    Some(Recent {
        negated: scene.random.once_in(4),
        action,
        name: name(scene.random.pick(&["DEFAULT", "SSH", "scanners"])?)?,
        mask,
        side: scene.random.pick(&[recent::Side::Source, recent::Side::Destination])?,
    })
}

pub(super) fn statistic(scene: &mut Scene<'_>) -> Statistic {
    if scene.random.once_in(2) {
        let probability = Probability(numbers::word32(scene.random) >> 1);
        return Statistic::Random { probability: scene.condition(probability) };
    }
    let below = 1 + numbers::below(scene.random, 5);
    let (every, packet) = (u32::from(below), u32::from(numbers::below(scene.random, below)));
    Statistic::Nth { every: Condition { negated: scene.random.once_in(4), value: every }, packet }
}

fn name(text: &str) -> Option<Name> {
    Name::read(Piece { text, column: 1 }, "name", 64).ok()
}

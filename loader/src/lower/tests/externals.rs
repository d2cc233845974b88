//! What others are asked, and of what.

use berth_common::abi::rules::external::{
    CONNLIMIT, Connlimit, HASHLIMIT, Hashlimit, HashlimitEnd, RECENT, Recent, RecentAction, SET, Seen, Set,
};

use super::setup::{lowered, names, parsed};
use crate::{
    compile::input::{Check, Condition, External, Family},
    lower::{ExternalSpec, Lowered, Reason, Source, Spot, lower},
};

fn rules(family: Family, rules: &[&str]) -> Lowered {
    let lines = rules.join("\n-A INPUT ");
    lowered(&parsed(family, &format!("*filter\n-A INPUT {lines}\nCOMMIT\n"))).unwrap()
}

/// What rules ask of others, in order.
fn asked(lowered: &Lowered) -> Vec<External> {
    let programs = [&lowered.ruleset.ipv4, &lowered.ruleset.ipv6].into_iter().flatten();
    let conditions = programs.flat_map(|program| program.rules().flat_map(|rule| &rule.conditions));
    conditions
        .filter_map(|condition| match condition {
            Condition::Check(Check::External(external)) => Some(external.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn sets() {
    let lowered = rules(
        Family::Ipv4,
        &[
            "-m set --match-set hosts src",
            "-m set ! --match-set pairs src,dst",
            "-m set --match-set hosts dst",
        ],
    );
    let [first, second, third] = <[External; 3]>::try_from(asked(&lowered)).unwrap();
    assert_eq!([&first, &second, &third].map(|set| (set.kind, set.id)), [(SET, 7), (SET, 9), (SET, 7)]);
    assert_eq!(
        [&first, &second, &third].map(|set| (set.pure, set.inverted)),
        [(true, false), (true, true), (true, false)]
    );
    let parameters = [first, second, third].map(|set| Set::from_parameters(set.parameters));
    let of = |parts, destinations| Set { parts, destinations };
    assert_eq!(parameters, [of(1, 0), of(2, 0b10), of(1, 1)]);
    assert_eq!(lowered.externals.0, []);
}

#[test]
fn sets_must_be_there_and_of_the_family() {
    let reason = |family, set: &str| {
        let text = format!("*filter\n-A INPUT -m set --match-set {set} src\nCOMMIT\n");
        lowered(&parsed(family, &text)).map(drop).map_err(|error| error.reason)
    };
    assert_eq!(reason(Family::Ipv4, "none"), Err(Reason::NoSet("none".to_owned())));
    assert_eq!(reason(Family::Ipv4, "v4"), Ok(()));
    assert_eq!(reason(Family::Ipv6, "v4"), Err(Reason::SetFamily("v4".to_owned())));
    assert_eq!(reason(Family::Ipv6, "hosts"), Ok(()));
}

#[test]
fn lists_of_recent_addresses() {
    let lowered = rules(
        Family::Ipv4,
        &[
            "-m recent --name ssh --set --mask 255.255.255.0",
            "-m recent --name ssh --rcheck --seconds 60 --hitcount 4 --rttl",
            "-m recent ! --update --seconds 5 --reap --rdest",
            "-m recent --name ssh --remove",
            "-m recent --rcheck --seconds 1 --reap",
        ],
    );
    let asked = asked(&lowered);
    assert!(asked.iter().all(|recent| recent.kind == RECENT && !recent.inverted));
    assert_eq!(asked.iter().map(|recent| recent.id).collect::<Vec<_>>(), [0, 0, 1, 0, 1]);
    assert_eq!(
        asked.iter().map(|recent| recent.pure).collect::<Vec<_>>(),
        [false, true, false, false, false]
    );
    let parameters: Vec<Recent> =
        asked.iter().map(|recent| Recent::from_parameters(recent.parameters)).collect();
    let plain = Recent {
        action: RecentAction::Set,
        destination: false,
        inverted: false,
        prefix: 24,
        seen: Seen::default(),
    };
    let check = Seen { within: 60_000_000_000, hits: 4, reap: false, same_ttl: true };
    let update = Seen { within: 5_000_000_000, hits: 0, reap: true, same_ttl: false };
    let expected = [
        plain,
        Recent { action: RecentAction::Check, seen: check, ..plain },
        Recent { action: RecentAction::Update, destination: true, inverted: true, prefix: 32, seen: update },
        Recent { action: RecentAction::Remove, ..plain },
    ];
    assert_eq!(parameters[..4], expected);
    let list =
        |name: &str, prefix| ExternalSpec::Recent { family: Family::Ipv4, name: name.to_owned(), prefix };
    assert_eq!(lowered.externals.0, [list("ssh", 24), list("DEFAULT", 32)]);
}

#[test]
fn buckets_of_one_name() {
    let lowered = rules(
        Family::Ipv6,
        &[
            "-m hashlimit --hashlimit-upto 4/sec --hashlimit-burst 3 --hashlimit-mode srcip,dstport --hashlimit-name a --hashlimit-srcmask 64",
            "-m hashlimit --hashlimit-above 9/sec --hashlimit-name a",
            "-m hashlimit --hashlimit-above 1/min --hashlimit-name b",
        ],
    );
    let asked = asked(&lowered);
    assert!(
        asked.iter().all(|hashlimit| hashlimit.kind == HASHLIMIT && !hashlimit.inverted && !hashlimit.pure)
    );
    assert_eq!(asked.iter().map(|hashlimit| hashlimit.id).collect::<Vec<_>>(), [0, 0, 1]);
    let parameters = asked.iter().map(|hashlimit| Hashlimit::from_parameters(hashlimit.parameters));
    let first = Hashlimit {
        cost: 250_000_000,
        room: 500_000_000,
        above: false,
        source: HashlimitEnd { address: true, prefix: 64, port: false },
        destination: HashlimitEnd { address: false, prefix: 128, port: true },
        expire: 1_000,
    };
    let whole = HashlimitEnd { address: false, prefix: 128, port: false };
    let other = Hashlimit {
        cost: 60_000_000_000,
        room: 240_000_000_000,
        above: true,
        source: whole,
        destination: whole,
        expire: 60_000,
    };
    // The first rule of a name decides for all, but for the sense.
    assert!(parameters.eq([first, Hashlimit { above: true, ..first }, other]));
    assert_eq!(lowered.externals.0.len(), 2);
}

#[test]
fn flows_are_counted_for_each_rule() {
    let lowered = rules(
        Family::Ipv4,
        &[
            "-m connlimit --connlimit-above 8 --connlimit-mask 24",
            "-m connlimit --connlimit-upto 8 --connlimit-daddr",
        ],
    );
    let asked = asked(&lowered);
    assert_eq!(
        asked.iter().map(|one| (one.kind, one.id, one.pure)).collect::<Vec<_>>(),
        [(CONNLIMIT, 0, false), (CONNLIMIT, 1, false)]
    );
    let parameters = asked.iter().map(|one| Connlimit::from_parameters(one.parameters));
    assert!(parameters.eq([
        Connlimit { limit: 8, above: true, destination: false, prefix: 24 },
        Connlimit { limit: 8, above: false, destination: true, prefix: 32 },
    ]));
    let spots = lowered.externals.0.iter().map(|spec| match spec {
        ExternalSpec::Connlimit { place } => place.spot,
        other => panic!("{other:?}"),
    });
    assert!(spots.eq([Spot::Rule(0), Spot::Rule(1)]));
}

#[test]
fn families_share_sets_and_nothing_else() {
    let text = "*filter\n-A INPUT -m set --match-set hosts src -m recent --set\nCOMMIT\n";
    let (ipv4, ipv6) = (parsed(Family::Ipv4, text), parsed(Family::Ipv6, text));
    let lowered = lower(&Source { ipv4: Some(&ipv4), ipv6: Some(&ipv6) }, &names()).unwrap();
    assert_eq!(asked(&lowered).iter().map(|one| one.id).collect::<Vec<_>>(), [7, 0, 7, 1]);
    assert_eq!(lowered.counters.iter().map(|place| place.family).collect::<Vec<_>>(), Family::ALL);
}

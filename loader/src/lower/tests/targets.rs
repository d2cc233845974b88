//! What rules do, in which order tables are met, and what limits and turns let through.

use berth_common::{abi::rules::reject::Rejection, engine::classify::Decision};

use super::{
    oracle::JIFFY,
    packet::{Packet, Upper},
    setup::{Both, lowered, parsed},
};
use crate::{
    compile::input::{BuiltIn, Family},
    lower::{Report, Spot},
    rules::ruleset::Ruleset,
};

pub(super) fn both(ruleset: &Ruleset) -> Both<'_> {
    Both::new(ruleset, lowered(ruleset).unwrap()).unwrap()
}

pub(super) fn packet(chain: BuiltIn) -> Packet {
    let (input, output) = match chain {
        BuiltIn::Input | BuiltIn::NatPrerouting | BuiltIn::NatInput => (Some("eth0"), None),
        BuiltIn::Output | BuiltIn::NatOutput | BuiltIn::NatPostrouting => (None, Some("eth0")),
        BuiltIn::Forward => (Some("eth0"), Some("eth1")),
    };
    Packet { chain, input, output, ..Packet::new(Family::Ipv4) }
}

#[test]
fn tables_are_met_in_netfilters_order() {
    let ruleset = parsed(
        Family::Ipv4,
        "*mangle
-A PREROUTING -j MARK --or-mark 0x1
-A INPUT -j MARK --or-mark 0x2
-A FORWARD -j MARK --or-mark 0x4
-A OUTPUT -j MARK --or-mark 0x8
-A POSTROUTING -j MARK --or-mark 0x10
COMMIT
*filter
-A INPUT -m mark --mark 0x3 -j MARK --or-mark 0x100
-A FORWARD -m mark --mark 0x5 -j MARK --or-mark 0x100
-A OUTPUT -m mark --mark 0x8 -j MARK --or-mark 0x100
COMMIT
",
    );
    let mut both = both(&ruleset);
    for (chain, mark) in [(BuiltIn::Input, 0x103), (BuiltIn::Forward, 0x115), (BuiltIn::Output, 0x118)] {
        assert_eq!(both.ask(&packet(chain), 0, 0).unwrap().mark, mark);
    }
    both.compare_counters().unwrap();
    let policies = both.lowered.counters.iter().filter(|place| place.spot == Spot::Policy).count();
    assert_eq!((both.lowered.counters.len(), policies), (13, 5));
}

#[test]
fn accept_is_for_one_table_and_drop_for_all() {
    let ruleset = parsed(
        Family::Ipv4,
        "*mangle
:INPUT DROP
-A PREROUTING -m mark --mark 1 -j DROP
-A INPUT -m mark --mark 2 -j ACCEPT
-A INPUT -m mark --mark 3 -j RETURN
COMMIT
*filter
:INPUT ACCEPT
-A INPUT -j REJECT
COMMIT
",
    );
    let mut both = both(&ruleset);
    for (mark, decision) in
        [(1, Decision::Drop), (2, Decision::Reject), (3, Decision::Drop), (4, Decision::Drop)]
    {
        let packet = Packet { mark, ..packet(BuiltIn::Input) };
        assert_eq!(both.ask(&packet, 0, 0).unwrap().decision, decision, "{mark}");
    }
    both.compare_counters().unwrap();
}

#[test]
fn before_routing_nobody_knows_where_a_packet_goes() {
    let ruleset = parsed(
        Family::Ipv4,
        "*mangle
:WAY - [0:0]
-A PREROUTING -j WAY
-A FORWARD -j WAY
-A WAY -o eth1 -j MARK --set-mark 7
-A WAY ! -o eth1 -m mark --mark 7 -j DROP
COMMIT
",
    );
    let mut both = both(&ruleset);
    let answer = both.ask(&packet(BuiltIn::Forward), 0, 0).unwrap();
    assert_eq!((answer.decision, answer.mark), (Decision::Accept, 7));
    let marked = Packet { mark: 7, ..packet(BuiltIn::Forward) };
    assert_eq!(both.ask(&marked, 0, 0).unwrap().decision, Decision::Drop);
}

#[test]
fn one_chain_has_one_bucket_wherever_packets_come_from() {
    let ruleset = parsed(
        Family::Ipv4,
        "*mangle\n-A PREROUTING -m limit --limit 1/hour --limit-burst 2 -j MARK --set-mark 1\nCOMMIT\n",
    );
    let mut both = both(&ruleset);
    let chains = [BuiltIn::Input, BuiltIn::Forward, BuiltIn::Input, BuiltIn::Forward];
    let marks = chains.map(|chain| both.ask(&packet(chain), 0, 0).unwrap().mark);
    assert_eq!(marks, [1, 1, 0, 0]);
}

#[test]
fn a_table_without_rules_counts_its_policies() {
    let ruleset = parsed(Family::Ipv4, "*mangle\n:INPUT ACCEPT [0:0]\nCOMMIT\n");
    let mut both = both(&ruleset);
    both.ask(&packet(BuiltIn::Input), 0, 0).unwrap();
    both.compare_counters().unwrap();
    assert_eq!(both.lowered.counters.len(), 5);
}

#[test]
fn rejections_have_their_numbers() {
    for rejection in Rejection::ALL {
        let families =
            Family::ALL.into_iter().filter(|family| rejection.family().is_none_or(|own| own == *family));
        for family in families {
            let text =
                format!("*filter\n-A INPUT -p tcp -j REJECT --reject-with {}\nCOMMIT\n", rejection.name());
            let ruleset = parsed(family, &text);
            let answer = both(&ruleset).ask(&Packet::new(family), 0, 0).unwrap();
            assert_eq!((answer.decision, answer.code), (Decision::Reject, rejection.number()));
        }
    }
}

#[test]
fn reports_say_what_and_where() {
    let text = "*filter
-A INPUT -j LOG --log-prefix \"in: \" --log-level info
-A INPUT -j MARK --set-mark 5
-A INPUT -j NFLOG --nflog-group 3
COMMIT
";
    let ruleset = parsed(Family::Ipv4, text);
    let mut both = both(&ruleset);
    both.ask(&packet(BuiltIn::Input), 0, 0).unwrap();
    let [log, nflog] = both.lowered.logs.as_slice() else { panic!("{:?}", both.lowered.logs) };
    assert!(matches!(&log.report, Report::Log(log) if log.prefix == "in: " && log.level.0 == 6));
    assert!(matches!(&nflog.report, Report::Nflog(nflog) if nflog.group == 3));
    assert_eq!((log.place.spot, nflog.place.spot), (Spot::Rule(0), Spot::Rule(2)));
}

#[test]
fn chains_jumps_and_returns() {
    let ruleset = parsed(
        Family::Ipv4,
        "*filter
:INPUT DROP
:OUTER - [0:0]
:INNER - [0:0]
-A INPUT -p tcp -j OUTER
-A INPUT -p tcp --dport 3 -j ACCEPT
-A OUTER -p tcp --dport 1:3 -g INNER
-A OUTER -j REJECT
-A INNER -p tcp --dport 1 -j ACCEPT
-A INNER -p tcp --dport 2:3 -j RETURN
COMMIT
",
    );
    let mut both = both(&ruleset);
    let decisions = [1, 2, 3, 4].map(|destination| {
        let upper = Upper::Tcp { source: 9, destination, flags: 0, options: 0 };
        both.ask(&Packet { upper, ..packet(BuiltIn::Input) }, 0, 0).unwrap().decision
    });
    assert_eq!(decisions, [Decision::Accept, Decision::Drop, Decision::Accept, Decision::Reject]);
}

/// How many of 1,000 packets at these moments a rule counts.
fn let_through(rule: &str, moments: impl Iterator<Item = u64>) -> u64 {
    let ruleset = parsed(Family::Ipv4, &format!("*filter\n-A INPUT {rule}\nCOMMIT\n"));
    let mut both = both(&ruleset);
    for (now, entropy) in moments.zip(1..) {
        both.ask(&packet(BuiltIn::Input), now, entropy).unwrap();
    }
    both.memory.counter(0).unwrap().packets
}

#[test]
fn buckets_are_xt_limits() {
    let at_once = || std::iter::repeat_n(JIFFY, 1_000);
    let each_tick = || (0..1_000).map(|tick| (1_000_000 + tick) * JIFFY);
    assert_eq!(let_through("-m limit", at_once()), 5);
    assert_eq!(let_through("-m limit --limit 1/hour --limit-burst 7", at_once()), 7);
    assert_eq!(let_through("-m limit --limit 1/sec --limit-burst 1", each_tick()), 4);
    assert_eq!(let_through("-m limit --limit 10/sec --limit-burst 5", each_tick()), 5 + 39);
    // A token costs 3 credits of the 51 that sixteen times 3.2 are.
    assert_eq!(let_through("-m limit --limit 10000/sec --limit-burst 16", at_once()), 17);
    // 514 seconds, and not 514.29.
    let ticks = |seconds: u64| [JIFFY, (250 * seconds + 1) * JIFFY].into_iter();
    assert_eq!(let_through("-m limit --limit 7/hour --limit-burst 1", ticks(514)), 2);
    assert_eq!(let_through("-m limit --limit 7/hour --limit-burst 1", ticks(513)), 1);
}

#[test]
fn turns_and_chances() {
    let times = |count| std::iter::repeat_n(JIFFY, count);
    assert_eq!(let_through("-m statistic --mode nth --every 3 --packet 0", times(10)), 4);
    assert_eq!(let_through("-m statistic --mode nth --every 3 --packet 2", times(10)), 3);
    assert_eq!(let_through("-m statistic --mode nth ! --every 3 --packet 0", times(10)), 6);
    assert_eq!(let_through("-m statistic --mode random --probability 1", times(100)), 100);
    assert_eq!(let_through("-m statistic --mode random ! --probability 0", times(100)), 100);
    let half = let_through("-m statistic --mode random --probability 0.5", times(1_000));
    assert!((400..600).contains(&half), "{half}");
}

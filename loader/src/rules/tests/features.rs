//! What rules need.

use crate::rules::{
    family::Family,
    feature::{Feature, Features, features},
    matches,
    parse::rules,
    ruleset::Ruleset,
    table::TableName,
    targets,
};

fn needed(family: Family, table: TableName, rule: &str) -> Features {
    let words: Vec<&str> = rule.split(' ').collect();
    let made =
        rules(&Ruleset::new(family), table, &words).unwrap_or_else(|errors| panic!("{rule}: {errors}"));
    made.iter().map(|rule| features(table, rule)).fold(Features::NONE, Features::or)
}

#[test]
fn rules_need_what_they_are_made_of() {
    use TableName::{Filter, Mangle, Nat};
    for (table, rule, own, closed) in [
        (Filter, "-j ACCEPT", "filter", "filter"),
        (Filter, "-s 10.0.0.0/8 -i lo -p tcp --dport 22 -j RETURN", "filter", "filter"),
        (Filter, "-p icmp --icmp-type 8", "filter", "filter"),
        (Filter, "-m conntrack --ctstate NEW", "filter,conntrack", "filter,conntrack"),
        (Filter, "-m state --state NEW", "filter,state", "filter,conntrack,state"),
        (Filter, "-m limit --limit 1/s -j LOG", "filter,limit,log", "filter,limit,log"),
        (
            Filter,
            "-p tcp -m multiport --dports 1,2 -j REJECT",
            "filter,multiport,reject",
            "filter,multiport,reject",
        ),
        (Filter, "-m connlimit --connlimit-above 1", "filter,connlimit", "filter,conntrack,connlimit"),
        (Filter, "-m connmark --mark 1 -j NFLOG", "filter,connmark,nflog", "filter,conntrack,connmark,nflog"),
        (Filter, "-m mark --mark 1 -m comment --comment x", "filter,mark,comment", "filter,mark,comment"),
        (Mangle, "-j MARK --set-mark 1", "mangle,mark", "filter,mangle,mark"),
        (Mangle, "-j CONNMARK --save-mark", "mangle,connmark", "filter,mangle,conntrack,connmark"),
        (Nat, "-p tcp", "nat", "filter,nat,conntrack"),
        (Nat, "-j MASQUERADE", "nat", "filter,nat,conntrack"),
    ] {
        let needed = needed(Family::Ipv4, table, rule);
        assert_eq!(
            (needed.to_string().as_str(), needed.closure().to_string().as_str()),
            (own, closed),
            "{rule}"
        );
    }
    assert_eq!(needed(Family::Ipv6, Filter, "-m frag -m hl --hl-eq 1").to_string(), "filter,hl,frag");
}

#[test]
fn each_feature_has_its_name_and_needs_filter() {
    assert_eq!(Features::all().iter().count(), Feature::ALL.len());
    for feature in Feature::ALL {
        assert_eq!(feature.name().parse::<Feature>().as_ref(), Ok(&feature));
        assert!(Features::from_iter([feature]).closure().contains(Feature::Filter), "{feature}");
    }
    let modules = matches::MODULES.iter().map(|module| module.name);
    for name in modules.chain(["REJECT", "LOG", "NFLOG", "MARK", "CONNMARK", "REDIRECT", "MASQUERADE"]) {
        let known = name.parse::<Feature>().is_ok() || ["tcp", "udp", "icmp", "icmp6"].contains(&name);
        assert!(known, "{name}");
    }
    assert_eq!(targets::MODULES.len(), 9);
}

#[test]
fn names_of_kernel_modules_are_understood() {
    for (text, expected) in [
        ("iptable_filter", Some(Feature::Filter)),
        ("ip_tables", Some(Feature::Filter)),
        ("ip6_tables", None),
        ("iptable_nat", Some(Feature::Nat)),
        ("ipt_REJECT", Some(Feature::Reject)),
        ("ip6t_REJECT", Some(Feature::Reject)),
        ("xt_mac", Some(Feature::Mac)),
        ("ip_conntrack", Some(Feature::Conntrack)),
        ("nf_conntrack", Some(Feature::Conntrack)),
        ("REDIRECT", Some(Feature::Nat)),
        ("TOS", Some(Feature::Tos)),
        ("owner", None),
    ] {
        assert_eq!(text.parse::<Feature>().ok(), expected, "{text}");
    }
    let error = "contrack".parse::<Feature>().unwrap_err();
    assert_eq!(error.to_string(), "\"contrack\" is no feature; did you mean conntrack?");
}

#[test]
fn an_allowance_keeps_what_has_all_it_needs() {
    let allowed: Features =
        [Feature::Filter, Feature::Nat, Feature::State, Feature::Limit].into_iter().collect();
    assert_eq!(allowed.supported().to_string(), "filter,limit");
    let wider = allowed.or(Features::from_iter([Feature::Conntrack]));
    assert_eq!(wider.supported(), wider);
    assert_eq!(Features::from_iter([Feature::Limit]).supported(), Features::NONE);
    assert_eq!(wider.without(allowed).to_string(), "conntrack");
}

//! What is refused, and what is said of it.

use super::setup::{lowered, parsed};
use crate::{
    compile::input::Family,
    lower::{Names, Reason, Source, lower},
};

/// Asserts what is said of the last line but one of a text.
fn refused(family: Family, table: &str, rule: &str, expected: &str) {
    let text = format!("# saved\n*{table}\n-A {rule}\nCOMMIT\n");
    let error = lowered(&parsed(family, &text)).unwrap_err();
    assert_eq!(error.line, 3);
    let text = error.to_string();
    assert!(text.starts_with("line 3, rule 1 of chain ") && text.contains(expected), "{text}");
}

#[test]
fn each_says_what_to_do_instead() {
    refused(
        Family::Ipv6,
        "nat",
        "OUTPUT -p tcp -j REDIRECT --to-ports 80",
        "let its programs use the port itself, or redirect in PREROUTING",
    );
    for (family, to) in [
        (Family::Ipv4, "127.0.0.1"),
        (Family::Ipv4, "127.3.0.0-127.3.0.9"),
        (Family::Ipv4, "126.0.0.1-128.0.0.1"),
        (Family::Ipv6, "::1"),
        (Family::Ipv6, "::-::2"),
    ] {
        let rule = format!("OUTPUT -j DNAT --to-destination {to}");
        refused(family, "nat", &rule, &format!("what goes to {to} never leaves the container"));
    }
    refused(Family::Ipv4, "mangle", "INPUT -j CONNMARK --save-mark", "match and set the packet's");
    refused(Family::Ipv4, "filter", "INPUT -m connmark --mark 1 -j DROP", "flows have no marks");
    refused(
        Family::Ipv4,
        "filter",
        "INPUT -m addrtype --dst-type LOCAL --limit-iface-in -j DROP",
        "leave --limit-iface-in and --limit-iface-out out",
    );
    refused(
        Family::Ipv4,
        "filter",
        "INPUT -m recent --set --mask 255.0.255.0",
        "255.0.255.0 of -m recent has holes",
    );
}

#[test]
fn masks_may_not_have_many_holes() {
    let ranges = |mask: &str| {
        lowered(&parsed(Family::Ipv4, &format!("*filter\n-A INPUT -s 10.0.0.0/{mask}\nCOMMIT\n"))).map(|_| ())
    };
    assert_eq!(ranges("255.0.255.0"), Ok(()));
    let reason = ranges("254.0.255.0").unwrap_err().reason;
    assert_eq!(reason, Reason::Holes { mask: "254.0.255.0".to_owned(), needed: 512, limit: 256 });
    let text = "the mask 254.0.255.0 stands for 512 ranges of addresses, and at most 256 are possible";
    assert!(reason.to_string().starts_with(text), "{reason}");
    refused(
        Family::Ipv6,
        "filter",
        "INPUT -d ::1/::1",
        "stands for 170141183460469231731687303715884105728 ranges",
    );
}

#[test]
fn more_hits_than_are_remembered() {
    assert!(
        lowered(&parsed(Family::Ipv4, "*filter\n-A INPUT -m recent --rcheck --hitcount 20\nCOMMIT\n"))
            .is_ok()
    );
    let text = "*filter\n-A INPUT -m recent --rcheck --hitcount 21\nCOMMIT\n";
    let error = lowered(&parsed(Family::Ipv4, text)).unwrap_err().to_string();
    assert!(
        error.starts_with("line 2, ") && error.contains("21 hits of -m recent are asked for, and 20"),
        "{error}"
    );
}

#[test]
fn it_is_what_leads_to_a_chain_that_counts() {
    let text = |hook: &str| {
        format!("*nat\n:A -\n:B -\n-A B -p tcp -j REDIRECT\n-A A -g B\n-A {hook} -j A\nCOMMIT\n")
    };
    assert!(lowered(&parsed(Family::Ipv4, &text("PREROUTING"))).is_ok());
    let error = lowered(&parsed(Family::Ipv4, &text("OUTPUT"))).unwrap_err();
    assert_eq!(error.reason, Reason::RedirectOutput);
    assert_eq!(error.to_string().split(':').next(), Some("line 4, rule 1 of chain B of table nat for IPv4"));
}

#[test]
fn what_is_asked_before_nat_is_not_asked_after_it() {
    let text = |mangle: &str, nat: &str| {
        format!(
            "*mangle\n-A {mangle} -p tcp -j MARK --set-mark 1\nCOMMIT\n*nat\n-A {nat} -p tcp -j ACCEPT\nCOMMIT\n"
        )
    };
    for chain in ["PREROUTING", "OUTPUT"] {
        let error = lowered(&parsed(Family::Ipv4, &text(chain, chain))).unwrap_err();
        assert_eq!((error.line, error.reason), (2, Reason::MangleBeforeNat));
    }
    for (mangle, nat) in [("PREROUTING", "OUTPUT"), ("INPUT", "PREROUTING"), ("POSTROUTING", "POSTROUTING")] {
        assert!(lowered(&parsed(Family::Ipv4, &text(mangle, nat))).is_ok(), "{mangle} {nat}");
    }
}

#[test]
fn flows_are_not_counted_as_they_are_translated() {
    let text = "*nat\n-A PREROUTING -p tcp -m connlimit --connlimit-above 3 -j ACCEPT\nCOMMIT\n";
    assert_eq!(lowered(&parsed(Family::Ipv4, text)).unwrap_err().reason, Reason::ConnlimitOfNat);
}

#[test]
fn a_rule_of_no_file_is_named_by_its_place() {
    let mut ruleset = parsed(Family::Ipv6, "*filter\n-A INPUT\n-A INPUT -m connmark --mark 1\nCOMMIT\n");
    for rule in
        ruleset.tables.values_mut().flat_map(|table| &mut table.chains).flat_map(|chain| &mut chain.rules)
    {
        rule.line = 0;
    }
    let error = lower(&Source { ipv4: None, ipv6: Some(&ruleset) }, &Names::default()).unwrap_err();
    assert!(
        error.to_string().starts_with("rule 2 of chain INPUT of table filter for IPv6: flows have no marks")
    );
}

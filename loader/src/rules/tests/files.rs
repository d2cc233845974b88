//! Texts as a whole: tables, chains, commands, limits.

use std::fmt::Write;

use crate::rules::{
    error::MAX_ERRORS,
    family::Family,
    parse::{MAX_CHAINS, MAX_LINE, MAX_RULES, MAX_TEXT, parse},
    problem::Problem,
    save::to_save,
    table::TableName,
};

const BASE: &str = ":INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";

/// What a table filter of these lines is written as, without the usual policies; or the errors.
fn filter(lines: &str) -> String {
    text(&format!("*filter\n{lines}COMMIT\n"))
}

fn text(text: &str) -> String {
    match parse(Family::Ipv4, text) {
        Ok(ruleset) => to_save(&ruleset, true).replace(BASE, ""),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn commands_do_what_iptables_restore_does() {
    for (lines, expected) in [
        (
            ":INPUT DROP\n:FOO -\n:OUTPUT - [0:0]\n-A FOO -j ACCEPT\n",
            ":INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:FOO - [0:0]\n-A FOO -j ACCEPT\n",
        ),
        (
            "-N A\n-N B\n-A A -j ACCEPT\n-I A -s 1.1.1.1\n-I A 2 -s 2.2.2.2\n-R A 1 -s 3.3.3.3\n-D A 3\n-A B -j DROP\n\
             -D B -j DROP\n-X B\n",
            ":A - [0:0]\n-A A -s 3.3.3.3/32\n-A A -s 2.2.2.2/32\n",
        ),
        ("-A INPUT -j DROP\n-F INPUT\n-A INPUT -j ACCEPT\n", "-A INPUT -j ACCEPT\n"),
        ("-A INPUT -j DROP\n-A OUTPUT -j DROP\n-F\n", ""),
        (":A - [0:0]\n:B - [0:0]\n-X\n", ""),
        ("[1:2] -A INPUT -j DROP\n-Z\n", "[0:0] -A INPUT -j DROP\n"),
        ("[1:2] -A INPUT\n[3:4] -A INPUT\n-Z INPUT 1\n", "[0:0] -A INPUT\n[3:4] -A INPUT\n"),
        ("-I INPUT -s 1.1.1.1,2.2.2.2\n", "-A INPUT -s 2.2.2.2/32\n-A INPUT -s 1.1.1.1/32\n"),
        ("-A INPUT -s 1.1.1.1,2.2.2.2\n-D INPUT -s 2.2.2.2,1.1.1.1\n", ""),
        ("[1:2]-A INPUT\n-A INPUT -c 7 8\n", "[1:2] -A INPUT\n[7:8] -A INPUT\n"),
        ("-4 -A INPUT -j DROP\n-6 -A INPUT -s ::1 -j DROP\n", "-A INPUT -j DROP\n"),
        ("-j DROP -A INPUT\n", "-A INPUT -j DROP\n"),
        ("-P INPUT DROP\n-P INPUT ACCEPT\n", ""),
        ("  -A INPUT -j DROP\n \n# c\n   # d\n\n", "-A INPUT -j DROP\n"),
        (
            ":zz - [0:0]\n:b - [0:0]\n:Aa - [0:0]\n-A zz -j ACCEPT\n[5:6] -A INPUT -j b\n",
            ":Aa - [0:0]\n:b - [0:0]\n:zz - [0:0]\n[5:6] -A INPUT -j b\n-A zz -j ACCEPT\n",
        ),
    ] {
        assert_eq!(filter(lines), format!("*filter\n{expected}COMMIT\n"), "{lines}");
    }
}

#[test]
fn lines_may_end_as_on_dos() {
    let dos = "*filter\r\n:INPUT DROP [0:0]\r\n-A INPUT -j ACCEPT\r\nCOMMIT\r\n";
    assert_eq!(text(dos), text(&dos.replace('\r', "")));
}

#[test]
fn commands_that_cannot_be_carried_out_are_refused() {
    for (lines, expected) in [
        (
            "-A INPUT -j FOO\n:FOO - [0:0]\n",
            "2:13: \"FOO\" is neither a target nor a chain of table filter so far; chains are declared before they are used",
        ),
        (":INPUT REJECT [0:0]\n", "2:8: \"REJECT\" is no policy; a base chain has ACCEPT or DROP"),
        (
            ":INPUT DORP [0:0]\n",
            "2:8: \"DORP\" is no policy; a base chain has ACCEPT or DROP; did you mean DROP?",
        ),
        (
            ":FOO ACCEPT [0:0]\n",
            "2:2: \"FOO\" has no policy; only INPUT, FORWARD, OUTPUT have, in table filter",
        ),
        (
            ":INPTU ACCEPT\n",
            "2:2: \"INPTU\" has no policy; only INPUT, FORWARD, OUTPUT have, in table filter; did you mean INPUT?",
        ),
        (":FOO\n", "2:2: \"FOO\" needs a policy (ACCEPT, DROP) or, for a chain of your own, '-'"),
        (":INPUT DROP [0:x]\n", "2:13: \"[0:x]\" is no pair of counters; write [packets:bytes]"),
        (":INPUT DROP [0:0] x\n", "2:19: \"x\" is more than the line may hold"),
        (":LOG - [0:0]\n", "2:2: \"LOG\" is no chain name; it is a target"),
        (":ACCEPT - [0:0]\n", "2:2: \"ACCEPT\" is no chain name; it is a target"),
        (":-a -\n", "2:2: \"-a\" is no chain name; it may not begin with '-' or '!'"),
        (
            ":12345678901234567890123456789 -\n",
            "2:2: \"12345678901234567890123456789\" is no chain name; it has 1 to 28 bytes",
        ),
        (":A -\n:A -\n", "3:2: \"A\" is a chain of the table already"),
        (":A -\n:B -\n-A A -j B\n-A B -j A\n", "5:9: \"A\" makes jumps go round in a circle: A → B → A"),
        (":A -\n-A A -g A\n", "3:9: \"A\" makes jumps go round in a circle: A → A"),
        ("-D INPUT -j ACCEPT\n", "2:4: \"INPUT\" names a rule that the chain has not"),
        ("-D INPUT 1\n", "2:10: \"1\" is no rule of the chain, which has 0"),
        ("-I INPUT 0 -j DROP\n", "2:10: \"0\" is no rule of the chain, which has 0"),
        ("-I INPUT 2 -j DROP\n", "2:10: \"2\" is no rule of the chain, which has 0"),
        (
            "-A INPUT\n-R INPUT 1 -s 1.1.1.1,2.2.2.2\n",
            "3:10: \"1\" replaces one rule by several; give one source and one destination",
        ),
        (":A -\n-A INPUT -j A\n-X A\n", "4:4: \"A\" cannot be deleted: it has rules, or rules jump to it"),
        (":A -\n-A A\n-X\n", "4:1: \"A\" cannot be deleted: it has rules, or rules jump to it"),
        ("-X INPUT\n", "2:4: \"INPUT\" is a base chain, which can be neither deleted nor jumped to"),
        ("-N INPUT\n", "2:4: \"INPUT\" is a chain of the table already"),
        (":A -\n-P A DROP\n", "3:4: \"A\" has no policy; only INPUT, FORWARD, OUTPUT have, in table filter"),
        (
            "-F NOPE\n",
            "2:4: \"NOPE\" is no chain of table filter so far; chains are declared before they are used",
        ),
        ("-F INPUT -j DROP\n", "2:1: \"-F\" makes no rule, so that nothing else may stand beside it"),
        ("-E A B\n", "2:1: \"-E\" is no command for a ruleset; use -A, -I, -D, -R, -N, -X, -P, -F or -Z"),
        ("-L\n", "2:1: \"-L\" is no command for a ruleset; use -A, -I, -D, -R, -N, -X, -P, -F or -Z"),
        ("-j ACCEPT\n", "2:1: \"-j\" says nothing to do; begin with a command such as -A CHAIN"),
        ("[1:x] -A INPUT\n", "2:1: \"[1:x]\" is no pair of counters; write [packets:bytes]"),
        ("-A INPUT -c 1 x\n", "2:15: \"x\" is no counter (0 to 18446744073709551615)"),
        (
            "*nat\n",
            "2:2: \"nat\" begins a table before COMMIT has ended the one before it\n3:1: \"COMMIT\" x",
        ),
    ] {
        let found = filter(lines);
        let expected = expected.split('\n').next().unwrap();
        assert_eq!(found, expected, "{lines}");
    }
}

#[test]
fn targets_are_checked_where_packets_come_to_them() {
    for (table, lines, expected) in [
        (
            "nat",
            ":U -\n:V -\n-A U -j V\n-A V -j MASQUERADE\n-A PREROUTING -j U\n",
            "5:9: \"MASQUERADE\" cannot be used where packets come from PREROUTING; it is for POSTROUTING",
        ),
        (
            "filter",
            ":U -\n-A U -m mac --mac-source 00:11:22:33:44:55\n-A INPUT -j U\n-A OUTPUT -g U\n",
            "3:9: \"mac\" cannot be used where packets come from OUTPUT; it is for INPUT, FORWARD",
        ),
        ("mangle", "-A PREROUTING -j REJECT\n", "2:18: \"REJECT\" is not for table mangle, but for filter"),
        (
            "filter",
            "-A INPUT -j DNAT --to-destination 1.2.3.4\n",
            "2:13: \"DNAT\" is not for table filter, but for nat",
        ),
        (
            "nat",
            ":PREROUTING DROP [0:0]\n",
            "2:13: \"DROP\" does not belong into table nat, which is not for filtering; drop in table filter",
        ),
    ] {
        assert_eq!(text(&format!("*{table}\n{lines}COMMIT\n")), expected, "{lines}");
    }
    // Nothing comes to U: nothing is wrong.
    assert!(
        text("*nat\n:U -\n-A U -j MASQUERADE\n-A U -j DNAT --to-destination 1.1.1.1\nCOMMIT\n")
            .starts_with("*nat")
    );
}

#[test]
fn tables_are_whole_and_come_once() {
    for (lines, expected) in [
        ("", ""),
        ("# nothing\n\n", ""),
        (
            "-A INPUT -j DROP\n",
            "1:1: \"-A\" stands in no table; put it between a line such as *filter and COMMIT",
        ),
        (
            ":INPUT DROP\n",
            "1:2: \"INPUT\" stands in no table; put it between a line such as *filter and COMMIT",
        ),
        ("COMMIT\n", "1:1: \"COMMIT\" stands in no table; put it between a line such as *filter and COMMIT"),
        (
            "*filter\n-A INPUT -j DROP\n",
            "1:1: \"*filter\" has no COMMIT; nothing of the table would take effect",
        ),
        (
            "*filter\nCOMMIT\n*filter\nCOMMIT\n",
            "3:2: \"filter\" is given twice; iptables-restore would forget the first",
        ),
        ("*filter\nCOMMIT x\n", "2:8: \"x\" is more than the line may hold"),
        (
            "*filter x\nCOMMIT\n",
            "1:9: \"x\" is more than the line may hold\n2:1: \"COMMIT\" stands in no table; put it between a line such as *filter and COMMIT",
        ),
        (
            "*fliter\n-A INPUT --nonsense\nCOMMIT\n",
            "1:2: \"fliter\" is no table; the tables are filter, nat and mangle; did you mean filter?",
        ),
        ("*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n", ""),
        (
            "*raw\n:PREROUTING DROP [0:0]\nCOMMIT\n",
            "2:2: \"PREROUTING\" is in table raw, which is not supported; flows are tracked as the container's mode says",
        ),
        (
            "*security\n-A INPUT -j X\n-A INPUT -j Y\nCOMMIT\n",
            "2:1: \"-A\" is in table security, which is not supported; use table filter",
        ),
    ] {
        assert_eq!(text(lines), expected, "{lines:?}");
    }
}

#[test]
fn texts_and_lines_are_bounded() {
    let errors = parse(Family::Ipv4, vec![b'#'; MAX_TEXT + 1]).unwrap_err();
    assert_eq!(errors.errors[0].problem, Problem::TooLarge { max: MAX_TEXT });
    assert!(parse(Family::Ipv4, vec![b'\n'; MAX_TEXT]).is_ok());

    let long = |length: usize| format!("*filter\n-A INPUT{}\nCOMMIT\n", " ".repeat(length - 8));
    assert!(parse(Family::Ipv4, long(MAX_LINE)).is_ok());
    let errors = parse(Family::Ipv4, long(MAX_LINE + 1)).unwrap_err();
    assert_eq!(
        (errors.errors[0].line, &errors.errors[0].problem),
        (2, &Problem::LineTooLong { max: MAX_LINE })
    );
}

#[test]
fn rules_are_bounded_after_lists_are_spread_out() {
    let sixteen: Vec<String> = (0..16).map(|host| format!("10.0.0.{host}")).collect();
    let line = format!("-A INPUT -s {0} -d {0}\n", sixteen.join(","));
    let full = line.repeat(MAX_RULES / 256);
    let last = u32::try_from(MAX_RULES / 256).unwrap() + 1;
    let ruleset = parse(Family::Ipv4, format!("*filter\n{full}COMMIT\n")).unwrap();
    assert_eq!(
        (ruleset.entries(), ruleset.table(TableName::Filter).unwrap().entries()),
        (MAX_RULES, MAX_RULES)
    );
    let errors = parse(Family::Ipv4, format!("*filter\n{full}-A INPUT\n-A INPUT\nCOMMIT\n")).unwrap_err();
    assert_eq!((errors.errors.len(), errors.errors[0].line), (1, last + 1));
    assert_eq!(errors.errors[0].problem, Problem::TooManyRules { max: MAX_RULES });
    let errors = parse(Family::Ipv4, format!("*filter\n{full}COMMIT\n*nat\n-A INPUT\nCOMMIT\n")).unwrap_err();
    assert_eq!(errors.errors[0].line, last + 3);
}

/// Sixteen megabytes of text must not take minutes.
#[test]
fn work_is_bounded() {
    let two = "1,".repeat(2_000) + "1";
    let error = "2:10: \"-s\" is one rule too many; a ruleset may have 65536";
    assert_eq!(filter(&format!("-A INPUT -s {two} -d {two}\n")), error);
    for (lines, text) in [
        ("-I INPUT\n".repeat(10_000), "INPUT"),
        (
            "-A INPUT\n".repeat(10_000)
                + &"-A INPUT -j DROP\n".repeat(5_000)
                + &"-D INPUT -j DROP\n".repeat(5_000),
            "INPUT",
        ),
        ("-A INPUT\n".repeat(20_000) + &"-Z\n".repeat(2_000), "-Z"),
        ("-A INPUT\n".repeat(20_000) + &"-N a\n-X a\n".repeat(2_000), "a"),
    ] {
        let errors = parse(Family::Ipv4, format!("*filter\n{lines}COMMIT\n")).unwrap_err();
        assert_eq!(errors.errors[0].problem, Problem::TooMuchWork, "{errors}");
        assert_eq!(errors.errors[0].text, text);
    }
    let mut chains = String::new();
    for chain in 0..=MAX_CHAINS {
        writeln!(chains, ":c{chain} -").unwrap();
    }
    let error = filter(&chains);
    assert!(
        error.starts_with("65535:2: \"c65533\" is one chain too many; a table may have 65536"),
        "{error:.200}"
    );
}

#[test]
fn many_errors_are_told_in_order_and_the_rest_counted() {
    let text = format!("*filter\n:U -\n{}COMMIT\n", "-A INPUT --nonsense 1 -j NOPE\n".repeat(2_000));
    let errors = parse(Family::Ipv4, text).unwrap_err();
    assert_eq!((errors.errors.len(), errors.more), (MAX_ERRORS, 1_024 - MAX_ERRORS));
    let places: Vec<_> = errors.errors.iter().map(|error| (error.line, error.column)).collect();
    assert!(places.is_sorted() && places[0] == (3, 10) && places[1] == (3, 26), "{places:?}");
    assert!(errors.to_string().ends_with("\nand 1004 more"));
}

#[test]
fn what_is_no_text_is_refused_where_it_stands() {
    let errors = parse(Family::Ipv4, b"*filter\n-A INPUT -m comment --comment \xe9\nCOMMIT\n").unwrap_err();
    let error = &errors.errors[0];
    assert_eq!((error.line, error.column, &error.problem), (2, 31, &Problem::NotUtf8));
    assert_eq!(filter("-A INPUT\0\n").split('"').next(), Some("2:9: "));
}

#[test]
fn deep_chains_are_no_burden() {
    let count = 20_000;
    let mut lines = String::new();
    for chain in 0..count {
        writeln!(lines, ":c{chain} -").unwrap();
    }
    for chain in 1..count {
        writeln!(lines, "-A c{} -j c{chain}", chain - 1).unwrap();
    }
    assert!(filter(&lines).starts_with("*filter"));
    let circle = filter(&format!("{lines}-A c{} -j c0\n", count - 1));
    assert_eq!(
        circle,
        "40001:14: \"c0\" makes jumps go round in a circle: c0 → c1 → c2 → c3 → c4 → c5 → c6 → c7 → … → c0"
    );
}

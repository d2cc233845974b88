//! Changes of a ruleset by single commands.

use crate::rules::{
    family::Family,
    parse::{apply, parse, rules},
    ruleset::Ruleset,
    save::{to_rule, to_save},
    table::TableName,
};

fn ruleset() -> Ruleset {
    parse(
        Family::Ipv4,
        "*filter\n:web - [0:0]\n[7:420] -A INPUT -p tcp -m tcp --dport 80 -j web\n-A INPUT -j DROP\n-A web -j ACCEPT\nCOMMIT\n",
    )
    .unwrap()
}

fn applied(table: TableName, command: &str) -> String {
    let mut ruleset = ruleset();
    let before = ruleset.clone();
    match apply(&mut ruleset, table, &command.split(' ').collect::<Vec<_>>()) {
        Ok(()) => {
            to_save(&ruleset, true).lines().filter(|line| line.contains("-A")).collect::<Vec<_>>().join("\n")
        }
        Err(errors) => {
            assert_eq!(ruleset, before);
            errors.to_string()
        }
    }
}

#[test]
fn commands_change_what_they_name() {
    const WEB: &str = "[7:420] -A INPUT -p tcp -m tcp --dport 80 -j web";
    const DROP: &str = "-A INPUT -j DROP";
    const ACCEPT: &str = "-A web -j ACCEPT";
    for (command, expected) in [
        ("-A INPUT -p tcp --dport 22 -j ACCEPT", [WEB, DROP, "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT", ACCEPT].join("\n")),
        ("-I INPUT 2 -j web", [WEB, "-A INPUT -j web", DROP, ACCEPT].join("\n")),
        ("-I INPUT -s 10.0.0.1,10.0.0.2", ["-A INPUT -s 10.0.0.2/32", "-A INPUT -s 10.0.0.1/32", WEB, DROP, ACCEPT].join("\n")),
        ("-D INPUT 2", [WEB, ACCEPT].join("\n")),
        ("-D INPUT -p tcp --dport http -j web", [DROP, ACCEPT].join("\n")),
        ("-R INPUT 2 -j ACCEPT", [WEB, "-A INPUT -j ACCEPT", ACCEPT].join("\n")),
        ("-F web", [WEB, DROP].join("\n")),
        ("-N other", [WEB, DROP, ACCEPT].join("\n")),
        ("-X web", "1:4: \"web\" cannot be deleted: it has rules, or rules jump to it".to_owned()),
        ("-A web -j web", "1:11: \"web\" makes jumps go round in a circle: web → web".to_owned()),
        ("-A INPUT -j wbe", "1:13: \"wbe\" is neither a target nor a chain of table filter so far; chains are declared before they are used; did you mean web?".to_owned()),
        ("-A INPUT -p tcp --dprot 22 -j ACCEPT", "1:17: \"--dprot\" is no option that may stand here; did you mean --dport?".to_owned()),
        ("-A INPUT -j web -o eth0", "1:17: \"-o\" cannot be used in INPUT, where no packet has such an interface".to_owned()),
    ] {
        assert_eq!(applied(TableName::Filter, command), expected, "{command}");
    }
}

#[test]
fn a_table_comes_about_with_its_first_command() {
    let nat = applied(TableName::Nat, "-A POSTROUTING -j MASQUERADE");
    assert!(nat.ends_with("\n-A POSTROUTING -j MASQUERADE"), "{nat}");
}

/// A chain that a jump makes reachable has rules that were fine before.
#[test]
fn rules_that_were_there_are_checked_too() {
    let mut ruleset = parse(Family::Ipv4, "*nat\n:U -\n-A U -j MASQUERADE\nCOMMIT\n").unwrap();
    let errors = apply(&mut ruleset, TableName::Nat, &["-A", "PREROUTING", "-j", "U"]).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "3:1: \"MASQUERADE\" cannot be used where packets come from PREROUTING; it is for POSTROUTING"
    );
}

#[test]
fn rules_can_be_made_without_a_command() {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let made = rules(&ruleset(), TableName::Filter, &words("-s 10.0.0.1,10.0.0.2 -j web")).unwrap();
    assert_eq!(
        made.iter().map(to_rule).collect::<Vec<_>>(),
        [" -s 10.0.0.1/32 -j web", " -s 10.0.0.2/32 -j web"]
    );
    let errors = rules(&ruleset(), TableName::Filter, &words("-A INPUT -j web")).unwrap_err();
    assert_eq!(errors.to_string(), "1:1: \"-A\" is a second command; one line has one");
}

#[test]
fn a_remark_may_be_any_word() {
    let mut ruleset = ruleset();
    let command =
        ["-A", "INPUT", "-m", "comment", "--comment", "it's \"so\"", "-m", "comment", "--comment", "!"];
    apply(&mut ruleset, TableName::Filter, &command).unwrap();
    assert!(
        to_save(&ruleset, false).contains(r#"-m comment --comment "it\'s \"so\"" -m comment --comment "!""#)
    );
}

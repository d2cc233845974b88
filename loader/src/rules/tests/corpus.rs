//! Files as tools write them, each after its documented form.

use crate::rules::{
    family::Family,
    feature::{Features, features},
    parse::parse,
    save::to_save,
    table::{Table, TableName},
};

/// How many rules a file has in filter, nat and mangle, and what they need; or what is wrong with it.
type Outcome = Result<([usize; 3], &'static str), &'static [&'static str]>;

macro_rules! file {
    ($name:literal) => {
        include_str!(concat!("../corpus/", $name, ".rules"))
    };
}

const OWNER: &str =
    "a container's rules see only its own packets; make containers of what is to be told apart";

#[test]
fn files_of_tools_are_read_or_refused_with_the_reason() {
    let owner = [
        format!("68:58: \"owner\" is not supported; {OWNER}"),
        format!("69:58: \"owner\" is not supported; {OWNER}"),
    ];
    let files: &[(&str, Family, &str, Outcome)] = &[
        (
            "debian.v4",
            Family::Ipv4,
            file!("debian.v4"),
            Ok(([11, 0, 0], "filter,conntrack,state,limit,reject,log")),
        ),
        (
            "debian.v6",
            Family::Ipv6,
            file!("debian.v6"),
            Ok(([12, 0, 0], "filter,conntrack,hl,frag,comment,limit,reject")),
        ),
        (
            "csf-without-owner.v4",
            Family::Ipv4,
            file!("csf-without-owner.v4"),
            Ok(([53, 1, 0], "filter,nat,conntrack,connlimit,multiport,limit,recent,reject,log")),
        ),
        (
            "apf.v4",
            Family::Ipv4,
            file!("apf.v4"),
            Err(&[
                "8:56: \"TOS\" is not supported; no target changes packets, but for their addresses and ports in table \
                 nat",
                "9:51: \"TOS\" is not supported; no target changes packets, but for their addresses and ports in table \
                 nat",
            ]),
        ),
        (
            "ufw.v4",
            Family::Ipv4,
            file!("ufw.v4"),
            Ok(([37, 0, 0], "filter,conntrack,multiport,addrtype,comment,limit,recent,reject,log")),
        ),
        ("fail2ban.v4", Family::Ipv4, file!("fail2ban.v4"), Ok(([11, 0, 0], "filter,multiport,set,reject"))),
        ("docker.v4", Family::Ipv4, file!("docker.v4"), Ok(([12, 7, 0], "filter,nat,conntrack,addrtype"))),
        (
            "libvirt.v4",
            Family::Ipv4,
            file!("libvirt.v4"),
            Err(&[
                "10:54: \"CHECKSUM\" is not supported; no target changes packets, but for their addresses and ports \
                   in table nat",
            ]),
        ),
        (
            "firewalld.v6",
            Family::Ipv6,
            file!("firewalld.v6"),
            Err(&[
                "5:1: \"-A\" is in table raw, which is not supported; flows are tracked as the container's mode says",
            ]),
        ),
        (
            "panel.v4",
            Family::Ipv4,
            file!("panel.v4"),
            Ok(([19, 0, 0], "filter,iprange,length,dscp,ttl,pkttype,comment,statistic,hashlimit,reject,log")),
        ),
        (
            "lxc.v4",
            Family::Ipv4,
            file!("lxc.v4"),
            Ok(([7, 3, 0], "filter,nat,conntrack,multiport,limit,reject,log")),
        ),
    ];
    for (name, family, text, expected) in files {
        assert_eq!(outcome(*family, text), own(expected), "{name}");
    }
    assert_eq!(outcome(Family::Ipv4, file!("csf.v4")), Err(owner.to_vec()));
}

fn own(outcome: &Outcome) -> Result<([usize; 3], String), Vec<String>> {
    match outcome {
        Ok((counts, features)) => Ok((*counts, (*features).to_owned())),
        Err(errors) => Err(errors.iter().map(|&error| error.to_owned()).collect()),
    }
}

fn outcome(family: Family, text: &str) -> Result<([usize; 3], String), Vec<String>> {
    let ruleset = parse(family, text)
        .map_err(|errors| errors.errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let written = to_save(&ruleset, true);
    assert_eq!(parse(family, &written).as_ref(), Ok(&ruleset), "{written}");
    assert_eq!(to_save(&parse(family, &written).unwrap(), true), written);
    let counts = TableName::ALL.map(|name| ruleset.table(name).map_or(0, Table::entries));
    let mut needed = Features::NONE;
    for (&name, table) in &ruleset.tables {
        for rule in table.chains.iter().flat_map(|chain| &chain.rules) {
            needed = needed.or(features(name, rule));
        }
    }
    Ok((counts, needed.closure().to_string()))
}

/// What the libvirt, firewalld and APF files have beside what is refused is read.
#[test]
fn files_without_what_is_refused_are_read() {
    for (family, text, refused) in [
        (Family::Ipv4, file!("apf.v4"), "-j TOS"),
        (Family::Ipv4, file!("libvirt.v4"), "-j CHECKSUM"),
        (Family::Ipv6, file!("firewalld.v6"), "-A PREROUTING -"),
    ] {
        let kept = |line: &&str| !line.contains(refused) || line.contains("-j PREROUTING_ZONES");
        let text: Vec<&str> = text.lines().filter(kept).collect();
        let outcome = outcome(family, &(text.join("\n") + "\n"));
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}

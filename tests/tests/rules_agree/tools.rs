//! Rulesets as tools write them.

use anyhow::{Context as _, Result, bail};
use berth::rules::{family::Family, parse::parse, ruleset::Ruleset, table::TableName};

use crate::rulesets;

macro_rules! file {
    ($name:literal, $family:ident) => {
        ($name, Family::$family, include_str!(concat!("../../../loader/src/rules/corpus/", $name, ".rules")))
    };
}

/// Their names, and what is in them.
pub const FILES: [(&str, Family, &str); 11] = [
    file!("apf.v4", Ipv4),
    file!("csf-without-owner.v4", Ipv4),
    file!("debian.v4", Ipv4),
    file!("debian.v6", Ipv6),
    file!("docker.v4", Ipv4),
    file!("fail2ban.v4", Ipv4),
    file!("firewalld.v6", Ipv6),
    file!("libvirt.v4", Ipv4),
    file!("lxc.v4", Ipv4),
    file!("panel.v4", Ipv4),
    file!("ufw.v4", Ipv4),
];

/// What of a file is enforced: all but what is refused with its line, and translation, which is another matter.
pub fn enforced((name, family, text): (&str, Family, &str)) -> Result<Ruleset> {
    let mut lines: Vec<&str> = text.lines().collect();
    for _ in 0..4 {
        let read = parse(family, lines.join("\n"));
        let errors = match read {
            Ok(mut ruleset) => {
                ruleset.tables.remove(&TableName::Nat);
                rulesets::make_comparable(&mut ruleset);
                let rules = ruleset.tables.values().flat_map(|table| &table.chains);
                let left = rules.map(|chain| chain.rules.len()).sum::<usize>();
                anyhow::ensure!(left > 5, "{left} rules are left of {name}");
                return Ok(ruleset);
            }
            Err(errors) => errors,
        };
        for error in &errors.errors {
            *lines.get_mut(usize::try_from(error.line - 1)?).context("a line that is not there")? = "";
        }
    }
    bail!("{name} is refused without its refused lines, too");
}

//! Rulesets as text.

use std::fmt;

use super::{
    chain::Chain,
    condition::Condition,
    header::Header,
    rule::Rule,
    ruleset::Ruleset,
    table::{Table, TableName},
    targets::Target,
};

/// The ruleset as iptables-save (or ip6tables-save) writes it, without its remarks; with `counters` as with its `-c`.
/// Without them, what policies have counted is written as nothing.
pub fn to_save(ruleset: &Ruleset, counters: bool) -> String {
    Saved { ruleset, counters }.to_string()
}

/// A rule without its chain and its counters: options, each with a space before it.
pub fn to_rule(rule: &Rule) -> String {
    Written(rule).to_string()
}

struct Saved<'a> {
    ruleset: &'a Ruleset,
    counters: bool,
}

impl fmt::Display for Saved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ruleset.tables.iter().try_for_each(|(&name, table)| write_table(name, table, self.counters, f))
    }
}

fn write_table(name: TableName, table: &Table, counters: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "*{name}")?;
    for chain in &table.chains {
        declare(chain, counters, f)?;
    }
    for chain in &table.chains {
        for rule in &chain.rules {
            if let Some(counted) = rule.counters.filter(|_| counters) {
                write!(f, "{counted} ")?;
            }
            writeln!(f, "-A {}{}", chain.name, Written(rule))?;
        }
    }
    writeln!(f, "COMMIT")
}

fn declare(chain: &Chain, counters: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (policy, counted) = match &chain.base {
        Some(base) => (base.policy.name(), Some(base.counters).filter(|_| counters)),
        None => ("-", None),
    };
    writeln!(f, ":{} {policy} {}", chain.name, counted.unwrap_or_default())
}

struct Written<'a>(&'a Rule);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule { line: _, counters: _, header, matches, target } = self.0;
        write_header(header, f)?;
        for one in matches {
            write!(f, " -m {}", one.name())?;
            one.write_options(f)?;
        }
        target.as_ref().map_or(Ok(()), |target| write_target(target, f))
    }
}

fn write_header(header: &Header, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Header { source, destination, input, output, protocol, fragment } = header;
    write_condition("-s", source.as_ref(), f)?;
    write_condition("-d", destination.as_ref(), f)?;
    write_condition("-i", input.as_ref(), f)?;
    write_condition("-o", output.as_ref(), f)?;
    write_condition("-p", protocol.as_ref(), f)?;
    match fragment {
        Some(Condition { negated, value: () }) => f.write_str(if *negated { " ! -f" } else { " -f" }),
        None => Ok(()),
    }
}

fn write_condition<T: fmt::Display>(
    option: &str,
    condition: Option<&Condition<T>>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    match condition {
        Some(Condition { negated, value }) => {
            let not = if *negated { " !" } else { "" };
            write!(f, "{not} {option} {value}")
        }
        None => Ok(()),
    }
}

fn write_target(target: &Target, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match target {
        Target::Jump(chain) => write!(f, " -j {chain}"),
        Target::Goto(chain) => write!(f, " -g {chain}"),
        Target::Accept
        | Target::Drop
        | Target::Return
        | Target::Connmark(_)
        | Target::Dnat(_)
        | Target::Log(_)
        | Target::Mark(_)
        | Target::Masquerade(_)
        | Target::Nflog(_)
        | Target::Redirect(_)
        | Target::Reject(_)
        | Target::Snat(_) => {
            write!(f, " -j {}", target.name())?;
            target.write_options(f)
        }
    }
}

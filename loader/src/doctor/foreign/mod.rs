//! What others have in the way of packets: rules of iptables and nftables, programs on interfaces.

mod iptables;
mod memory;
mod nftables;
mod rule;
mod source;
mod subject;

use nix::net::if_::if_indextoname;

use self::{
    memory::Look,
    rule::{Rule, Table},
    subject::Subject,
};
use crate::{
    api::doctor::{Foreign, ForeignProgram, ForeignRule},
    containers::masters,
    control::{self, Other},
    node::Paths,
    state::State,
};

/// What there is in this network namespace. It is remembered until the next look.
pub fn section(state: &State, interfaces: &[u32], paths: &Paths) -> Foreign {
    let found = source::read();
    let name_of = |index| if_indextoname(index).ok().and_then(|name| name.into_string().ok());
    let subjects = Subject::all(state, name_of, &masters().unwrap_or_default());
    let look = Look::now(found.tables.iter().flat_map(all).collect());
    let last = Look::last(&paths.run_dir);
    let (appeared, gone) = last.as_ref().map(|last| look.changes(last)).unwrap_or_default();
    look.keep(&paths.run_dir);
    Foreign {
        rules: found.tables.iter().flat_map(|table| concerning(table, &subjects)).collect(),
        programs: control::others(interfaces).into_iter().map(program).collect(),
        since: last.map(|last| last.at),
        appeared,
        gone,
        unseen: found.unseen,
    }
}

fn program(other: Other) -> ForeignProgram {
    let Other { interface, hook, program } = other;
    ForeignProgram { interface, hook: hook.to_owned(), program }
}

/// A table's rules in words, and the policies that are not the usual one.
fn all(table: &Table) -> Vec<String> {
    let closed = table.chains.iter().filter(|chain| chain.is_closed);
    let closed = closed.map(|chain| format!("{}: {} drops the rest", table.title, chain.name));
    let rules = table.rules.iter().map(|rule| format!("{}: {}", table.title, in_chain(rule)));
    closed.chain(rules).collect()
}

/// A rule with its chain, which iptables writes in front of it.
fn in_chain(rule: &Rule) -> String {
    if rule.text.starts_with("-A ") { rule.text.clone() } else { format!("{}: {}", rule.chain, rule.text) }
}

/// What of a table may keep containers' packets from getting through.
fn concerning(table: &Table, subjects: &[Subject]) -> Vec<ForeignRule> {
    let closed = table.chains.iter().filter(|chain| chain.is_closed);
    let policies = closed.map(|chain| Rule {
        chain: chain.name.clone(),
        text: "what no rule lets through".to_owned(),
        ..Rule::default()
    });
    let blocking = table.rules.iter().filter(|rule| rule.blocks).cloned();
    let hooks = table.hooks();
    blocking
        .chain(policies)
        .filter_map(|rule| {
            let hooks = hooks.get(rule.chain.as_str())?;
            let concerned = subjects.iter().filter(|subject| subject.meets(&rule, table.families, hooks));
            let concerns: Vec<_> = concerned.map(|subject| subject.name.clone()).collect();
            (!concerns.is_empty()).then(|| ForeignRule {
                table: table.title.clone(),
                chain: rule.chain,
                rule: rule.text,
                concerns,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{rule::Families, *};

    #[test]
    fn only_what_drops_packets_of_containers_is_told() {
        let text = "*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:x -\n-A FORWARD -j x\n-A x -o br0 -j DROP\n\
                    -A x -o br1 -j DROP\n-A INPUT -j DROP\nCOMMIT\n";
        let table = iptables::tables(text, "iptables", Families::V4).remove(0);
        let web = Subject { name: "web".to_owned(), addresses: vec![], interfaces: vec!["br0".to_owned()] };
        let told = concerning(&table, &[web]);
        let told: Vec<_> = told.iter().map(|one| (one.chain.as_str(), one.rule.as_str())).collect();
        // The second matches what comes from it, too.
        assert_eq!(
            told,
            [
                ("x", "-A x -o br0 -j DROP"),
                ("x", "-A x -o br1 -j DROP"),
                ("FORWARD", "what no rule lets through"),
            ]
        );
        assert_eq!(all(&table).len(), 5);
        assert_eq!(all(&table)[0], "iptables filter: FORWARD drops the rest");
    }
}

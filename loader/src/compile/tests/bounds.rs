//! What is refused, and with which numbers.

use super::{
    super::{
        Bounds, CompileError, compile,
        input::{Action, BuiltIn, ChainId, Dimension, Family, Rule, Ruleset},
    },
    build::{input, input_rules, is, rule},
};

fn refused(ruleset: &Ruleset, bounds: &Bounds) -> CompileError {
    compile(ruleset, bounds).unwrap_err()
}

fn jump(chain: usize) -> Rule {
    rule([], Action::Jump(ChainId(chain)))
}

#[test]
fn loops() {
    let goto = rule([is(Dimension::Source, 1_u32)], Action::Goto(ChainId(0)));
    let looping = input([jump(0)], &[&[jump(1)], &[goto]]);
    assert_eq!(refused(&looping, &Bounds::DEFAULT), CompileError::Loop("chain0".to_owned()));
    // Nobody comes to a loop among chains that nothing leads to, and iptables takes it.
    assert!(compile(&input([], &[&[jump(1)], &[jump(0)]]), &Bounds::DEFAULT).is_ok());
    assert_eq!(refused(&input([jump(7)], &[]), &Bounds::DEFAULT), CompileError::NoChain(7));
    let nowhere = input([rule([], Action::Translate(0))], &[]);
    assert_eq!(refused(&nowhere, &Bounds::DEFAULT), CompileError::NoTarget(0));
}

#[test]
fn deep_nesting() {
    let chains = |count: usize| -> Ruleset {
        let chains: Vec<Vec<Rule>> =
            (1..=count).map(|next| if next < count { vec![jump(next)] } else { vec![] }).collect();
        let chains: Vec<&[Rule]> = chains.iter().map(Vec::as_slice).collect();
        input([jump(0)], &chains)
    };
    assert!(compile(&chains(16), &Bounds::DEFAULT).is_ok());
    let error = refused(&chains(17), &Bounds::DEFAULT);
    assert_eq!(error, CompileError::TooDeep { chain: "chain16".to_owned(), limit: 16 });
    // A chain that is known already, but is reached by a longer way now.
    let mut longer = chains(16);
    let program = longer.ipv4.as_mut().unwrap();
    program.chains.push(super::super::input::Chain { name: "detour".to_owned(), rules: vec![jump(0)] });
    let detour = program.chains.len() - 1;
    input_rules(&mut longer).push(jump(detour));
    assert!(matches!(refused(&longer, &Bounds::DEFAULT), CompileError::TooDeep { .. }));
}

#[test]
fn copies() {
    let bounds = Bounds { entries_a_rule: 2, entries_at_least: 10, ..Bounds::DEFAULT };
    let leaf: Vec<Rule> =
        (0..10_u32).map(|port| rule([is(Dimension::SourcePort, port)], Action::Drop)).collect();
    let jumps = |count: u32| {
        (0..count).map(|port| rule([is(Dimension::DestinationPort, port)], Action::Jump(ChainId(0))))
    };
    assert!(compile(&input(jumps(3), &[&leaf]), &bounds).is_ok());
    let error = refused(&input(jumps(4), &[&leaf]), &bounds);
    assert_eq!(error, CompileError::TooManyEntries { rules: 14, needed: 44, at_least: false, limit: 38 });
    assert!(error.to_string().contains("14 rules become 44 entries"), "{error}");

    // Two jumps at each of fifteen levels: more than anybody counts.
    let twice: Vec<Vec<Rule>> = (1..16).map(|next| vec![jump(next), jump(next)]).collect();
    let mut chains: Vec<&[Rule]> = twice.iter().map(Vec::as_slice).collect();
    chains.push(&leaf);
    let error = refused(&input([jump(0)], &chains), &Bounds::DEFAULT);
    assert!(matches!(error, CompileError::TooManyEntries { at_least: true, .. }), "{error}");
}

#[test]
fn copies_for_nobody_do_not_count() {
    let leaf: Vec<Rule> =
        (0..100_u32).map(|port| rule([is(Dimension::DestinationPort, port)], Action::Drop)).collect();
    let jumps =
        (0..90_u32).map(|port| rule([is(Dimension::DestinationPort, port)], Action::Jump(ChainId(0))));
    let compiled = compile(&input(jumps, &[&leaf]), &Bounds::DEFAULT).unwrap();
    assert_eq!(compiled.report.roots[0].origins.len(), 2 * 90 + 1);
}

#[test]
fn steps() {
    let logs = |count: u32| (0..count).map(|id| rule([], Action::Log(id)));
    assert_eq!(compile(&input(logs(64), &[]), &Bounds::DEFAULT).unwrap().report.roots[0].steps, 64);
    let error = refused(&input(logs(65), &[]), &Bounds::DEFAULT);
    let (family, chain) = (Family::Ipv4, BuiltIn::Input);
    assert_eq!(error, CompileError::TooManySteps { family, chain, needed: 65, limit: 64 });
    assert!(error.to_string().contains("INPUT of IPv4 could meet 65 rules"), "{error}");
}

#[test]
fn steps_of_different_packets_do_not_add_up() {
    let by =
        |dimension, count: u32| (0..count).map(move |value| rule([is(dimension, value)], Action::Log(value)));
    let by_port = compile(&input(by(Dimension::DestinationPort, 1_000), &[]), &Bounds::DEFAULT).unwrap();
    assert_eq!(by_port.report.roots[0].steps, 1);
    // Each table by itself leaves hundreds; all together leave one of each kind.
    let mixed = by(Dimension::DestinationPort, 300)
        .chain(by(Dimension::Source, 300))
        .chain(by(Dimension::Destination, 300));
    assert_eq!(compile(&input(mixed, &[]), &Bounds::DEFAULT).unwrap().report.roots[0].steps, 3);
}

#[test]
fn bytes() {
    let rules = (0..1_000_u32).map(|source| rule([is(Dimension::Source, source * 77)], Action::Drop));
    let error = refused(&input(rules, &[]), &Bounds { bytes: 50_000, ..Bounds::DEFAULT });
    assert!(matches!(error, CompileError::TooLarge { needed: 50_001.., limit: 50_000 }), "{error}");
}

#[test]
fn counters() {
    let mut ruleset = input([rule([], Action::Accept)], &[]);
    input_rules(&mut ruleset)[0].counter = u32::MAX;
    let error = refused(&ruleset, &Bounds::DEFAULT);
    assert_eq!(error, CompileError::TooManyCounters { count: 1 << 32, limit: 1 << 18 });
}

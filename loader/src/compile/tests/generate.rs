//! Random rulesets, and packets aimed at the ends of their intervals.

use std::{collections::BTreeSet, num::NonZeroU32};

use berth_common::abi::{
    address::Address,
    rules::dimension::ABSENT,
    units::{Nanos, Port},
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

use super::{
    super::input::{
        Action, Base, BuiltIn, Chain, ChainId, Check, Condition, Dimension, External, Family, Leg, Policy,
        Program, Rule, Ruleset, Target, Values,
    },
    build::leg,
    world::{PURE_KINDS, Packet},
};

/// How large a ruleset is, and of what kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Most rules in each built-in chain.
    pub(super) base: usize,
    /// Most user chains, and most rules in each.
    pub(super) chains: usize,
    pub(super) chain: usize,
}

/// A ruleset for one family or both.
pub(super) fn ruleset(size: Size) -> impl Strategy<Value = Ruleset> {
    let both = (program(Family::Ipv4, size), program(Family::Ipv6, size));
    prop_oneof![
        6 => program(Family::Ipv4, size).prop_map(|ipv4| (Some(ipv4), None)),
        3 => program(Family::Ipv6, size).prop_map(|ipv6| (None, Some(ipv6))),
        1 => both.prop_map(|(ipv4, ipv6)| (Some(ipv4), Some(ipv6))),
    ]
    .prop_map(|(ipv4, ipv6)| number(Ruleset { ipv4, ipv6, targets: targets() }))
}

/// How many targets there are.
const TARGETS: u32 = 4;

/// Of which the last is the first again.
fn targets() -> Vec<Target> {
    let target = |number: u16| Target {
        flags: Target::ADDRESSES | Target::PORTS,
        ports: [Port(number), Port(number + 1)],
        base: Port(0),
        addresses: [Address::v4(number.into()), Address::v4(u32::MAX)],
    };
    (0..TARGETS).map(|number| target(u16::try_from(number % (TARGETS - 1)).unwrap())).collect()
}

/// Gives every rule its own counter.
pub(super) fn number(mut ruleset: Ruleset) -> Ruleset {
    let mut next = 0;
    let mut take = |counter: &mut u32| {
        *counter = next;
        next += 1;
    };
    for program in [&mut ruleset.ipv4, &mut ruleset.ipv6].into_iter().flatten() {
        let mut others: BTreeSet<usize> = (0..program.chains.len()).collect();
        let filter = [&mut program.input, &mut program.output, &mut program.forward];
        for leg in filter.into_iter().chain(program.nat.iter_mut().flatten()).flat_map(|base| &mut base.legs)
        {
            let chain = leg.chain.filter(|chain| others.remove(&chain.0));
            if let Some(chain) = chain.and_then(|chain| program.chains.get_mut(chain.0)) {
                chain.rules.iter_mut().map(|rule| &mut rule.counter).for_each(&mut take);
            }
            leg.counter.iter_mut().for_each(&mut take);
        }
        let chains = program.chains.iter_mut().enumerate().filter(|(place, _)| others.contains(place));
        let rules = chains.flat_map(|(_, chain)| &mut chain.rules);
        rules.map(|rule| &mut rule.counter).for_each(&mut take);
    }
    ruleset
}

fn program(family: Family, size: Size) -> impl Strategy<Value = Program> {
    (0..=size.chains).prop_flat_map(move |chains| {
        let leg = move |most: usize| {
            let unknown = prop_oneof![
                5 => Just(Vec::new()),
                1 => select(vec![Dimension::OutInterface, Dimension::State]).prop_map(|one| vec![one]),
            ];
            (any::<bool>(), any::<bool>(), unknown, vec(rule(family, 0, chains), 0..=most)).prop_map(
                |(drop, counter, unknown, rules)| {
                    let policy = if drop { Policy::Drop } else { Policy::Accept };
                    let leg = Leg { policy, counter: counter.then_some(0), unknown, chain: None };
                    (leg, rules)
                },
            )
        };
        let base = |most: usize| {
            prop_oneof![
                2 => vec(leg(most), 1),
                1 => vec(leg(most / 2), 2..=4),
            ]
        };
        let user: Vec<_> = (0..chains)
            .map(|place| {
                vec(rule(family, place + 1, chains), 0..=size.chain)
                    .prop_map(move |rules| Chain { name: format!("chain{place}"), rules })
            })
            .collect();
        let bases = [base(size.base), base(size.base / 4), base(size.base / 8)];
        let nat = [size.base / 2, size.base / 8, size.base / 4, size.base / 2].map(|most| vec(leg(most), 1));
        (bases, prop::option::of(nat), any::<bool>(), user)
            .prop_map(|(bases, nat, shared, chains)| assemble(bases, nat, shared, chains))
    })
}

type Legs = Vec<(Leg, Vec<Rule>)>;

/// A program of these legs, of which those of FORWARD and INPUT may begin in one chain.
fn assemble(bases: [Legs; 3], nat: Option<[Legs; 4]>, shared: bool, chains: Vec<Chain>) -> Program {
    let mut program = Program { chains, ..Program::default() };
    let mut base = |legs: Legs| Base {
        legs: legs
            .into_iter()
            .map(|(draft, rules)| Leg { chain: leg(&mut program, Policy::Drop, None, rules).chain, ..draft })
            .collect(),
    };
    let [input, output, mut forward] = bases.map(&mut base);
    let nat = nat.map(|legs| legs.map(&mut base));
    if shared && forward.legs.len() > 1 {
        forward.legs[0] = input.legs[0].clone();
    }
    Program { input, output, forward, nat, ..program }
}

/// A rule that leads only to chains from `first` on, so that there are no loops.
fn rule(family: Family, first: usize, chains: usize) -> impl Strategy<Value = Rule> {
    // Rules without conditions are rare: all that stands behind one that decides is left out.
    let fields = prop_oneof![1 => 0..1_usize, 30 => 1..4_usize]
        .prop_flat_map(move |count| vec(field(family).boxed(), count));
    let rest = vec(prop_oneof![6 => check().boxed(), 1 => either(family).boxed()], 0..3);
    let conditions = prop_oneof![
        3 => fields.clone().boxed(),
        1 => (fields.clone(), rest).prop_map(|(fields, rest)| [fields, rest].concat()).prop_shuffle().boxed(),
    ];
    (conditions, action(first, chains)).prop_map(|(conditions, action)| Rule {
        counter: 0,
        conditions,
        action,
    })
}

fn action(first: usize, chains: usize) -> BoxedStrategy<Action> {
    let plain = prop_oneof![
        6 => Just(Action::Accept),
        6 => Just(Action::Drop),
        2 => (0..8_u8).prop_map(Action::Reject),
        1 => Just(Action::Return),
        1 => (0..4_u32).prop_map(Action::Log),
        1 => (0..4_u32, 0..4_u32).prop_map(|(value, mask)| Action::SetMark { value, mask }),
        3 => (0..TARGETS).prop_map(Action::Translate),
        1 => Just(Action::Continue),
    ];
    if first >= chains {
        return plain.boxed();
    }
    prop_oneof![
        6 => plain,
        1 => (first..chains).prop_map(|chain| Action::Goto(ChainId(chain))),
        2 => (first..chains).prop_map(|chain| Action::Jump(ChainId(chain))),
    ]
    .boxed()
}

fn field(family: Family) -> impl Strategy<Value = Condition> {
    named(family).prop_map(|(dimension, values)| Condition::Field(dimension, values))
}

fn either(family: Family) -> impl Strategy<Value = Condition> {
    vec(vec(named(family), 1..3), 1..4).prop_map(Condition::Either)
}

fn named(family: Family) -> impl Strategy<Value = (Dimension, Values)> {
    let often = [
        Dimension::Source,
        Dimension::Destination,
        Dimension::DestinationPort,
        Dimension::SourcePort,
        Dimension::Protocol,
        Dimension::State,
    ];
    let dimension = prop_oneof![2 => select(often.to_vec()), 1 => select(Dimension::ALL)];
    dimension
        .prop_flat_map(move |dimension| values(dimension, family).prop_map(move |values| (dimension, values)))
}

/// Values of a dimension, most of them among a few that occur again and again.
fn values(dimension: Dimension, family: Family) -> BoxedStrategy<Values> {
    let bits = dimension.bits(family);
    let end = Values::all(dimension, family).intervals().next().map_or(0, |all| *all.end());
    let point = move || {
        let common = (0..6_u32, 0..4_u128).prop_map(move |(place, offset)| {
            let base =
                (u128::from(0x6789_abcd_u32) << 96 | 0x1000_0000_0000_0000_0a00_0001).rotate_right(place * 8);
            (base.wrapping_add(offset)) & end
        });
        prop_oneof![3 => common, 2 => any::<u128>().prop_map(move |value| value & end), 1 => 0..=end.min(5)]
    };
    let interval = move || {
        prop_oneof![
            3 => point().prop_map(|value| value..=value),
            2 => (point(), 0..=bits).prop_map(move |(value, length)| {
                Values::prefix(value, length, bits).intervals().next().unwrap()
            }),
            2 => (point(), point()).prop_map(|(a, b)| a.min(b)..=a.max(b)),
        ]
    };
    let some = prop_oneof![
        5 => interval().prop_map(|one| Values::new([one])).boxed(),
        1 => vec(interval(), 2..12).prop_map(Values::new).boxed(),
        1 => (any::<u8>(), any::<u8>())
            .prop_map(move |(mask, value)| {
                Values::masked(mask, value & mask).intersection(&Values::all(dimension, family))
            })
            .boxed(),
    ];
    let signed = (some, prop::bool::weighted(0.2))
        .prop_map(move |(values, negated)| if negated { values.except(dimension, family) } else { values });
    if dimension.shape().optional {
        (signed, prop::bool::weighted(0.05))
            .prop_map(|(values, absent)| if absent { values.union(&Values::absent()) } else { values })
            .boxed()
    } else {
        signed.boxed()
    }
}

fn check() -> impl Strategy<Value = Condition> {
    let inverted = prop::bool::weighted(0.3);
    let external =
        (0..2 * PURE_KINDS, 0..3_u32, 0..4_u64, inverted).prop_map(|(kind, id, parameter, inverted)| {
            Check::External(External {
                kind,
                id,
                parameters: [parameter, 7, u64::MAX],
                inverted,
                pure: kind < PURE_KINDS,
            })
        });
    let nth = (1..5_u32, 0..5_u32, inverted).prop_map(|(every, packet, inverted)| Check::Nth {
        every: NonZeroU32::new(every).unwrap(),
        packet: packet % every,
        inverted,
    });
    let limit = (1..2_000_u64, 2..9_u64)
        .prop_map(|(cost, full)| Check::Limit { cost: Nanos(cost), full: Nanos(cost * full / 2) });
    prop_oneof![
        2 => (0..4_u32, 0..4_u32, inverted).prop_map(|(value, mask, inverted)| Check::Mark { value, mask, inverted }),
        1 => (0..3_u8, inverted).prop_map(|(last, inverted)| Check::Mac { address: [2, 0, 0, 0, 0, last], inverted }),
        1 => (0..8_u8, inverted).prop_map(|(kind, inverted)| Check::TcpOption { kind, inverted }),
        1 => (0..=1_u32 << 31, inverted).prop_map(|(threshold, inverted)| Check::Random { threshold, inverted }),
        2 => nth,
        2 => limit,
        2 => external,
    ]
    .prop_map(Condition::Check)
}

/// How a packet is chosen, once the ruleset is known.
#[derive(Clone, Debug)]
pub(super) struct Aim {
    slot: Index,
    values: Vec<(Index, u8)>,
    mark: u32,
    length: u32,
    mac: Option<u64>,
    options: Option<u8>,
    /// Nanoseconds after the packet before.
    pub(super) later: u64,
}

pub(super) fn aim() -> impl Strategy<Value = Aim> {
    let values = vec(any::<(Index, u8)>(), Dimension::ALL.len());
    let mac = prop::option::of(0x0200_0000_0000..0x0200_0000_0003_u64);
    (any::<Index>(), values, 0..4_u32, 20..1_500_u32, mac, prop::option::of(any::<u8>()), 0..3_000_u64)
        .prop_map(|(slot, values, mark, length, mac, options, later)| Aim {
            slot,
            values,
            mark,
            length,
            mac,
            options,
            later,
        })
}

/// Where packets can be aimed at.
pub(super) struct Targets {
    slots: Vec<(Family, BuiltIn)>,
    /// For each family and dimension the values at which something begins or ends.
    edges: Vec<(Family, Dimension, Vec<u128>)>,
}

impl Targets {
    pub(super) fn new(ruleset: &Ruleset) -> Self {
        let mut edges = Vec::new();
        for family in Family::ALL {
            for dimension in Dimension::ALL {
                let rules = ruleset.program(family).into_iter().flat_map(Program::rules);
                let fields = rules.flat_map(|rule| &rule.conditions).flat_map(fields);
                let mut values = BTreeSet::new();
                let all = Values::all(*dimension, family);
                for interval in fields.filter(|(of, _)| of == dimension).flat_map(|(_, v)| v.intervals()) {
                    let (first, last) = interval.into_inner();
                    values.extend([first, last, first.saturating_sub(1), last.saturating_add(1)]);
                    values.insert(first + (last - first) / 2);
                }
                let mut values: Vec<u128> = values.into_iter().filter(|value| all.contains(*value)).collect();
                if dimension.shape().optional {
                    values.push(ABSENT.into());
                }
                edges.push((family, *dimension, values));
            }
        }
        Self { slots: super::oracle::slots(ruleset), edges }
    }

    /// The packet that is aimed at.
    pub(super) fn packet(&self, aim: &Aim) -> Packet {
        let (family, chain) = *aim.slot.get(&self.slots);
        let mut packet = Packet::new(family, chain);
        packet.mark = aim.mark;
        packet.length = aim.length;
        packet.source_mac = aim.mac;
        packet.tcp_options = aim.options;
        let edges = self.edges.iter().filter(|edge| edge.0 == family);
        for ((_, dimension, edges), (index, chance)) in edges.zip(&aim.values) {
            let value = if edges.is_empty() || *chance < 25 {
                let all = Values::all(*dimension, family).intervals().next().map_or(0, |all| *all.end());
                let wide = super::world::mix(index.index(usize::MAX) as u64);
                (u128::from(wide) << 64 | u128::from(super::world::mix(wide))) & all
            } else {
                *index.get(edges)
            };
            packet.values.insert(*dimension, value);
        }
        packet
    }
}

fn fields(condition: &Condition) -> Vec<(Dimension, &Values)> {
    match condition {
        Condition::Field(dimension, values) => vec![(*dimension, values)],
        Condition::Either(alternatives) => {
            alternatives.iter().flatten().map(|(dimension, values)| (*dimension, values)).collect()
        }
        Condition::Check(_) => Vec::new(),
    }
}

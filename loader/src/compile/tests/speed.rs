//! What rules cost: `cargo test --release -p berth --lib compile::tests::speed -- --ignored --nocapture`.
#![allow(clippy::cast_precision_loss, reason = "for people to read")]

use std::{hint::black_box, time::Instant};

use berth_common::engine::classify::{Question, State, classify};

use super::{
    super::{Bounds, Memory, compile},
    agreement::Watched,
    many::{Kind, random_rules, strangers},
    world::{Packet, World},
};

fn nanoseconds(memory: &Memory, packets: &[Packet]) -> f64 {
    let questions: Vec<Question> = packets.iter().map(Packet::question).collect();
    let mut world = World::new(&packets[0], 0, 0);
    let mut best = f64::MAX;
    for _ in 0..20 {
        let rounds = 20_000 / questions.len() + 1;
        let start = Instant::now();
        for _ in 0..rounds {
            world.counted.clear();
            for question in &questions {
                let _ = black_box(classify(&memory, &mut world, black_box(question), &mut { State::EMPTY }));
            }
        }
        best = best.min(start.elapsed().as_nanos() as f64 / (rounds * questions.len()) as f64);
    }
    best
}

fn touches(memory: &Memory, packets: &[Packet]) -> f64 {
    let watched = Watched::new(memory);
    let mut world = World::new(&packets[0], 0, 0);
    for packet in packets {
        let _ = classify(&watched, &mut world, &packet.question(), &mut { State::EMPTY });
    }
    f64::from(watched.reads.get()) / packets.len() as f64
}

#[test]
#[ignore = "a measurement"]
fn costs() {
    for kind in [Kind::Full, Kind::Mixed, Kind::Sources] {
        for count in [16, 256, 1_024, 4_096] {
            let (ruleset, packets) = random_rules(count, kind);
            let compiled = compile(&ruleset, &Bounds::DEFAULT).unwrap();
            let memory = Memory::new(&compiled.lines).unwrap();
            let (bytes, root) = (compiled.report.bytes, &compiled.report.roots[0]);
            print!("{kind:?} {count}: {bytes} bytes, {} tables;", root.tables);
            let sets = [
                ("first", packets[..1].to_vec()),
                ("last", packets[packets.len() - 1..].to_vec()),
                ("any", packets),
                ("none", strangers()),
            ];
            for (name, packets) in sets {
                print!(
                    " {name} {:.0} ns {:.1} lines,",
                    nanoseconds(&memory, &packets),
                    touches(&memory, &packets)
                );
            }
            println!();
        }
    }
}

/// Nanoseconds that this thread has had a processor.
fn on_processor() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
#[ignore = "a measurement"]
fn compiling() {
    for kind in [Kind::Full, Kind::Mixed, Kind::Sources] {
        let (ruleset, _) = random_rules(4_096, kind);
        let mut times: Vec<f64> = (0..20)
            .map(|_| {
                let start = on_processor();
                black_box(compile(&ruleset, &Bounds::DEFAULT)).unwrap();
                (on_processor() - start) / 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("{kind:?}: {:.1} to {:.1} ms, median {:.1}", times[0], times[19], times[10]);
    }
}

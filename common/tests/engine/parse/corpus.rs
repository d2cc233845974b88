//! What led a fuzzer to different places of the parser: see `fuzz/`.

use berth_common::memory::{
    generate::{Random, Scene},
    trial,
};

#[test]
fn of_a_fuzzer() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/packet");
    let mut inputs = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        trial::parse(&std::fs::read(entry.unwrap().path()).unwrap());
        inputs += 1;
    }
    assert!(inputs > 100, "{directory} has {inputs} inputs");
}

#[test]
fn of_the_generator() {
    for seed in 0..2_000 {
        let frame = Scene::default().any(&mut Random::new(seed)).frame;
        trial::parse(&frame);
        trial::parse(frame.get(14..).unwrap_or_default());
    }
}

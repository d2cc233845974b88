//! Texts that nobody meant: nothing may panic, and what is accepted must read back.

use berth_common::memory::generate::{Random, cases::number};
use proptest::prelude::*;

use crate::rules::{
    family::Family,
    generate::{Wanted, ruleset},
    parse::apply,
    ruleset::Ruleset,
    save::to_save,
    table::TableName,
    trial::{self, read},
};

/// Damages a text at a few places: bytes changed, cut out, doubled, or words of the language put in.
fn damage(text: &mut Vec<u8>, random: &mut Random) {
    const WORDS: [&str; 24] = [
        " ! ",
        "\"",
        "\\",
        "\n",
        " -m ",
        " -j ",
        ",",
        ":",
        "/",
        "-",
        "0x",
        "=",
        " --set ",
        " -m recent ",
        " -p tcp ",
        " -p 0 ",
        "[1:2] ",
        "*nat\n",
        "COMMIT\n",
        " -s 1,2,3 ",
        " --comment ",
        " -I ",
        " -D ",
        "\u{e9}",
    ];
    for _ in 0..=random.below(6) {
        let at = random.below(text.len() + 1);
        let end = (at + random.below(12)).min(text.len());
        match random.below(4) {
            0 => drop(text.drain(at..end)),
            1 => {
                let copy = text[at..end].to_vec();
                text.splice(at..at, copy);
            }
            2 => {
                let word = random.pick(&WORDS).unwrap();
                text.splice(at..at, word.bytes());
            }
            _ => {
                let byte = random.byte();
                text.splice(at..end.min(at + 1), [byte]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(number(2_000).unwrap()))]

    #[test]
    fn random_bytes(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        read(Family::Ipv4, &text);
    }

    #[test]
    fn random_lines_of_a_table(lines in "(-A INPUT [ -~]{0,60}\n|[:*\\[!#-][ -~]{0,30}\n){0,8}") {
        read(Family::Ipv6, format!("*filter\n{lines}COMMIT\n").as_bytes());
    }

    #[test]
    fn damaged_rulesets(seed: u64, six: bool) {
        let family = if six { Family::Ipv6 } else { Family::Ipv4 };
        let mut random = Random::new(seed);
        let wanted = Wanted { rules: 12, ..Wanted::everything(family) };
        let mut text = to_save(&ruleset(&mut random, &wanted), true).into_bytes();
        damage(&mut text, &mut random);
        read(family, &text);
    }

    #[test]
    fn random_commands(words in proptest::collection::vec("-[AIDRNXPFZsdiopfmjgc46]|--[a-z-]{1,12}|INPUT|U|[!-~é]{0,12}", 0..12)) {
        let mut ruleset = Ruleset::new(Family::Ipv4);
        let _ = apply(&mut ruleset, TableName::Filter, &words);
        read(Family::Ipv4, to_save(&ruleset, true).as_bytes());
    }
}

/// What led a fuzzer to different places of the parser: see `fuzz/`.
#[test]
fn corpus() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/rules");
    let mut inputs = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        trial::fuzzed(&std::fs::read(entry.unwrap().path()).unwrap());
        inputs += 1;
    }
    assert!(inputs > 100, "{directory} has {inputs} inputs");
}

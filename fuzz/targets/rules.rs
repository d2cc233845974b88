//! Texts of rules, in iptables-save's language: whatever comes is refused with its place, or reads back as written.

#![no_main]
#![allow(dead_code, reason = "much of it is for others")]

// The language alone: the whole library takes minutes to build for a fuzzer.
#[path = "../../loader/src/rules/mod.rs"]
mod rules;

libfuzzer_sys::fuzz_target!(|input: &[u8]| rules::trial::fuzzed(input));

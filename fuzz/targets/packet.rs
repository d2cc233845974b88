//! Bytes as packets, through the engine's parser.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| berth_common::memory::trial::parse(input));

//! berth's programs: entry points per hook, the maps, and the engine's tables on top of them. What is decided here is
//! only which question to ask the engine; the answers are in `berth-common`.
#![no_std]
#![no_main]
#![allow(
    internal_features,
    reason = "the target has atomic instructions, but `core::sync::atomic` does not offer them"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_lossless,
    reason = "contexts and helpers have their fields in wider types than what is in them"
)]
#![allow(clippy::needless_pass_by_value, reason = "the signature that the entry point macros want")]
#![feature(asm_experimental_arch, core_intrinsics)]

mod association;
mod atomic;
mod count;
mod echo;
mod event;
mod fast;
mod flow;
mod flow_table;
mod fragments;
mod ftp;
mod guards;
mod hooks;
mod judged;
mod maps;
mod nat;
mod notice;
mod own;
mod packet;
mod pending;
mod rewrite;
mod rules;
mod seams;
mod segment;
mod sender;
mod sets;
mod shelves;
mod socket;
mod spoof;
mod sweep;
mod tables;
mod told;

/// Lets the programs call helpers that the kernel keeps for GPL-compatible ones.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

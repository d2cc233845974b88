//! Many packets out of one: `BPF_PROG_TEST_RUN` runs a program again and again on the same buffer, so a program made by
//! hand first makes another packet of it and then calls the one that is measured.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, ensure};

use super::tuple::Tuple;
use crate::bpf::asm::{
    Insn, Reg, add, add_register, and, call, copy, exit, first_value_of, load_u32, load_u64, map_itself,
    multiply, set, shift_left, shift_right, skip_if_above, store_u8, store_u16, store_u32, store_u64,
};
use crate::bpf::sys;

/// "Not mine to decide", which all of berth's programs say of packets they let through.
const NEXT: i32 = -1;
const TAIL_CALL: i32 = 12;

// Where things are in a `struct __sk_buff`.
const DATA: i16 = 76;
const DATA_END: i16 = 80;

// Where things are in an IPv4 packet without options, in an Ethernet frame, and how long that is with the longest header
// that is written to.
const PROTOCOL: i16 = 23;
const CHECKSUM: i16 = 24;
const ADDRESSES: i16 = 26;
const SOURCE_LAST_BYTE: i16 = 29;
const PORTS: i16 = 34;
const SOURCE_PORT: i16 = PORTS;
const LENGTH: i32 = 42;

// Words of the state: how many packets came by, and which program is called.
const COUNT: i16 = 0;
const TARGET: i16 = 8;

/// The program and what it calls.
pub struct Turnstile {
    program: OwnedFd,
    state: OwnedFd,
    // Programs in it are called only while it is held.
    _targets: OwnedFd,
}

// Registers that the parts of the program share: its context, its state, the number of this packet, and the packet.
const CONTEXT: Reg = Reg::R6;
const STATE: Reg = Reg::R7;
const NUMBER: Reg = Reg::R8;
const PACKET: Reg = Reg::R2;

/// Which program a turnstile calls.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// One that does nothing.
    Empty = 0,
    /// The one that is measured.
    Measured = 1,
}

impl Turnstile {
    /// One that gives packets `sources` (a power of two) different sources in turn, then calls `measured` or a program
    /// that does nothing.
    pub fn new(measured: BorrowedFd<'_>, sources: u32) -> Result<Self> {
        ensure!(sources.is_power_of_two() && sources <= 1 << 24, "{sources} different sources");
        Self::with(
            measured,
            sources,
            &[
                store_u16(PACKET, SOURCE_PORT, NUMBER),
                shift_right(NUMBER, 16),
                store_u8(PACKET, SOURCE_LAST_BYTE, NUMBER),
            ],
        )
    }

    /// As [`Self::new`], of packets that somebody else looks at, too: the checksum of the IPv4 header, of which `packet` has that of
    /// its first source, is kept right. (That of UDP is to be zero, which is none.)
    pub fn sound(measured: BorrowedFd<'_>, sources: u32, packet: &[u8]) -> Result<Self> {
        ensure!(sources.is_power_of_two() && sources <= 1 << 24, "{sources} different sources");
        let checksum = packet.get(usize::try_from(CHECKSUM)?..).and_then(|bytes| bytes.first_chunk::<2>());
        let checksum = u16::from_be_bytes(*checksum.context("no header")?);
        // What the address grows by, the checksum shrinks by, as long as that is no less.
        ensure!(checksum > u16::from(u8::MAX), "an unlucky checksum: {checksum:#x}");
        let change = [
            store_u16(PACKET, SOURCE_PORT, NUMBER),
            shift_right(NUMBER, 16),
            store_u8(PACKET, SOURCE_LAST_BYTE, NUMBER),
            set(Reg::R3, -1),
            multiply(NUMBER, Reg::R3),
            add(NUMBER, checksum.into()),
            store_u8(PACKET, CHECKSUM + 1, NUMBER),
            shift_right(NUMBER, 8),
            store_u8(PACKET, CHECKSUM, NUMBER),
        ];
        Self::with(measured, sources, &change)
    }

    /// One that gives packets 65,536 different source addresses, in an order that is not theirs.
    pub fn of_addresses(measured: BorrowedFd<'_>) -> Result<Self> {
        // The last three bytes of the address.
        const ADDRESS: i16 = 27;
        let change = [
            store_u16(PACKET, ADDRESS, NUMBER),
            shift_right(NUMBER, 8),
            store_u8(PACKET, ADDRESS + 2, NUMBER),
        ];
        Self::with(measured, 1 << 16, &change)
    }

    /// One that makes packets from these ends to those in turn; there is a power of two of them.
    pub fn of(measured: BorrowedFd<'_>, tuples: &[Tuple]) -> Result<Self> {
        let count = u32::try_from(tuples.len())?;
        ensure!(count.is_power_of_two(), "{count} different packets");
        let bytes: Vec<u8> = tuples.iter().flat_map(Tuple::bytes).collect();
        let map = sys::create_array("bench_tuples", u32::try_from(bytes.len())?, 1).context("make a map")?;
        sys::set_first_bytes(map.as_fd(), &bytes)?;
        let mut change = vec![shift_left(NUMBER, Tuple::LENGTH.ilog2().cast_signed())];
        change.extend(first_value_of(Reg::R4, map.as_fd()));
        change.extend([
            add_register(Reg::R4, NUMBER),
            load_u64(Reg::R3, Reg::R4, Tuple::ADDRESSES),
            store_u64(PACKET, ADDRESSES, Reg::R3),
            load_u32(Reg::R3, Reg::R4, Tuple::PORTS),
            store_u32(PACKET, PORTS, Reg::R3),
            load_u32(Reg::R3, Reg::R4, Tuple::PROTOCOL),
            store_u8(PACKET, PROTOCOL, Reg::R3),
        ]);
        // The program holds the map.
        Self::with(measured, count, &change)
    }

    /// One that does `change` to each packet, whose number below `count` is in [`NUMBER`].
    fn with(measured: BorrowedFd<'_>, count: u32, change: &[Insn]) -> Result<Self> {
        let empty = sys::load_classifier("bench_empty", &[set(Reg::R0, NEXT), exit()])?;
        let state = sys::create_array("bench_state", 16, 1).context("make a map")?;
        let targets = sys::create_program_array("bench_targets", 2).context("make an array of programs")?;
        let insns = instructions(state.as_fd(), targets.as_fd(), i32::try_from(count - 1)?, change);
        let program = sys::load_classifier("bench_turnstile", &insns)?;
        for (target, program) in [(Target::Empty, empty.as_fd()), (Target::Measured, measured)] {
            sys::set_program(targets.as_fd(), target as u32, program).context("fill an array of programs")?;
        }
        Ok(Self { program, state, _targets: targets })
    }

    /// Nanoseconds that a packet takes, on average of `count`.
    pub fn run(&self, target: Target, packet: &[u8], count: u32) -> Result<f64> {
        sys::set_first_value(self.state.as_fd(), &[0, target as u64])?;
        let (returned, duration) =
            sys::test_run(self.program.as_fd(), packet, count).context("run a program")?;
        ensure!(returned.cast_signed() == NEXT, "a program returned {returned}");
        let [seen, _] = sys::first_value(self.state.as_fd())?;
        ensure!(seen == u64::from(count), "{seen} of {count} packets were run");
        Ok(f64::from(duration))
    }
}

fn instructions(state: BorrowedFd<'_>, targets: BorrowedFd<'_>, mask: i32, change: &[Insn]) -> Vec<Insn> {
    let mut next = change.to_vec();
    next.extend([load_u64(Reg::R3, STATE, TARGET), copy(Reg::R1, CONTEXT)]);
    next.extend(map_itself(Reg::R2, targets));
    next.push(call(TAIL_CALL));
    let mut program = vec![copy(CONTEXT, Reg::R1)];
    program.extend(first_value_of(STATE, state));
    program.extend([
        load_u64(NUMBER, STATE, COUNT),
        copy(Reg::R9, NUMBER),
        add(Reg::R9, 1),
        store_u64(STATE, COUNT, Reg::R9),
        and(NUMBER, mask),
        load_u32(PACKET, CONTEXT, DATA),
        load_u32(Reg::R3, CONTEXT, DATA_END),
        copy(Reg::R4, PACKET),
        add(Reg::R4, LENGTH),
        skip_if_above(Reg::R4, Reg::R3, i16::try_from(next.len()).unwrap_or(i16::MAX)),
    ]);
    program.extend(next);
    // Reached only if there is nothing to call, or the packet is too short.
    program.extend([set(Reg::R0, 0), exit()]);
    program
}

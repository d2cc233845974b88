//! The counting program.

use std::os::fd::BorrowedFd;

use super::asm::{
    Insn, Reg, add, add_register, and, atomic_add, copy, exit, first_value_of, load_packet_u8,
    load_packet_u8_from, load_packet_u16, load_u32, multiply, set, shift_left, shift_right, skip,
    skip_if_equal, skip_unless_equal,
};

/// 64-bit words of a tally: buffers, segments, length, `wire_len`, bytes on the wire.
pub const WORDS_PER_TALLY: usize = 5;
/// Words of both tallies: frames proper, then looped copies.
pub const WORDS: usize = 2 * WORDS_PER_TALLY;
const WORD: i16 = 8;
const TALLY_LENGTH: i32 = 5 * 8;

// Where things are in a `struct __sk_buff`.
const LEN: i16 = 0;
const PKT_TYPE: i16 = 4;
const WIRE_LEN: i16 = 160;
const GSO_SEGS: i16 = 164;

// Where things are in an Ethernet frame without tags.
const ETHERTYPE: i32 = 12;
const IP: i32 = 14;
const V4_PROTOCOL: i32 = IP + 9;
const V6_NEXT_HEADER: i32 = IP + 6;
const V6_HEADER: i32 = 40;
const TCP_DATA_OFFSET: i32 = 12;
const UDP_HEADER: i32 = 8;
const ETHERTYPE_V4: i32 = 0x0800;
const TCP: i32 = 6;

/// A looped copy of what this host has sent to a group.
const PACKET_LOOPBACK: i32 = 5;
/// "Not mine to decide": the next program runs.
const NEXT: i32 = -1;

const SKB: Reg = Reg::R6;
const TALLY: Reg = Reg::R7;
const SEGMENTS: Reg = Reg::R8;
const HEADERS: Reg = Reg::R9;

/// Adds what there is to say of a frame to the tallies in a map's first value.
pub fn program(map: BorrowedFd<'_>) -> Vec<Insn> {
    let mut program = vec![copy(SKB, Reg::R1)];
    program.extend(first_value_of(TALLY, map));
    program.extend([
        load_u32(Reg::R0, SKB, PKT_TYPE),
        skip_unless_equal(Reg::R0, PACKET_LOOPBACK, 1),
        add(TALLY, TALLY_LENGTH),
        set(Reg::R0, 1),
        atomic_add(TALLY, 0, Reg::R0),
        load_u32(SEGMENTS, SKB, GSO_SEGS),
        // Buffers that are not to be segmented say 0.
        skip_unless_equal(SEGMENTS, 0, 1),
        set(SEGMENTS, 1),
        atomic_add(TALLY, WORD, SEGMENTS),
        load_u32(Reg::R0, SKB, LEN),
        atomic_add(TALLY, 2 * WORD, Reg::R0),
        load_u32(Reg::R0, SKB, WIRE_LEN),
        atomic_add(TALLY, 3 * WORD, Reg::R0),
    ]);
    let headers = header_length();
    program.extend([set(HEADERS, 0), skip_if_equal(SEGMENTS, 1, count(&headers))]);
    program.extend(headers);
    program.extend([
        add(SEGMENTS, -1),
        multiply(HEADERS, SEGMENTS),
        load_u32(Reg::R0, SKB, LEN),
        add_register(HEADERS, Reg::R0),
        atomic_add(TALLY, 4 * WORD, HEADERS),
        set(Reg::R0, NEXT),
        exit(),
    ]);
    program
}

/// Sets `HEADERS` to the length of all headers of a buffer that is to be segmented: one of TCP or UDP, in IPv4 or in
/// IPv6 without extension headers, without tags in the frame.
fn header_length() -> Vec<Insn> {
    let v6 = [set(HEADERS, IP + V6_HEADER), load_packet_u8(V6_NEXT_HEADER)];
    let v4 = [
        load_packet_u8(IP),
        and(Reg::R0, 15),
        shift_left(Reg::R0, 2),
        copy(HEADERS, Reg::R0),
        add(HEADERS, IP),
        load_packet_u8(V4_PROTOCOL),
        skip(count(&v6)),
    ];
    let udp = [add(HEADERS, UDP_HEADER)];
    let tcp = [
        load_packet_u8_from(HEADERS, TCP_DATA_OFFSET),
        shift_right(Reg::R0, 4),
        shift_left(Reg::R0, 2),
        add_register(HEADERS, Reg::R0),
        skip(count(&udp)),
    ];
    let mut program = vec![load_packet_u16(ETHERTYPE), skip_unless_equal(Reg::R0, ETHERTYPE_V4, count(&v4))];
    program.extend(v4);
    program.extend(v6);
    program.push(skip_unless_equal(Reg::R0, TCP, count(&tcp)));
    program.extend(tcp);
    program.extend(udp);
    program
}

/// How many instructions, as jumps count them.
fn count(instructions: &[Insn]) -> i16 {
    i16::try_from(instructions.len()).unwrap_or(i16::MAX)
}

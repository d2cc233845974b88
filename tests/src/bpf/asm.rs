//! An assembler of the few instructions that programs made by hand need here.

use std::os::fd::{AsRawFd, BorrowedFd};

/// A register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reg {
    /// What a program returns, and what is loaded from a packet.
    R0 = 0,
    /// What a program is called with: its context. Lost by loads from a packet and by calls, as are R2 to R5.
    R1 = 1,
    /// See `R1`.
    R2 = 2,
    /// See `R1`.
    R3 = 3,
    /// See `R1`.
    R4 = 4,
    /// Where loads from a packet expect the context. Kept, as are R7 to R9.
    R6 = 6,
    /// See `R6`.
    R7 = 7,
    /// See `R6`.
    R8 = 8,
    /// See `R6`.
    R9 = 9,
}

/// One instruction as the kernel takes it (`struct bpf_insn`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

const LOAD_U32: u8 = 0x61;
const LOAD_U64: u8 = 0x79;
const STORE_U8: u8 = 0x73;
const STORE_U16: u8 = 0x6b;
const STORE_U32: u8 = 0x63;
const STORE_U64: u8 = 0x7b;
const LOAD_IMMEDIATE_64: u8 = 0x18;
const LOAD_PACKET_U8: u8 = 0x30;
const LOAD_PACKET_U16: u8 = 0x28;
const LOAD_PACKET_U8_INDIRECT: u8 = 0x50;
const MOVE_IMMEDIATE: u8 = 0xb7;
const MOVE: u8 = 0xbf;
const ADD_IMMEDIATE: u8 = 0x07;
const ADD: u8 = 0x0f;
const MULTIPLY: u8 = 0x2f;
const AND_IMMEDIATE: u8 = 0x57;
const SHIFT_LEFT_IMMEDIATE: u8 = 0x67;
const SHIFT_RIGHT_IMMEDIATE: u8 = 0x77;
const ATOMIC_U64: u8 = 0xdb;
const ATOMIC_ADD: i32 = 0x00;
const JUMP: u8 = 0x05;
const JUMP_IF_EQUAL: u8 = 0x15;
const JUMP_UNLESS_EQUAL: u8 = 0x55;
const JUMP_IF_ABOVE: u8 = 0x2d;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const PSEUDO_MAP: u8 = 1;
const PSEUDO_MAP_VALUE: u8 = 2;

impl Insn {
    fn new(code: u8, destination: Reg, source: u8, offset: i16, immediate: i32) -> Self {
        Self { code, registers: source << 4 | destination as u8, offset, immediate }
    }
}

/// `to = *(u32 *)(from + offset)`
pub fn load_u32(to: Reg, from: Reg, offset: i16) -> Insn {
    Insn::new(LOAD_U32, to, from as u8, offset, 0)
}

/// `to = *(u64 *)(from + offset)`
pub fn load_u64(to: Reg, from: Reg, offset: i16) -> Insn {
    Insn::new(LOAD_U64, to, from as u8, offset, 0)
}

/// `*(u8 *)(at + offset) = value`
pub fn store_u8(at: Reg, offset: i16, value: Reg) -> Insn {
    Insn::new(STORE_U8, at, value as u8, offset, 0)
}

/// `*(u16 *)(at + offset) = value`
pub fn store_u16(at: Reg, offset: i16, value: Reg) -> Insn {
    Insn::new(STORE_U16, at, value as u8, offset, 0)
}

/// `*(u32 *)(at + offset) = value`
pub fn store_u32(at: Reg, offset: i16, value: Reg) -> Insn {
    Insn::new(STORE_U32, at, value as u8, offset, 0)
}

/// `*(u64 *)(at + offset) = value`
pub fn store_u64(at: Reg, offset: i16, value: Reg) -> Insn {
    Insn::new(STORE_U64, at, value as u8, offset, 0)
}

/// `r0` = the byte of the packet at `offset`; the program returns 0 if there is none.
pub fn load_packet_u8(offset: i32) -> Insn {
    Insn::new(LOAD_PACKET_U8, Reg::R0, 0, 0, offset)
}

/// `r0` = the two bytes of the packet at `offset`, from network order; the program returns 0 if there are none.
pub fn load_packet_u16(offset: i32) -> Insn {
    Insn::new(LOAD_PACKET_U16, Reg::R0, 0, 0, offset)
}

/// `r0` = the byte of the packet at `base + offset`; the program returns 0 if there is none.
pub fn load_packet_u8_from(base: Reg, offset: i32) -> Insn {
    Insn::new(LOAD_PACKET_U8_INDIRECT, Reg::R0, base as u8, 0, offset)
}

/// `to = value`
pub fn set(to: Reg, value: i32) -> Insn {
    Insn::new(MOVE_IMMEDIATE, to, 0, 0, value)
}

/// `to = from`
pub fn copy(to: Reg, from: Reg) -> Insn {
    Insn::new(MOVE, to, from as u8, 0, 0)
}

/// `to += value`
pub fn add(to: Reg, value: i32) -> Insn {
    Insn::new(ADD_IMMEDIATE, to, 0, 0, value)
}

/// `to += from`
pub fn add_register(to: Reg, from: Reg) -> Insn {
    Insn::new(ADD, to, from as u8, 0, 0)
}

/// `to *= from`
pub fn multiply(to: Reg, from: Reg) -> Insn {
    Insn::new(MULTIPLY, to, from as u8, 0, 0)
}

/// `to &= value`
pub fn and(to: Reg, value: i32) -> Insn {
    Insn::new(AND_IMMEDIATE, to, 0, 0, value)
}

/// `to <<= bits`
pub fn shift_left(to: Reg, bits: i32) -> Insn {
    Insn::new(SHIFT_LEFT_IMMEDIATE, to, 0, 0, bits)
}

/// `to >>= bits`
pub fn shift_right(to: Reg, bits: i32) -> Insn {
    Insn::new(SHIFT_RIGHT_IMMEDIATE, to, 0, 0, bits)
}

/// Atomically, `*(u64 *)(at + offset) += value`
pub fn atomic_add(at: Reg, offset: i16, value: Reg) -> Insn {
    Insn::new(ATOMIC_U64, at, value as u8, offset, ATOMIC_ADD)
}

/// Leaves out the next `count` instructions.
pub fn skip(count: i16) -> Insn {
    Insn::new(JUMP, Reg::R0, 0, count, 0)
}

/// Leaves out the next `count` instructions if `register` is `value`.
pub fn skip_if_equal(register: Reg, value: i32, count: i16) -> Insn {
    Insn::new(JUMP_IF_EQUAL, register, 0, count, value)
}

/// Leaves out the next `count` instructions unless `register` is `value`.
pub fn skip_unless_equal(register: Reg, value: i32, count: i16) -> Insn {
    Insn::new(JUMP_UNLESS_EQUAL, register, 0, count, value)
}

/// Leaves out the next `count` instructions if `register` is above `other`.
pub fn skip_if_above(register: Reg, other: Reg, count: i16) -> Insn {
    Insn::new(JUMP_IF_ABOVE, register, other as u8, count, 0)
}

/// Calls a helper of the kernel's, by its number.
pub fn call(helper: i32) -> Insn {
    Insn::new(CALL, Reg::R0, 0, 0, helper)
}

/// `return r0`
pub fn exit() -> Insn {
    Insn::new(EXIT, Reg::R0, 0, 0, 0)
}

/// `to = &map[0]`, of an array map: two instructions that are one.
pub fn first_value_of(to: Reg, map: BorrowedFd<'_>) -> [Insn; 2] {
    load_map(to, PSEUDO_MAP_VALUE, map)
}

/// `to = map`, for helpers: two instructions that are one.
pub fn map_itself(to: Reg, map: BorrowedFd<'_>) -> [Insn; 2] {
    load_map(to, PSEUDO_MAP, map)
}

fn load_map(to: Reg, pseudo: u8, map: BorrowedFd<'_>) -> [Insn; 2] {
    let first = Insn::new(LOAD_IMMEDIATE_64, to, pseudo, 0, map.as_raw_fd());
    [first, Insn::new(0, Reg::R0, 0, 0, 0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out by hand from the kernel's description of the instruction set.
    #[test]
    fn encodings() {
        let bytes = |insn: Insn| (insn.code, insn.registers, insn.offset, insn.immediate);
        assert_eq!(bytes(load_u32(Reg::R8, Reg::R1, 4)), (0x61, 0x18, 4, 0));
        assert_eq!(bytes(set(Reg::R0, -1)), (0xb7, 0x00, 0, -1));
        assert_eq!(bytes(atomic_add(Reg::R7, 8, Reg::R0)), (0xdb, 0x07, 8, 0));
        assert_eq!(bytes(skip_unless_equal(Reg::R9, 5, 1)), (0x55, 0x09, 1, 5));
        assert_eq!(bytes(load_packet_u8_from(Reg::R9, 12)), (0x50, 0x90, 0, 12));
        assert_eq!(bytes(store_u16(Reg::R2, 34, Reg::R8)), (0x6b, 0x82, 34, 0));
        assert_eq!(bytes(store_u32(Reg::R2, 34, Reg::R3)), (0x63, 0x32, 34, 0));
        assert_eq!(bytes(skip_if_above(Reg::R4, Reg::R3, 7)), (0x2d, 0x34, 7, 0));
        assert_eq!(bytes(call(12)), (0x85, 0x00, 0, 12));
        assert_eq!(size_of::<Insn>(), 8);
    }
}

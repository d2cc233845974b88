//! Programs of a few instructions (RFC 9669), to see whether the kernel takes them.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use aya::sys::BpfHelper;

use crate::control::sys::Instruction;

/// A register.
pub type Register = u8;

/// The stack's end.
const FRAME: Register = 10;

/// A program in the making.
#[derive(Clone, Debug, Default)]
pub struct Code(Vec<Instruction>);

impl Code {
    pub fn new() -> Self {
        Self::default()
    }

    /// `to = value`
    pub fn set(self, to: Register, value: i32) -> Self {
        self.then(0xb7, to, 0, 0, value)
    }

    /// `to = from`
    pub fn copy(self, to: Register, from: Register) -> Self {
        self.then(0xbf, to, from, 0, 0)
    }

    /// `to = address of the stack, so many bytes below its end`
    pub fn stack(self, to: Register, below: i16) -> Self {
        self.copy(to, FRAME).then(0x07, to, 0, 0, -i32::from(below))
    }

    /// `eight bytes of the stack = 0`
    pub fn clear(self, below: i16) -> Self {
        self.then(0x7a, FRAME, 0, -below, 0)
    }

    /// `from = eight bytes of the stack, to which it is added at the same time`
    pub fn fetch_add(self, from: Register, below: i16) -> Self {
        const ADD_AND_FETCH: i32 = 0x01;
        self.then(0xdb, FRAME, from, -below, ADD_AND_FETCH)
    }

    /// `r0 = eight bytes of the stack, which become "new" if they were r0`
    pub fn compare_exchange(self, new: Register, below: i16) -> Self {
        const COMPARE_AND_EXCHANGE: i32 = 0xf1;
        self.then(0xdb, FRAME, new, -below, COMPARE_AND_EXCHANGE)
    }

    pub fn call(self, helper: BpfHelper) -> Self {
        self.then(0x85, 0, 0, 0, helper as i32)
    }

    /// Passes over the next instructions if r0 is zero.
    pub fn skip_if_none(self, instructions: i16) -> Self {
        self.then(0x15, 0, 0, instructions, 0)
    }

    /// `to = map`
    pub fn map(self, to: Register, map: BorrowedFd<'_>) -> Self {
        /// The constant is a map's descriptor (linux/bpf.h).
        const BPF_PSEUDO_MAP_FD: Register = 1;
        self.then(0x18, to, BPF_PSEUDO_MAP_FD, 0, map.as_raw_fd()).then(0, 0, 0, 0, 0)
    }

    /// `four bytes of the stack = value`
    pub fn put(self, below: i16, value: i32) -> Self {
        self.then(0x62, FRAME, 0, -below, value)
    }

    /// `to = four bytes where from points`
    pub fn load(self, to: Register, from: Register) -> Self {
        self.then(0x61, to, from, 0, 0)
    }

    /// Ends with what is in r0.
    pub fn exit(self) -> Vec<Instruction> {
        self.then(0x95, 0, 0, 0, 0).0
    }

    /// Ends with this result.
    pub fn end(self, result: i32) -> Vec<Instruction> {
        self.set(0, result).exit()
    }

    fn then(mut self, operation: u8, to: Register, from: Register, offset: i16, value: i32) -> Self {
        let [offset_low, offset_high] = offset.to_ne_bytes();
        let [first, second, third, fourth] = value.to_ne_bytes();
        // Bit fields begin at the other end on machines with the other byte order.
        let registers = if cfg!(target_endian = "little") { from << 4 | to } else { to << 4 | from };
        self.0.push([operation, registers, offset_low, offset_high, first, second, third, fourth]);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn instructions_are_as_the_kernel_takes_them() {
        let code = Code::new().stack(2, 16).call(BpfHelper::BPF_FUNC_ktime_get_ns).end(1);
        assert_eq!(
            code,
            [
                [0xbf, 0xa2, 0, 0, 0, 0, 0, 0],
                [0x07, 0x02, 0, 0, 0xf0, 0xff, 0xff, 0xff],
                [0x85, 0, 0, 0, 5, 0, 0, 0],
                [0xb7, 0, 0, 0, 1, 0, 0, 0],
                [0x95, 0, 0, 0, 0, 0, 0, 0],
            ]
        );
    }
}

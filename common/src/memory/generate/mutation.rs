//! Damage.

use std::vec::Vec;

use super::Random;

/// One change to a packet. Places are taken modulo the packet's length, so that every change applies to every packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Flips a bit.
    Flip {
        /// The byte.
        at: u16,
        /// The bit, modulo 8.
        bit: u8,
    },
    /// Sets a byte.
    Set {
        /// The byte.
        at: u16,
        /// Its new value.
        value: u8,
    },
    /// Cuts off the rest.
    Truncate {
        /// The length that is left.
        at: u16,
    },
    /// Inserts bytes.
    Insert {
        /// Where.
        at: u16,
        /// How many, modulo 32.
        count: u8,
        /// Their value.
        value: u8,
    },
    /// Takes bytes out.
    Remove {
        /// The first.
        at: u16,
        /// How many, modulo 32.
        count: u8,
    },
}

impl Mutation {
    /// Some change, mostly to the headers.
    pub fn random(random: &mut Random) -> Self {
        let reach = if random.once_in(4) { 1 << 16 } else { 80 };
        let at = random.below(reach) as u16;
        match random.below(8) {
            0..=2 => Self::Flip { at, bit: random.byte() },
            3..=4 => {
                Self::Set { at, value: random.pick(&[0, 1, 6, 17, 44, 58, 0x45, 0x60, 0xff]).unwrap_or(0) }
            }
            5 => Self::Truncate { at },
            6 => Self::Insert { at, count: random.byte(), value: random.byte() },
            _ => Self::Remove { at, count: random.byte() },
        }
    }

    /// Makes the change.
    pub fn apply(self, bytes: &mut Vec<u8>) {
        let place = |at: u16| usize::from(at) % bytes.len().max(1);
        match self {
            Self::Flip { at, bit } => {
                let at = place(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Self::Set { at, value } => {
                let at = place(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            Self::Truncate { at } => bytes.truncate(place(at)),
            Self::Insert { at, count, value } => {
                let at = place(at);
                bytes.splice(at..at, core::iter::repeat_n(value, usize::from(count % 32)));
            }
            Self::Remove { at, count } => {
                let at = place(at);
                let end = bytes.len().min(at + usize::from(count % 32));
                bytes.drain(at..end);
            }
        }
    }
}

/// Bytes without meaning, sometimes behind what could be an Ethernet header.
pub fn noise(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    if random.once_in(2) {
        random.fill(&mut bytes, 12);
        bytes.extend(
            random.pick(&[[0x08, 0x00], [0x86, 0xdd], [0x81, 0x00], [0x08, 0x06]]).unwrap_or_default(),
        );
    }
    let count = random.below(160);
    random.fill(&mut bytes, count);
    bytes
}

//! What the two ends of an FTP control connection tell each other about the connection that is to carry the data: `PORT`
//! and the answer 227 (RFC 959 §§4.1.2, 4.2; RFC 1123 §4.1.2.6), `EPRT` and the answer 229 (RFC 2428).

use super::Packet;
use crate::abi::{address::Address, units::Port};

/// How many bytes of a line are looked at. The longest that means something has fewer: an answer's words are the server's to
/// choose, and those of servers in use have 27.
pub const LOOKED_AT: u32 = 128;

/// Bytes of a command, or of an answer's code and what is behind it.
const WORD: u32 = 4;

/// Whose line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// Who has opened the control connection.
    Client,
    /// The other end.
    Server,
}

/// What one more byte has told.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing yet.
    More = 0,
    /// All: address and port.
    Announced = 1,
    /// That the line announces nothing.
    Nothing = 2,
}

impl Told {
    /// From its number.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::More,
            1 => Self::Announced,
            _ => Self::Nothing,
        }
    }
}

/// What is read next.
mod stage {
    /// Before six numbers: anything but digits.
    pub const WORDS: u8 = 0;
    /// Before a command's arguments: spaces.
    pub const SPACES: u8 = 1;
    /// Six numbers with commas between them.
    pub const NUMBERS: u8 = 2;
    /// Before what is in parentheses.
    pub const PARENTHESIS: u8 = 3;
    /// What the arguments are delimited by.
    pub const DELIMITER: u8 = 4;
    /// Nothing, where a family or an address might stand.
    pub const EMPTY: u8 = 5;
    /// The family of the address.
    pub const FAMILY: u8 = 6;
    /// What ends that.
    pub const FAMILY_END: u8 = 7;
    /// Four numbers with dots between them.
    pub const ADDRESS4: u8 = 8;
    /// An address of IPv6 as text (RFC 4291 §2.2), without numbers of IPv4 in it.
    pub const ADDRESS6: u8 = 9;
    /// The port.
    pub const PORT: u8 = 10;
}

/// Groups of an address of IPv6.
const GROUPS: u8 = 8;

/// A line that is being read, a byte at a time.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The address: of IPv6, the groups before a gap, from the highest bit on.
    head: [u64; 2],
    /// The groups after the gap, the last one lowest. Of IPv4, the address.
    tail: [u64; 2],
    /// The number, group or port that is being read.
    number: u32,
    /// What is read next.
    stage: u8,
    /// What the arguments are delimited by.
    delimiter: u8,
    /// Numbers or groups before this one.
    count: u8,
    /// Digits of this one.
    digits: u8,
    /// Colons just before.
    colons: u8,
    /// One if there was a gap.
    gap: u8,
    /// One if the address is told, and is one of IPv6.
    is_v6: u8,
    /// One if the line ends behind the last number.
    ends: u8,
    /// Unused.
    padding: u32,
}

impl Line {
    /// One that begins with these four bytes, as they lie in the packet. Nothing if such a line announces nothing.
    #[inline(always)]
    pub const fn begin(word: u32, speaker: Speaker) -> Option<Self> {
        const UPPER_CASE: u32 = 0xdfdf_dfdf;
        const PORT: u32 = u32::from_be_bytes(*b"PORT");
        const EPRT: u32 = u32::from_be_bytes(*b"EPRT");
        const PASSIVE: u32 = u32::from_be_bytes(*b"227 ");
        const EXTENDED_PASSIVE: u32 = u32::from_be_bytes(*b"229 ");
        let word = u32::from_be(word);
        let (stage, ends) = match speaker {
            Speaker::Client if word & UPPER_CASE == PORT => (stage::SPACES, 1),
            Speaker::Client if word & UPPER_CASE == EPRT => (stage::SPACES, 0),
            Speaker::Server if word == PASSIVE => (stage::WORDS, 0),
            Speaker::Server if word == EXTENDED_PASSIVE => (stage::PARENTHESIS, 0),
            _ => return None,
        };
        Some(Self {
            head: [0; 2],
            tail: [0; 2],
            number: 0,
            stage,
            delimiter: 0,
            count: 0,
            digits: 0,
            colons: 0,
            gap: 0,
            is_v6: 0,
            ends,
            padding: 0,
        })
    }

    /// Reads the byte at `offset`.
    #[inline(always)]
    pub fn step<P: Packet>(&mut self, packet: &P, offset: u32) -> Told {
        // With those before it: it may be the packet's last.
        match packet.rare_words::<1>(offset.wrapping_sub(3)) {
            Some([word]) => self.read(u32::from_be(word) as u8),
            None => Told::Nothing,
        }
    }

    #[inline(always)]
    fn read(&mut self, byte: u8) -> Told {
        match self.stage {
            stage::WORDS => self.after_words(byte),
            stage::SPACES => self.after_spaces(byte),
            stage::NUMBERS => self.numbers(byte),
            stage::PARENTHESIS if byte == b'(' => self.go_to(stage::DELIMITER),
            stage::PARENTHESIS => Told::More,
            stage::DELIMITER => self.delimited(byte, stage::EMPTY),
            stage::EMPTY => self.empty(byte),
            stage::FAMILY => self.family(byte),
            stage::FAMILY_END => self.after_family(byte),
            stage::ADDRESS4 => self.address4(byte),
            stage::ADDRESS6 => self.address6(byte),
            _ => self.port(byte),
        }
    }

    /// The port that was announced, if it is one of `address`, or no address was told.
    #[inline(always)]
    pub const fn port_of(&self, address: &Address) -> Option<Port> {
        let [a, b, c, d] = address.0;
        let told = match (self.is_v6 != 0, address.is_v4()) {
            (true, false) => {
                let high = (u32::from_be(a) as u64) << 32 | u32::from_be(b) as u64;
                let low = (u32::from_be(c) as u64) << 32 | u32::from_be(d) as u64;
                self.head[0] | self.tail[0] == high && self.head[1] | self.tail[1] == low
            }
            (false, true) => self.tail[1] == u32::from_be(d) as u64,
            _ => false,
        };
        // An answer 229 says nothing of the address.
        let is_silent = self.gap == NO_ADDRESS;
        if self.number != 0 && (told || is_silent) { Some(Port(self.number as u16)) } else { None }
    }

    #[inline(always)]
    const fn go_to(&mut self, stage: u8) -> Told {
        self.stage = stage;
        Told::More
    }

    #[inline(always)]
    const fn after_words(&mut self, byte: u8) -> Told {
        if !byte.is_ascii_digit() {
            return Told::More;
        }
        self.stage = stage::NUMBERS;
        self.decimal(byte, u8::MAX as u32)
    }

    #[inline(always)]
    fn after_spaces(&mut self, byte: u8) -> Told {
        match (byte, self.ends != 0) {
            (b' ', _) => Told::More,
            (_, true) => {
                self.stage = stage::NUMBERS;
                self.numbers(byte)
            }
            (_, false) => self.delimited(byte, stage::FAMILY),
        }
    }

    #[inline(always)]
    const fn numbers(&mut self, byte: u8) -> Told {
        if byte.is_ascii_digit() {
            return self.decimal(byte, u8::MAX as u32);
        }
        let is_last = self.count == 5;
        let ends = if self.ends != 0 { matches!(byte, b'\r' | b'\n') } else { byte != b',' };
        if self.digits == 0 || (is_last && !ends) || (!is_last && byte != b',') {
            return Told::Nothing;
        }
        if self.count < 4 {
            self.tail[1] = self.tail[1] << 8 | self.number as u64;
        } else {
            // The upper half of the port waits where no group stands.
            self.head[0] = self.head[0] << 8 | self.number as u64;
        }
        if !is_last {
            return self.next_number();
        }
        self.number = self.head[0] as u32;
        Told::Announced
    }

    #[inline(always)]
    const fn next_number(&mut self) -> Told {
        self.count = self.count.wrapping_add(1);
        self.number = 0;
        self.digits = 0;
        Told::More
    }

    /// One more digit of a number that is no more than `most`.
    #[inline(always)]
    const fn decimal(&mut self, byte: u8, most: u32) -> Told {
        self.number = self.number.wrapping_mul(10).wrapping_add(byte as u32 & 0xf);
        self.digits = 1;
        if self.number > most { Told::Nothing } else { Told::More }
    }

    #[inline(always)]
    const fn delimited(&mut self, byte: u8, next: u8) -> Told {
        // RFC 2428 allows all that is printed; what stands in addresses would make two things of one.
        if !byte.is_ascii_punctuation() || matches!(byte, b':' | b'.') {
            return Told::Nothing;
        }
        self.delimiter = byte;
        self.go_to(next)
    }

    #[inline(always)]
    const fn empty(&mut self, byte: u8) -> Told {
        if byte != self.delimiter {
            return Told::Nothing;
        }
        self.count = self.count.wrapping_add(1);
        if self.count == 2 {
            self.gap = NO_ADDRESS;
            self.stage = stage::PORT;
        }
        Told::More
    }

    #[inline(always)]
    const fn family(&mut self, byte: u8) -> Told {
        match byte {
            b'1' => self.is_v6 = 0,
            b'2' => self.is_v6 = 1,
            _ => return Told::Nothing,
        }
        self.go_to(stage::FAMILY_END)
    }

    #[inline(always)]
    const fn after_family(&mut self, byte: u8) -> Told {
        if byte != self.delimiter {
            return Told::Nothing;
        }
        self.go_to(if self.is_v6 != 0 { stage::ADDRESS6 } else { stage::ADDRESS4 })
    }

    #[inline(always)]
    const fn address4(&mut self, byte: u8) -> Told {
        if byte.is_ascii_digit() {
            return self.decimal(byte, u8::MAX as u32);
        }
        let is_last = self.count == 3;
        let expected = if is_last { self.delimiter } else { b'.' };
        if self.digits == 0 || byte != expected {
            return Told::Nothing;
        }
        self.tail[1] = self.tail[1] << 8 | self.number as u64;
        if is_last {
            self.stage = stage::PORT;
        }
        self.next_number()
    }

    #[inline(always)]
    const fn address6(&mut self, byte: u8) -> Told {
        if byte == b':' {
            return self.colon();
        }
        if byte == self.delimiter {
            return self.end_of_address6();
        }
        let digit = match byte {
            b'0'..=b'9' => byte & 0xf,
            b'a'..=b'f' | b'A'..=b'F' => (byte & 0xf).wrapping_add(9),
            _ => return Told::Nothing,
        };
        // One colon alone before the first group.
        let is_late = self.digits == 0 && self.count == 0 && self.gap == 0 && self.colons == 1;
        if is_late || self.digits >= 4 || self.count >= GROUPS {
            return Told::Nothing;
        }
        self.number = self.number << 4 | digit as u32;
        self.digits = self.digits.wrapping_add(1);
        self.colons = 0;
        Told::More
    }

    #[inline(always)]
    const fn colon(&mut self) -> Told {
        if self.digits != 0 {
            self.push();
            self.colons = 1;
            return Told::More;
        }
        self.colons = self.colons.wrapping_add(1);
        match (self.colons, self.gap, self.count) {
            (1, 0, 0) => Told::More,
            (2, 0, _) => {
                self.gap = 1;
                Told::More
            }
            _ => Told::Nothing,
        }
    }

    /// Takes a group in.
    #[inline(always)]
    const fn push(&mut self) {
        let group = self.number as u64;
        if self.gap != 0 {
            self.tail = [self.tail[0] << 16 | self.tail[1] >> 48, self.tail[1] << 16 | group];
        } else {
            let left = 48_u32.wrapping_sub((self.count as u32 & 3).wrapping_mul(16)) & 63;
            if self.count < 4 {
                self.head[0] |= group << left;
            } else {
                self.head[1] |= group << left;
            }
        }
        self.next_number();
    }

    #[inline(always)]
    const fn end_of_address6(&mut self) -> Told {
        if self.digits != 0 {
            self.push();
        } else if self.colons != 2 {
            return Told::Nothing;
        }
        let is_whole = if self.gap != 0 { self.count < GROUPS } else { self.count == GROUPS };
        if is_whole { self.go_to(stage::PORT) } else { Told::Nothing }
    }

    #[inline(always)]
    const fn port(&mut self, byte: u8) -> Told {
        if byte.is_ascii_digit() {
            return self.decimal(byte, u16::MAX as u32);
        }
        if byte == self.delimiter && self.digits != 0 { Told::Announced } else { Told::Nothing }
    }
}

/// In the place of a gap: no address was told.
const NO_ADDRESS: u8 = 2;

/// The port at which whoever sends the line of `length` bytes at `offset` waits for a connection, if it announces one of
/// `address`, which is its sender's. (One of another's would have the sender open doors to a third party: RFC 2577.)
#[inline(always)]
pub fn announced<P: Packet>(
    packet: &P,
    (offset, length): (u32, u32),
    speaker: Speaker,
    address: &Address,
) -> Option<Port> {
    if length < WORD {
        return None;
    }
    let [word] = packet.rare_words::<1>(offset)?;
    let mut line = Line::begin(word, speaker)?;
    let mut told = Told::More;
    for place in WORD..LOOKED_AT {
        if place >= length {
            break;
        }
        told = packet.line_step(&mut line, offset.wrapping_add(place));
        if told != Told::More {
            break;
        }
    }
    if told == Told::Announced { line.port_of(address) } else { None }
}

//! A named set: what the loader writes and the programs look entries up in.
//!
//! A set lies on a [shelf], as rulesets do: lines of 64 bytes that follow each other. Line 0 is the
//! [`Header`]; the others are a hash table. A line has room for as many [`Entry`]s as fit. An entry is looked for in the line
//! that its hash leads to ([`home`]), and, where that line is marked [`OVERFLOW`], in the [next one](following), which comes
//! after the last line round again. Entries never move within a table, so that it may be changed while programs look at it: lines are
//! written one after the other, the first word of an entry last, and a place whose entry has gone is used again only if
//! entries are not longer than a word. (Who looks at a line in the instant when it is written may meet some bytes of an
//! entry and not the others.)
//!
//! Addresses of IPv4 are [half a word](HALF) each, so that a line has fifteen of them, and [`OVERFLOW`].

use super::rules::{Family, Line, WORDS, half, pair, shelf};

/// Tells a set from anything else: "bset".
pub const MAGIC: u32 = 0x6273_6574;

/// Version of the layout of sets. No lookup finds anything in another.
pub const LAYOUT: u32 = 2;

/// How many sets there may be on a node: their numbers are below this.
pub const NUMBERS: u32 = 1 << 14;

/// Most words of an entry.
pub const ENTRY_WORDS: usize = 5;

/// How many words an entry has that is but an address of IPv4: it takes half a word.
pub const HALF: usize = 0;

/// How many such a line has room for.
pub const HALVES: usize = 2 * WORDS - 1;

/// Most lines of a set's hash table.
pub const MOST_LINES: u32 = shelf::LINES - 1;

/// Most lengths that the networks of one set may have.
pub const MAX_LENGTHS: usize = 32;

/// Most lines that one lookup looks at. The loader sees to it that none would look at more.
pub const MAX_LINES_A_LOOKUP: u32 = 256;

/// In the first word of a line: some entry whose place would be here is in a line further on.
pub const OVERFLOW: u64 = 1 << 63;

/// In the first word of an entry: what it matches is not in the set.
pub const NOMATCH: u64 = 1 << 62;

/// The first word of a place whose entry has gone, and that is not to be used again.
pub const GONE: u64 = NOMATCH;

const PORT: u32 = 32;
const PROTOCOL: u32 = 48;
/// Of IPv4 the prefix's length; of IPv6, where it has its own place, one. So no entry is zero.
const MARK: u32 = 56;

/// What entries of a set are, after ipset's types.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Addresses.
    HashIp = 0,
    /// Networks.
    HashNet = 1,
    /// Addresses, each with protocol and port.
    HashIpPort = 2,
    /// Networks, each with protocol and port.
    HashNetPort = 3,
    /// Pairs of addresses with protocol and port.
    HashIpPortIp = 4,
    /// Address, protocol and port, network.
    HashIpPortNet = 5,
    /// Ports of TCP and UDP.
    BitmapPort = 6,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::HashIp,
        Self::HashNet,
        Self::HashIpPort,
        Self::HashNetPort,
        Self::HashIpPortIp,
        Self::HashIpPortNet,
        Self::BitmapPort,
    ];

    /// How many parts entries have.
    #[inline(always)]
    pub const fn parts(self) -> u8 {
        match self {
            Self::HashIp | Self::HashNet | Self::BitmapPort => 1,
            Self::HashIpPort | Self::HashNetPort => 2,
            Self::HashIpPortIp | Self::HashIpPortNet => 3,
        }
    }

    /// Whether protocol and port are the second part.
    #[inline(always)]
    pub const fn has_port(self) -> bool {
        self.parts() > 1
    }

    /// Whether networks are a part.
    #[inline(always)]
    pub const fn has_networks(self) -> bool {
        matches!(self, Self::HashNet | Self::HashNetPort | Self::HashIpPortNet)
    }

    /// Words of an entry, or [`HALF`].
    #[inline(always)]
    pub const fn words(self, family: Option<Family>) -> usize {
        match (self.parts(), family) {
            (1, Some(Family::Ipv4)) if matches!(self, Self::HashIp) => HALF,
            (3, Some(Family::Ipv6)) => 5,
            (_, Some(Family::Ipv6)) => 3,
            (3, _) => 2,
            _ => 1,
        }
    }

    /// Places for entries in a line.
    pub const fn places(self, family: Option<Family>) -> usize {
        match self.words(family) {
            HALF => HALVES,
            words => WORDS / words,
        }
    }

    #[inline(always)]
    const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::HashIp,
            1 => Self::HashNet,
            2 => Self::HashIpPort,
            3 => Self::HashNetPort,
            4 => Self::HashIpPortIp,
            5 => Self::HashIpPortNet,
            _ => Self::BitmapPort,
        }
    }
}

/// What the first line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Stamp of what the set holds: no two states of it share one.
    pub stamp: u64,
    /// What hashes begin with.
    pub seed: u64,
    /// What entries are.
    pub kind: Kind,
    /// Of which family; none for ports.
    pub family: Option<Family>,
    /// Lines of the hash table.
    pub lines: u32,
    /// How long the prefixes of networks are, the longest first, then zeros; of addresses, all their bits.
    pub lengths: [u8; MAX_LENGTHS],
}

impl Header {
    /// As a line.
    pub fn to_line(&self) -> Line {
        let family = match self.family {
            None => 0,
            Some(Family::Ipv4) => 4,
            Some(Family::Ipv6) => 6,
        };
        let mut line = [pair(LAYOUT, MAGIC), self.stamp, self.seed, 0, 0, 0, 0, 0];
        let words = self.kind.words(self.family) as u32;
        let kinds = pair(self.kind as u32 | family << 8 | words << 16, self.lines);
        let words = self.lengths.chunks_exact(8);
        let words = words.map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
        for (place, word) in line.iter_mut().skip(3).zip(core::iter::once(kinds).chain(words)) {
            *place = word;
        }
        line
    }

    /// From a line; nothing if it is of another layout, or no header.
    pub fn from_line(line: &Line) -> Option<Self> {
        let [_, stamp, seed, _, rest @ ..] = *line;
        let mut lengths = [0; MAX_LENGTHS];
        let bytes = rest.iter().flat_map(|word| word.to_le_bytes());
        for (place, byte) in lengths.iter_mut().zip(bytes) {
            *place = byte;
        }
        is_known(line).then(|| Self {
            stamp,
            seed,
            kind: kind(line),
            family: family(line),
            lines: lines(line),
            lengths,
        })
    }
}

/// Whether the line is a header of this layout.
#[inline(always)]
pub const fn is_known(line: &Line) -> bool {
    let [first, ..] = *line;
    first == pair(LAYOUT, MAGIC)
}

/// The kind in a header.
#[inline(always)]
pub const fn kind(line: &Line) -> Kind {
    let [_, _, _, kinds, ..] = *line;
    Kind::from_number(kinds as u8)
}

/// The family in a header.
#[inline(always)]
pub const fn family(line: &Line) -> Option<Family> {
    let [_, _, _, kinds, ..] = *line;
    match (kinds >> 8) as u8 {
        4 => Some(Family::Ipv4),
        6 => Some(Family::Ipv6),
        _ => None,
    }
}

/// The [words](Kind::words) of an entry, as a header has them.
#[inline(always)]
pub const fn words(line: &Line) -> u8 {
    let [_, _, _, kinds, ..] = *line;
    (kinds >> 16) as u8
}

/// How many lines of a hash table a header says that there are.
#[inline(always)]
pub const fn lines(line: &Line) -> u32 {
    let [_, _, _, kinds, ..] = *line;
    half(kinds, 1)
}

/// The seed in a header.
#[inline(always)]
pub const fn seed(line: &Line) -> u64 {
    let [_, _, seed, ..] = *line;
    seed
}

/// The length in a place of a header; zero if there are no more.
#[inline(always)]
pub fn length(line: &Line, place: u32) -> u8 {
    match line.get((4 + (place >> 3 & 3)) as usize) {
        Some(word) => (*word >> ((place & 7) << 3)) as u8,
        None => 0,
    }
}

/// The number, among so many lines of a hash table, of the one that a hash leads to, without a division (Lemire, "Fast random
/// integer generation in an interval", 2019).
#[inline(always)]
pub const fn home(hash: u64, lines: u32) -> u32 {
    ((hash & 0xffff_ffff).wrapping_mul(lines as u64) >> 32) as u32
}

/// The number of the line that comes after a line.
#[inline(always)]
pub const fn following(line: u32, lines: u32) -> u32 {
    let next = line.wrapping_add(1);
    if next < lines { next } else { 0 }
}

/// An address as a number of 128 bits, the upper half first; one of IPv4 is below 2³².
pub type Number = [u64; 2];

/// What is in an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parts {
    /// The first address.
    pub first: Number,
    /// The second address.
    pub second: Number,
    /// The port; for ICMP the type times 256 plus the code.
    pub port: u16,
    /// The protocol; zero in sets of ports.
    pub protocol: u8,
    /// How long the prefix of the address is that may be a network's.
    pub prefix: u8,
}

/// An entry, or what is looked for: as many words as its set's [kind](Kind::words) has, one for [half a word](HALF), then zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry(pub [u64; ENTRY_WORDS]);

impl Entry {
    /// No entry.
    pub const EMPTY: Self = Self([0; ENTRY_WORDS]);

    /// The entry with these parts, whose network is masked.
    #[inline(always)]
    pub const fn new(kind: Kind, family: Option<Family>, parts: &Parts) -> Self {
        let Parts { first, second, port, protocol, prefix } = *parts;
        let (first, second) = match kind {
            Kind::HashIpPortNet => (first, masked(family, second, prefix)),
            _ => (masked(family, first, prefix), second),
        };
        let meta = (port as u64) << PORT | (protocol as u64) << PROTOCOL;
        let ([_, low], [_, other]) = (first, second);
        match family {
            Some(Family::Ipv6) => Self([meta | prefix as u64 | 1 << MARK, first[0], low, second[0], other]),
            _ => Self([meta | low | (prefix as u64) << MARK, other, 0, 0, 0]),
        }
    }

    /// The entry of an address of IPv4 in a set of those.
    #[inline(always)]
    pub const fn of_address(address: u32) -> Self {
        Self([address as u64 | 32 << MARK, 0, 0, 0, 0])
    }

    /// Its address, if it is an address of IPv4 and nothing else.
    #[inline(always)]
    pub const fn address(&self) -> u32 {
        let [word, ..] = self.0;
        half(word, 0)
    }

    /// What is in an entry of a set of this kind.
    pub const fn parts(&self, kind: Kind, family: Option<Family>) -> Parts {
        let [meta, high, low, other_high, other_low] = self.0;
        let (port, protocol) = ((meta >> PORT) as u16, (meta >> PROTOCOL) as u8);
        if let Some(Family::Ipv6) = family {
            let (first, second) = ([high, low], [other_high, other_low]);
            return Parts { first, second, port, protocol, prefix: meta as u8 };
        }
        let second = if kind.parts() > 2 { high } else { 0 };
        let prefix = (meta >> MARK) as u8 & 0x3f;
        Parts { first: [0, meta as u32 as u64], second: [0, second], port, protocol, prefix }
    }

    /// The hash of an entry of so many words.
    #[inline(always)]
    pub const fn hash(&self, seed: u64, words: u8) -> u64 {
        let [first, second, third, fourth, fifth] = self.0;
        let mut hash = mix(seed, first);
        if words > 1 {
            hash = mix(hash, second);
        }
        if words > 2 {
            hash = mix(hash, third);
        }
        if words > 3 {
            hash = mix(mix(hash, fourth), fifth);
        }
        hash
    }
}

/// One round of a hash. The upper half of a product depends on all bits, and comes down for the next round.
#[inline(always)]
const fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 32
}

/// The first so many bits of an address.
#[inline(always)]
const fn masked(family: Option<Family>, [high, low]: Number, prefix: u8) -> Number {
    match family {
        Some(Family::Ipv6) if prefix > 64 => [high, low & ones(prefix as u32 - 64)],
        Some(Family::Ipv6) => [high & ones(prefix as u32), 0],
        _ => [0, low & ones(prefix as u32 + 32)],
    }
}

/// So many ones from the top, of 64 bits.
#[inline(always)]
const fn ones(count: u32) -> u64 {
    if count == 0 { 0 } else { u64::MAX.wrapping_shl(64_u32.wrapping_sub(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_written() {
        let mut lengths = [0; MAX_LENGTHS];
        for (place, length) in lengths.iter_mut().zip((1..=128).rev()) {
            *place = length;
        }
        for kind in Kind::ALL {
            for family in [None, Some(Family::Ipv4), Some(Family::Ipv6)] {
                let header = Header { stamp: u64::MAX, seed: 7, kind, family, lines: u32::MAX, lengths };
                let line = header.to_line();
                assert_eq!(Header::from_line(&line), Some(header));
                assert_eq!(words(&line) as usize, kind.words(family));
                assert!((0..).zip(lengths).all(|(place, wanted)| length(&line, place) == wanted));
            }
        }
        assert_eq!(Header::from_line(&[0; WORDS]), None);
    }

    #[test]
    fn entries_are_read_as_written() {
        let prefixes = [(Some(Family::Ipv4), 24), (Some(Family::Ipv6), 72), (Some(Family::Ipv6), 128)];
        for kind in Kind::ALL {
            for (family, prefix) in prefixes {
                let ones =
                    |half| if family == Some(Family::Ipv4) { [0, half & 0xffff_ffff] } else { [half; 2] };
                let second = if kind.parts() > 2 { ones(u64::MAX) } else { [0; 2] };
                let parts =
                    Parts { first: ones(u64::MAX), second, port: u16::MAX, protocol: u8::MAX, prefix };
                let entry = Entry::new(kind, family, &parts);
                let read = entry.parts(kind, family);
                assert_eq!(entry, Entry::new(kind, family, &read), "{kind:?} {family:?}");
                assert_eq!((read.port, read.protocol, read.prefix), (u16::MAX, u8::MAX, prefix));
                assert_eq!(entry.0[0] & (NOMATCH | OVERFLOW), 0);
                assert!(
                    entry.0.iter().skip(kind.words(family).max(1)).all(|word| *word == 0),
                    "{kind:?} {family:?}"
                );
            }
        }
    }

    #[test]
    fn lines_are_used_alike() {
        for lines in [1, 2, 3, 1_000, MOST_LINES] {
            assert_eq!(home(0, lines), 0);
            assert_eq!(home(u64::MAX, lines), lines - 1);
            let third = u64::from(home(1 << 32 | u64::from(u32::MAX / 3), lines));
            assert!(third.abs_diff(u64::from(lines) / 3) <= 1, "{third} of {lines}");
        }
    }

    #[test]
    fn networks_are_masked() {
        let of = |family, first, prefix| {
            Entry::new(Kind::HashNet, Some(family), &Parts { first, prefix, ..Parts::default() })
                .parts(Kind::HashNet, Some(family))
                .first
        };
        assert_eq!(of(Family::Ipv4, [0, 0xc000_02ff], 24), [0, 0xc000_0200]);
        assert_eq!(of(Family::Ipv4, [0, 0xc000_02ff], 32), [0, 0xc000_02ff]);
        assert_eq!(of(Family::Ipv6, [u64::MAX; 2], 64), [u64::MAX, 0]);
        assert_eq!(of(Family::Ipv6, [u64::MAX; 2], 65), [u64::MAX, 1 << 63]);
        assert_eq!(of(Family::Ipv6, [u64::MAX; 2], 1), [1 << 63, 0]);
        assert_eq!(of(Family::Ipv6, [u64::MAX; 2], 128), [u64::MAX; 2]);
    }
}

//! Named sets: which parts of a packet are looked up, and the lookup.
//!
//! As ipset has it (net/netfilter/ipset): a rule that names fewer parts than entries have, or is asked about a packet of
//! another family, finds nothing; further parts are ignored; of networks the longest that the packet is in decides; what
//! has no port for a part that is one is in no set.

use super::classify::Question;
use crate::abi::{
    rules::{
        Dimension, Line,
        chain::Family,
        dimension::{ABSENT, fragment},
        external::Set,
        half,
    },
    set::{self, Entry, HALF, Kind, MAX_LENGTHS, MAX_LINES_A_LOOKUP, NOMATCH, Number, OVERFLOW, Parts},
    units::Protocol,
};

/// The lines of one set.
pub trait Lines {
    /// A line.
    fn line(&self, index: u32) -> Option<&Line>;

    /// As [`Search::begin`]: a place where the kernel's lines may cut the lookup, as the other two are.
    #[inline(always)]
    fn begin(&self, search: &mut Search, header: &Line, question: &Question, asked: Set) -> bool {
        search.begin(header, question, asked)
    }

    /// As [`Search::next`].
    #[inline(always)]
    fn next(&self, search: &mut Search, header: &Line) -> bool {
        search.next(header)
    }

    /// As [`Search::find`].
    #[inline(always)]
    fn find(&self, search: &Search, line: &Line) -> Told {
        search.find(line)
    }
}

/// A lookup: plain numbers, so that it can lie in a map, for the reasons that a walk's
/// [`State`](super::classify::State) does.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// What the packet has.
    first: Number,
    second: Number,
    port: u16,
    protocol: u8,
    /// Words of an entry.
    words: u8,
    /// The line of the hash table that is to be looked at next.
    line: u32,
    /// How many lengths of prefixes were tried.
    tried: u32,
    /// What is looked for at present.
    entry: Entry,
}

/// What one line tells.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The entry is not in it.
    Nothing = 0,
    /// What is looked for is in the set.
    InSet = 1,
    /// It is excepted from the set.
    NotInSet = 2,
}

impl Told {
    /// What this number stands for.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::InSet,
            2 => Self::NotInSet,
            _ => Self::Nothing,
        }
    }
}

impl Search {
    /// Before any lookup.
    pub const EMPTY: Self = Self {
        first: [0; 2],
        second: [0; 2],
        port: 0,
        protocol: 0,
        words: 0,
        line: 0,
        tried: 0,
        entry: Entry::EMPTY,
    };

    /// Whether the packet is in the set, as [`plainly`] has not told, whatever lookup the search was before.
    #[inline(always)]
    pub fn is_in<L: Lines>(&mut self, lines: &L, question: &Question, asked: Set) -> bool {
        let Some(header) = lines.line(0) else { return false };
        if !lines.begin(self, header, question, asked) || !lines.next(self, header) {
            return false;
        }
        for _ in 0..MAX_LINES_A_LOOKUP {
            let Some(line) = lines.line(self.line.wrapping_add(1)) else { return false };
            match lines.find(self, line) {
                Told::InSet => return true,
                Told::NotInSet => return false,
                Told::Nothing => {}
            }
            self.line = set::following(self.line, set::lines(header));
            if !is_full(line) && !lines.next(self, header) {
                return false;
            }
        }
        false
    }

    /// Takes from the packet what is to be looked up; nothing can be found if it does not have that.
    #[inline(always)]
    pub fn begin(&mut self, header: &Line, question: &Question, asked: Set) -> bool {
        let Set { parts, destinations } = asked;
        let (kind, family) = (set::kind(header), set::family(header));
        let fits = family.is_none_or(|family| family == question.family);
        if parts < kind.parts() || !fits {
            return false;
        }
        self.words = set::words(header);
        self.tried = 0;
        self.port = 0;
        self.protocol = 0;
        if kind == Kind::BitmapPort {
            // Hidden from the compiler, which would call a function to fill the place, for which there is no stack left.
            self.first = [core::hint::black_box(0); 2];
            return self.take_port(question, destinations & 1 != 0) && self.forget_protocol();
        }
        self.first = address(question, destinations & 1 != 0);
        // Of no meaning to kinds with fewer parts.
        self.second = address(question, destinations & 4 != 0);
        if kind == Kind::HashIp {
            return self.first != [0; 2];
        }
        !kind.has_port() || self.take_port(question, destinations & 2 != 0)
    }

    /// Protocol and port (`get_port` in net/netfilter/ipset/ip_set_getport.c).
    #[inline(always)]
    fn take_port(&mut self, question: &Question, destination: bool) -> bool {
        let protocol = question.fields.get(Dimension::Protocol) as u8;
        let is_icmp = protocol == Protocol::ICMP.0 || protocol == Protocol::ICMPV6.0;
        self.protocol = protocol;
        if !is_icmp && !has_ports(Protocol(protocol)) {
            let later = question.fields.get(Dimension::Fragment) == fragment::LATER;
            return protocol != 0 && !(later && question.family == Family::Ipv6);
        }
        let port = if is_icmp || destination {
            question.fields.get(Dimension::DestinationPort)
        } else {
            question.fields.get(Dimension::SourcePort)
        };
        self.port = port as u16;
        port != ABSENT
    }

    /// Sets of ports are those of TCP and UDP alike.
    #[inline(always)]
    fn forget_protocol(&mut self) -> bool {
        let protocol = Protocol(self.protocol);
        self.protocol = 0;
        protocol == Protocol::TCP || protocol == Protocol::UDP
    }

    /// Goes on to the next length of prefixes, if there is one.
    #[inline(always)]
    pub fn next(&mut self, header: &Line) -> bool {
        let prefix = set::length(header, self.tried);
        if self.tried >= MAX_LENGTHS as u32 || prefix == 0 {
            return false;
        }
        self.tried = self.tried.wrapping_add(1);
        let (first, second) = (self.first, self.second);
        let parts = Parts { first, second, port: self.port, protocol: self.protocol, prefix };
        self.entry = Entry::new(set::kind(header), set::family(header), &parts);
        self.line = set::home(self.entry.hash(set::seed(header), self.words), set::lines(header));
        true
    }

    /// Looks for the present entry in a line.
    #[inline(always)]
    pub fn find(&self, line: &Line) -> Told {
        match self.words as usize {
            HALF => find_half(line, self.entry.address()),
            1 => find_words::<1>(line, &self.entry),
            2 => find_words::<2>(line, &self.entry),
            3 => find_words::<3>(line, &self.entry),
            _ => find_words::<5>(line, &self.entry),
        }
    }
}

/// What [`plainly`] tells.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plainly {
    /// The packet is not in the set.
    NotIn = 0,
    /// It is.
    In = 1,
    /// It takes a [`Search`] to tell.
    Untold = 2,
    /// What is there is no set.
    Damaged = 3,
}

/// Whether the packet is in a set of addresses of IPv4: the commonest kind by far, for which nothing has to be kept from one line to the
/// next. Not told of other sets, or where too many lines are full.
#[inline(always)]
pub fn plainly<L: Lines>(lines: &L, question: &Question, asked: Set) -> Plainly {
    let Some(header) = lines.line(0).filter(|line| set::is_known(line)) else { return Plainly::Damaged };
    let Some(address) = plain(header, question, asked) else { return Plainly::Untold };
    if address == 0 {
        return Plainly::NotIn;
    }
    let entry = Entry::of_address(address);
    let all = set::lines(header);
    let mut place = set::home(entry.hash(set::seed(header), HALF as u8), all);
    for _ in 0..PLAIN_LINES {
        let Some(line) = lines.line(place.wrapping_add(1)) else { return Plainly::Damaged };
        if find_half(line, address) == Told::InSet {
            return Plainly::In;
        }
        if !is_full(line) {
            return Plainly::NotIn;
        }
        place = set::following(place, all);
    }
    Plainly::Untold
}

/// How many lines are looked at for a [`plain`] address before it is looked for as all else is.
const PLAIN_LINES: u32 = 4;

/// The packet's address, if the set is one of addresses of IPv4.
#[inline(always)]
fn plain(header: &Line, question: &Question, asked: Set) -> Option<u32> {
    let fits = set::kind(header) == Kind::HashIp
        && matches!(set::family(header), Some(Family::Ipv4))
        && question.family == Family::Ipv4
        && asked.parts > 0;
    if !fits {
        return None;
    }
    let [_, address] = address(question, asked.destinations & 1 != 0);
    Some(address as u32)
}

/// Whether the entry that is looked for may be in a line further on.
#[inline(always)]
fn is_full(line: &Line) -> bool {
    let [first, ..] = line;
    first & OVERFLOW != 0
}

#[inline(always)]
fn find_words<const N: usize>(line: &Line, entry: &Entry) -> Told {
    let [wanted, rest @ ..] = &entry.0;
    for place in line.chunks_exact(N) {
        let Some((first, others)) = place.split_first() else { break };
        let difference = (first & !OVERFLOW) ^ wanted;
        if difference & !NOMATCH == 0 && others.iter().zip(rest).all(|(word, wanted)| word == wanted) {
            return if difference == 0 { Told::InSet } else { Told::NotInSet };
        }
    }
    Told::Nothing
}

/// Looks for an address, which is not zero, in a line of addresses.
#[inline(always)]
fn find_half(line: &Line, address: u32) -> Told {
    let [first, rest @ ..] = line;
    let is_in = half(*first, 0) == address
        || rest.iter().any(|word| half(*word, 0) == address || half(*word, 1) == address);
    if is_in { Told::InSet } else { Told::Nothing }
}

/// Whether a protocol has ports, as ipset sees it.
pub const fn has_ports(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::TCP | Protocol::UDP | Protocol::UDPLITE | Protocol::SCTP)
}

/// The address at one end of the packet.
#[inline(always)]
fn address(question: &Question, destination: bool) -> Number {
    let part = |number: u32| {
        let (source, other) = (Dimension::Source.first_part(), Dimension::Destination.first_part());
        let first = if destination { other } else { source };
        question.fields.part(first.wrapping_add(number)).unwrap_or(0) as u64
    };
    match question.family {
        Family::Ipv4 => [0, part(0)],
        Family::Ipv6 => [part(0) << 32 | part(1), part(2) << 32 | part(3)],
    }
}

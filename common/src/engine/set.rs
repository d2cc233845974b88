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
    },
    set::{self, Entry, Kind, MAX_LENGTHS, MAX_LINES_A_LOOKUP, NOMATCH, Number, OVERFLOW, Parts},
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
    /// The line to be looked at next, before it is masked.
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

    /// Whether the packet is in the set, whatever lookup the search was before.
    #[inline(always)]
    pub fn is_in<L: Lines>(&mut self, lines: &L, question: &Question, asked: Set) -> bool {
        let Some(header) = lines.line(0) else { return false };
        if !lines.begin(self, header, question, asked) || !lines.next(self, header) {
            return false;
        }
        for _ in 0..MAX_LINES_A_LOOKUP {
            let Some(line) = lines.line((self.line & set::mask(header)).wrapping_add(1)) else {
                return false;
            };
            match lines.find(self, line) {
                Told::InSet => return true,
                Told::NotInSet => return false,
                Told::Nothing => {}
            }
            self.line = self.line.wrapping_add(1);
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
        if !set::is_known(header) || parts < kind.parts() || !fits {
            return false;
        }
        self.words = kind.words(family) as u8;
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
        self.line = self.entry.hash(set::seed(header), self.words) as u32;
        true
    }

    /// Looks for the present entry in a line.
    #[inline(always)]
    pub fn find(&self, line: &Line) -> Told {
        match self.words {
            1 => find_words::<1>(line, &self.entry),
            2 => find_words::<2>(line, &self.entry),
            3 => find_words::<3>(line, &self.entry),
            _ => find_words::<5>(line, &self.entry),
        }
    }
}

/// Whether the packet is in a set of addresses of IPv4: the commonest kind by far, for which nothing has to be kept from one line to the
/// next. Not told of other sets, or where too many lines are full: those take a [`Search`].
#[inline(always)]
pub fn is_in_plain<L: Lines>(lines: &L, question: &Question, asked: Set) -> Option<bool> {
    let header = lines.line(0)?;
    let entry = plain(header, question, asked)?;
    let hash = entry.hash(set::seed(header), 1) as u32;
    for step in 0..PLAIN_LINES {
        let place = hash.wrapping_add(step) & set::mask(header);
        let line = lines.line(place.wrapping_add(1))?;
        if find_words::<1>(line, &entry) == Told::InSet {
            return Some(true);
        }
        if !is_full(line) {
            return Some(false);
        }
    }
    None
}

/// How many lines are looked at for a [`plain`] entry before it is looked for as all others are.
const PLAIN_LINES: u32 = 4;

/// The entry of a packet's address in a set of addresses of IPv4.
#[inline(always)]
fn plain(header: &Line, question: &Question, asked: Set) -> Option<Entry> {
    let family = Some(Family::Ipv4);
    let fits = set::kind(header) == Kind::HashIp
        && set::family(header) == family
        && question.family == Family::Ipv4
        && asked.parts > 0;
    if !fits || !set::is_known(header) {
        return None;
    }
    let first = address(question, asked.destinations & 1 != 0);
    // As what no address is looked for is no set's entry; without a prefix it would be what is in a place that is free.
    let prefix = if first == [0; 2] { 1 } else { 32 };
    Some(Entry::new(Kind::HashIp, family, &Parts { first, prefix, ..Parts::default() }))
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

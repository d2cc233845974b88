//! Transport headers and what follows them.

use std::vec::Vec;

use super::Random;

/// What an IP packet carries.
pub(super) struct Segment {
    pub(super) protocol: u8,
    pub(super) bytes: Vec<u8>,
}

impl Segment {
    fn new(protocol: u8) -> Self {
        Self { protocol, bytes: Vec::new() }
    }

    fn with(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Appends some data.
    pub(super) fn filled(mut self, random: &mut Random) -> Self {
        let count = random.below(24);
        random.fill(&mut self.bytes, count);
        self
    }
}

pub(super) fn tcp((source, destination): (u16, u16), random: &mut Random) -> Segment {
    // Mostly what a connection is made of: SYN, SYN/ACK, ACK, PSH/ACK, FIN/ACK, RST, RST/ACK.
    let usual = random.pick(&[0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14]).unwrap_or(0);
    let flags = if random.once_in(8) { random.byte() } else { usual };
    let option_words = if random.once_in(3) { random.below(11) } else { 0 };
    let mut segment = Segment::new(6).with(&source.to_be_bytes()).with(&destination.to_be_bytes());
    random.fill(&mut segment.bytes, 8);
    segment.bytes.extend([(5 + option_words as u8) << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    // No-operation options.
    segment.bytes.extend(core::iter::repeat_n(1, option_words * 4));
    segment.filled(random)
}

/// UDP and UDP-Lite, whose length field means all.
pub(super) fn udp(protocol: u8, (source, destination): (u16, u16), random: &mut Random) -> Segment {
    let mut data = Vec::new();
    let count = random.below(24);
    random.fill(&mut data, count);
    let length = 8 + data.len() as u16;
    Segment::new(protocol)
        .with(&source.to_be_bytes())
        .with(&destination.to_be_bytes())
        .with(&length.to_be_bytes())
        .with(&[0, 0])
        .with(&data)
}

pub(super) fn sctp((source, destination): (u16, u16), random: &mut Random) -> Segment {
    // Few tags, so that some are right.
    let tag = random.pick(&[0, 0, 1, 2]).unwrap_or(0);
    let mut segment = Segment::new(132).with(&source.to_be_bytes()).with(&destination.to_be_bytes());
    segment.bytes.extend([0, 0, 0, tag]);
    random.fill(&mut segment.bytes, 4);
    for _ in 0..=random.below(3) {
        // INIT, INIT ACK, COOKIE ECHO, COOKIE ACK, and everything else.
        let usual = random.pick(&[1, 1, 2, 10, 11, 0, 3, 4, 5, 6, 7, 8, 9, 14]).unwrap_or(0);
        let kind = if random.once_in(16) { random.byte() } else { usual };
        let (flags, body) = (random.byte() & 1, if matches!(kind, 1 | 2) { 16 } else { random.below(3) * 4 });
        segment.bytes.extend([kind, flags, 0, 4 + body as u8, 0, 0, 0, random.byte() & 3]);
        segment.bytes.truncate(segment.bytes.len() - 4 + body.min(4));
        segment.bytes.extend(core::iter::repeat_n(0, body.saturating_sub(4)));
    }
    if random.once_in(4) { segment.filled(random) } else { segment }
}

/// A query or its answer.
pub(super) fn query(v6: bool, id: u16, random: &mut Random) -> Segment {
    let kinds: &[u8] = if v6 { &[128, 129] } else { &[8, 0, 8, 0, 13, 14, 15, 16, 17, 18] };
    let kind = random.pick(kinds).unwrap_or(8);
    icmp(v6, kind).with(&[0, 0, 0]).with(&id.to_be_bytes()).with(&[0, 1]).filled(random)
}

/// An error that quotes `packet`, or as much of it as old routers do.
pub(super) fn error(v6: bool, packet: &[u8], random: &mut Random) -> Segment {
    let kinds: &[u8] = if v6 { &[1, 2, 3, 4] } else { &[3, 4, 5, 11, 12] };
    let kind = random.pick(kinds).unwrap_or(3);
    let short = if v6 { 48 } else { 28 };
    let length = if random.once_in(3) { packet.len().min(short) } else { packet.len() };
    let code = random.below(4) as u8;
    icmp(v6, kind).with(&[code, 0, 0, 0, 0, 0, 0]).with(packet.get(..length).unwrap_or(packet))
}

/// Discovery, membership, and kinds that nobody knows.
pub(super) fn link(v6: bool, random: &mut Random) -> Segment {
    let kinds: &[u8] =
        if v6 { &[130, 131, 132, 133, 134, 135, 136, 137, 143, 200] } else { &[9, 10, 40, 42, 200] };
    let kind = random.pick(kinds).unwrap_or(200);
    icmp(v6, kind).with(&[0, 0, 0, 0, 0, 0, 0]).filled(random)
}

pub(super) fn gre(key: u16, random: &mut Random) -> Segment {
    let (checksum, keyed, sequence) = (random.once_in(3), !random.once_in(3), random.once_in(3));
    let flags = u8::from(checksum) << 7 | u8::from(keyed) << 5 | u8::from(sequence) << 4;
    let mut segment = Segment::new(47).with(&[flags, 0, 0x08, 0x00]);
    if checksum {
        segment.bytes.extend([0; 4]);
    }
    if keyed {
        segment.bytes.extend(u32::from(key).to_be_bytes());
    }
    if sequence {
        segment.bytes.extend([0, 0, 0, 1]);
    }
    segment.filled(random)
}

/// A protocol without anything like ports.
pub(super) fn bare(random: &mut Random) -> Segment {
    // IP in IP, ESP, AH's neighbour in number, OSPF, L2TP, one for experiments.
    let protocol = random.pick(&[4, 50, 89, 115, 253]).unwrap_or(50);
    Segment::new(protocol).filled(random)
}

pub(super) fn igmp(random: &mut Random) -> Segment {
    let kind = random.pick(&[0x11, 0x16, 0x17, 0x22]).unwrap_or(0x16);
    Segment::new(2).with(&[kind, 0, 0, 0, 224, 0, 0, 251])
}

/// Neighbour discovery about a target, with a hardware address, as far as the message has such.
pub(super) fn neighbour(target: [u8; 16], mac: [u8; 6], random: &mut Random) -> Segment {
    let kind = random.pick(&[133, 135, 136]).unwrap_or(136);
    let option = random.pick(&[1, 2, 14]).unwrap_or(1);
    let message = icmp(true, kind).with(&[0; 7]);
    let message = if kind == 133 { message } else { message.with(&target) };
    if random.once_in(4) { message } else { message.with(&[option, 1]).with(&mac) }
}

pub(super) fn neighbour_solicitation(target: [u8; 16]) -> Segment {
    icmp(true, 135).with(&[0; 7]).with(&target)
}

fn icmp(v6: bool, kind: u8) -> Segment {
    Segment::new(if v6 { 58 } else { 1 }).with(&[kind])
}

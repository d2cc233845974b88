//! Counts every frame at the hook where berth counts, owing berth nothing.

use std::io;
use std::ops::{Add, Sub};
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};

use super::clsact::Filter;
use super::counting::{self, WORDS, WORDS_PER_TALLY};
use super::sys;
use crate::link;
use crate::netns::{Netns, in_netns};

/// Which way frames pass an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the wire to the host.
    Ingress,
    /// From the host to the wire.
    Egress,
}

impl Direction {
    /// The attach type of a TCX program.
    pub fn tcx(self) -> u32 {
        match self {
            Self::Ingress => 46,
            Self::Egress => 47,
        }
    }
}

/// Where a program stands among those that are there when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It sees every frame, and what others drop.
    First,
    /// It sees what the others have let through.
    Last,
}

impl Place {
    fn flags(self) -> u32 {
        match self {
            Self::First => 1 << 3,
            Self::Last => 1 << 4,
        }
    }
}

/// A sum of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Buffers: what a program is called for.
    pub skbs: u64,
    /// Segments: what the wire carries once a buffer is segmented.
    pub packets: u64,
    /// Bytes of the buffers (`skb->len`).
    pub len: u64,
    /// Bytes the segments are on the wire: each has the headers that the buffer has once.
    pub bytes: u64,
    /// What the kernel says of that (`skb->wire_len`): the same at egress; at ingress, on Linux 6.18, `len` without
    /// the Ethernet header.
    pub wire_len: u64,
}

/// What a counter has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames proper.
    pub frames: Tally,
    /// Looped copies of own multicast and broadcast frames, which never were on the wire.
    pub looped: Tally,
}

/// A counting program on an interface. Dropping it takes it off.
#[derive(Debug)]
pub struct Counter {
    map: OwnedFd,
    _attachment: Attachment,
}

/// What holds a program to an interface. Kernels before 6.6 have no TCX.
#[derive(Debug)]
enum Attachment {
    Tcx { _link: OwnedFd },
    Clsact { _filter: Filter },
}

impl Counter {
    /// Counts what passes an interface from now on.
    pub fn attach(netns: &Netns, interface: &str, direction: Direction, place: Place) -> Result<Self> {
        let size = u32::try_from(WORDS * size_of::<u64>())?;
        let map = sys::create_array("test_counts", size, 1).context("make a map")?;
        let program = sys::load_classifier("test_counter", &counting::program(map.as_fd()))?;
        let index = link::index(netns, interface)?;
        let attachment = match in_netns(netns, || Attachment::tcx(&program, index, direction, place))? {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                let filter = Filter::attach(&program, netns, interface, direction, place);
                filter.map(|filter| Attachment::Clsact { _filter: filter })
            }
            attachment => attachment.map_err(Into::into),
        };
        let attachment = attachment.with_context(|| format!("count at {interface}"))?;
        Ok(Self { map, _attachment: attachment })
    }

    /// What has passed so far.
    pub fn read(&self) -> Result<Counts> {
        let words: [u64; WORDS] = sys::first_value(self.map.as_fd()).context("read a counter")?;
        let (frames, looped) = words.split_at(WORDS_PER_TALLY);
        Ok(Counts { frames: Tally::from_words(frames)?, looped: Tally::from_words(looped)? })
    }
}

impl Tally {
    fn from_words(words: &[u64]) -> Result<Self> {
        let &[skbs, packets, len, wire_len, bytes] = words else { bail!("{} words", words.len()) };
        Ok(Self { skbs, packets, len, bytes, wire_len })
    }
}

impl Attachment {
    fn tcx(program: &OwnedFd, index: u32, direction: Direction, place: Place) -> io::Result<Self> {
        let link = sys::create_link(program.as_fd(), index, direction.tcx(), place.flags())?;
        Ok(Self::Tcx { _link: link })
    }
}

impl Sub for Tally {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            skbs: self.skbs - earlier.skbs,
            packets: self.packets - earlier.packets,
            len: self.len - earlier.len,
            bytes: self.bytes - earlier.bytes,
            wire_len: self.wire_len - earlier.wire_len,
        }
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            skbs: self.skbs + other.skbs,
            packets: self.packets + other.packets,
            len: self.len + other.len,
            bytes: self.bytes + other.bytes,
            wire_len: self.wire_len + other.wire_len,
        }
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { frames: self.frames - earlier.frames, looped: self.looped - earlier.looped }
    }
}

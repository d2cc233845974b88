//! The programs' events.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use aya::maps::{Map, MapData, RingBuf};
use berth_common::abi::{event::Event, flow_event::FlowEvent, units::Nanos};

use super::{ControlError, Kernel, maps, plain::read};

/// A record of the programs.
#[derive(Clone, Copy, Debug)]
pub enum Record {
    /// Something that was dropped, refused or logged.
    Incident(Event),
    /// A flow that has begun or ended.
    Flow(FlowEvent),
}

impl Record {
    /// When it happened.
    pub const fn time(&self) -> Nanos {
        match self {
            Self::Incident(event) => event.time,
            Self::Flow(event) => event.time,
        }
    }
}

/// Reads events. Its descriptor becomes readable when there are some: read until there are none, then wait again.
pub struct Events {
    ring: RingBuf<MapData>,
}

impl Kernel {
    /// The events of the programs. Only one reader gets each.
    pub fn events(&self) -> Result<Events, ControlError> {
        const NAME: &str = "EVENTS";

        let ring = Map::from_map_data(maps::open(&self.pins, NAME)?)
            .and_then(RingBuf::try_from)
            .map_err(ControlError::map(NAME, "open"))?;
        Ok(Events { ring })
    }
}

/// The events there are at present; more may come after the end.
impl Iterator for Events {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let record = self.ring.next()?;
        // One of another length would be another version's, which is refused before we get here.
        let incident = || read(&record).map(Record::Incident);
        read(&record).map(Record::Flow).or_else(incident)
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

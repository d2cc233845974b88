//! The programs' events.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use aya::maps::{Map, MapData, RingBuf};
use berth_common::abi::event::Event;

use super::{ControlError, Kernel, maps, plain::read};

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
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        // A record of another length would be another version's, which is refused before we get here.
        self.ring.next().and_then(|record| read(&record))
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

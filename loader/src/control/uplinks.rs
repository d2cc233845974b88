//! The node's uplinks.

use berth_common::abi::{config::MAX_UPLINKS, names, units::ContainerId};

use super::{
    ControlError, Kernel,
    error::Context as _,
    tc::{self, Direction, Place},
};
use crate::containers::Link;

impl Kernel {
    /// Attaches to these uplinks (and to `lo`), and detaches from those no longer listed.
    pub fn set_uplinks(&mut self, uplinks: &[Link]) -> Result<(), ControlError> {
        self.check_uplinks(uplinks)?;
        let mut wanted: Vec<Place> = uplinks.iter().flat_map(uplink_places).collect();
        wanted.push(loopback_place()?);

        let mut made = Vec::new();
        for place in &wanted {
            match tc::attach(&self.pins, &self.programs, self.method, place) {
                Ok(true) => made.push(place),
                Ok(false) => {}
                Err(error) => {
                    for place in made {
                        tc::detach(&self.pins, place)?;
                    }
                    return Err(error);
                }
            }
        }
        self.change_config(|config| {
            config.uplinks = [0; MAX_UPLINKS];
            for (place, uplink) in config.uplinks.iter_mut().zip(uplinks) {
                *place = uplink.ifindex;
            }
        })?;
        for place in tc::places(&self.pins)? {
            if is_ours(&place.program) && !wanted.contains(&place) {
                tc::detach(&self.pins, &place)?;
            }
        }
        Ok(())
    }

    fn check_uplinks(&self, uplinks: &[Link]) -> Result<(), ControlError> {
        if uplinks.len() > MAX_UPLINKS {
            return Err(ControlError::TooManyUplinks { count: uplinks.len() });
        }
        for uplink in uplinks {
            let taken = |holder| ControlError::InterfaceTaken { name: uplink.name.clone(), holder };
            if uplink.name == "lo" {
                return Err(ControlError::LoopbackUplink);
            }
            if let Some(entry) = self.maps.interfaces.get(uplink.ifindex)? {
                return Err(taken(entry.container));
            }
            if uplinks.iter().filter(|other| other.ifindex == uplink.ifindex).count() > 1 {
                return Err(taken(ContainerId::HOST));
            }
        }
        Ok(())
    }
}

fn uplink_places(link: &Link) -> [Place; 2] {
    let (ingress, egress) = if link.ethernet {
        (names::UPLINK_INGRESS, names::UPLINK_EGRESS)
    } else {
        (names::UPLINK_INGRESS_IP, names::UPLINK_EGRESS_IP)
    };
    [(Direction::In, ingress), (Direction::Out, egress)].map(|(direction, program)| Place {
        ifindex: link.ifindex,
        direction,
        program: program.to_owned(),
    })
}

fn loopback_place() -> Result<Place, ControlError> {
    Ok(Place {
        ifindex: nix::net::if_::if_nametoindex("lo").context(|| "find interface lo".to_owned())?,
        direction: Direction::Out,
        program: names::LOOPBACK_EGRESS.to_owned(),
    })
}

/// Whether a program is for uplinks or `lo`, rather than for containers' interfaces.
fn is_ours(program: &str) -> bool {
    [
        names::UPLINK_INGRESS,
        names::UPLINK_EGRESS,
        names::UPLINK_INGRESS_IP,
        names::UPLINK_EGRESS_IP,
        names::LOOPBACK_EGRESS,
    ]
    .contains(&program)
}

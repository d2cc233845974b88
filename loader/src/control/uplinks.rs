//! The node's uplinks.

use berth_common::abi::{
    config::{Config, MAX_UPLINKS},
    names,
    units::ContainerId,
};

use super::{
    ControlError, Kernel,
    error::Context as _,
    place::{Direction, Place},
    tc,
};
use crate::containers::Link;

impl Kernel {
    /// Attaches to these uplinks (and to `lo`), and detaches from those no longer listed.
    pub fn set_uplinks(&mut self, uplinks: &[Link]) -> Result<(), ControlError> {
        self.check_uplinks(uplinks)?;
        let mut wanted: Vec<Place> = uplinks.iter().flat_map(uplink_places).collect();
        wanted.push(loopback_place()?);

        // The programs are to know the uplinks, and how their packets begin, for as long as they are attached there.
        let before = listed(&self.maps.config.get()?);
        let new: Vec<Listed> = uplinks.iter().map(|link| (link.ifindex, !link.ethernet)).collect();
        let old = before.iter().filter(|old| !new.contains(old));
        let all: Vec<Listed> = new.iter().chain(old).copied().take(MAX_UPLINKS).collect();
        self.change_config(|config| list(config, &all))?;
        if let Err(error) = self.attach_all(&wanted) {
            self.change_config(|config| list(config, &before))?;
            return Err(error);
        }
        for place in tc::places(&self.pins)? {
            if is_ours(&place.program) && !wanted.contains(&place) {
                tc::detach(&self.pins, &place)?;
            }
        }
        self.change_config(|config| list(config, &new))
    }

    /// All, or none but those that were there.
    fn attach_all(&self, wanted: &[Place]) -> Result<(), ControlError> {
        let mut made = Vec::new();
        for place in wanted {
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

/// An uplink's index, and whether its packets begin with the IP header.
type Listed = (u32, bool);

/// The uplinks that the programs know.
fn listed(config: &Config) -> Vec<Listed> {
    let uplinks = config.uplinks.iter().filter(|ifindex| **ifindex != 0);
    uplinks.map(|ifindex| (*ifindex, config.is_bare(*ifindex))).collect()
}

/// Makes them these.
fn list(config: &mut Config, uplinks: &[Listed]) {
    (config.uplinks, config.bare_uplinks) = ([0; MAX_UPLINKS], 0);
    for (number, (place, (ifindex, is_bare))) in config.uplinks.iter_mut().zip(uplinks).enumerate() {
        *place = *ifindex;
        config.bare_uplinks |= u32::from(*is_bare) << number;
    }
}

/// Translation last: what a container has sent is its own before it looks like the node's.
fn uplink_places(link: &Link) -> [Place; 4] {
    let programs = [
        (Direction::In, names::UPLINK_INGRESS),
        (Direction::Out, names::UPLINK_EGRESS),
        (Direction::In, names::NAT_INGRESS),
        (Direction::Out, names::NAT_EGRESS),
    ];
    programs.map(|(direction, program)| Place {
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
        names::NAT_INGRESS,
        names::NAT_EGRESS,
        names::LOOPBACK_EGRESS,
    ]
    .contains(&program)
}

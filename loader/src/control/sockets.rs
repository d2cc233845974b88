//! Making sockets that were there before their container was known the container's.

use std::collections::HashSet;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::fd::AsFd as _;

use aya_obj::generated::bpf_attach_type;
use berth_common::abi::{
    address::Address,
    names,
    port::PortKey,
    socket::Adoption,
    units::{ContainerId, Port},
};

use super::{
    ControlError, Kernel,
    error::Context as _,
    sys::{self, Target},
};
use crate::containers::{Cgroup, Hierarchy, Role, Socket, sockets};

impl Kernel {
    /// Makes the sockets that exist in these cgroups the container's, which must be in force already. Returns how many
    /// there are.
    pub fn adopt_sockets(
        &mut self,
        id: ContainerId,
        generation: u32,
        cgroups: &[Cgroup],
    ) -> Result<usize, ControlError> {
        let hierarchy = Hierarchy::find()?;
        let mut adopted = HashSet::new();
        // Once more for those that were being made or bound while the first pass went by: their hooks may have run
        // before the container was in force, and the listing before they were in the tables.
        for _ in 0..2 {
            let mut within = HashSet::new();
            for cgroup in cgroups {
                within.extend(hierarchy.subtree(cgroup)?);
            }
            let found: Vec<Socket> =
                sockets()?.into_iter().filter(|socket| within.contains(&socket.cgroup)).collect();
            adopted.extend(found.iter().map(|socket| socket.cookie));
            self.adopt_found(id, generation, &found)?;
        }
        Ok(adopted.len())
    }

    fn adopt_found(
        &mut self,
        container: ContainerId,
        generation: u32,
        found: &[Socket],
    ) -> Result<(), ControlError> {
        let room = (self.maps.adoptions.capacity()? as usize).max(1);
        for batch in found.chunks(room) {
            let adopted = self.adopt_batch(container, generation, batch);
            for socket in batch {
                self.maps.adoptions.remove(socket.cookie)?;
            }
            adopted?;
        }
        Ok(())
    }

    fn adopt_batch(
        &mut self,
        container: ContainerId,
        generation: u32,
        batch: &[Socket],
    ) -> Result<(), ControlError> {
        for socket in batch {
            self.maps.adoptions.insert(socket.cookie, adoption(container, generation, socket))?;
        }
        for (name, _) in names::ITERATORS {
            self.run_iterator(name)?;
        }
        Ok(())
    }

    /// The kernel runs the program on each socket of our network namespace as the file is read.
    fn run_iterator(&self, name: &'static str) -> Result<(), ControlError> {
        let program = self.programs.get(name).ok_or(ControlError::Incomplete(name))?;
        let run = || {
            let link = sys::create_link(program, Target::Nothing, bpf_attach_type::BPF_TRACE_ITER)?;
            let mut file = sys::create_iterator(link.as_fd())?;
            let mut buffer = [0; 4096];
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    // A stop between sockets, to go on from.
                    Err(error)
                        if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        run().context(|| format!("run iterator {name}"))
    }
}

/// A socket that waits for whoever comes reserves its port. One that is connected, or was accepted, has a flow instead:
/// its port may be the kernel's choice, and is not asked for.
fn adoption(container: ContainerId, generation: u32, socket: &Socket) -> Adoption {
    let bound = match socket.role {
        Role::Listening | Role::Unconnected => socket.local,
        Role::Connected => SocketAddr::new(socket.local.ip(), 0),
    };
    Adoption {
        key: PortKey::new(socket.protocol, Address::from(bound.ip()), Port(bound.port())),
        container,
        generation,
        dual: u32::from(bound.port() != 0 && socket.is_dual()),
        padding: 0,
    }
}

#[cfg(test)]
mod tests {
    use berth_common::abi::units::Protocol;

    use super::*;

    fn socket(local: &str, role: Role, v6_only: bool) -> Socket {
        Socket { cookie: 1, cgroup: 2, protocol: Protocol::UDP, local: local.parse().unwrap(), role, v6_only }
    }

    fn adopted(local: &str, role: Role, v6_only: bool) -> (Address, u16, u32) {
        let adoption = adoption(ContainerId(3), 4, &socket(local, role, v6_only));
        assert_eq!((adoption.container, adoption.generation), (ContainerId(3), 4));
        (adoption.key.address, adoption.key.port.0, adoption.dual)
    }

    #[test]
    fn only_sockets_that_wait_reserve_their_port() {
        let local = Address::v4(u32::from_ne_bytes([10, 0, 0, 1]));
        assert_eq!(adopted("10.0.0.1:53", Role::Unconnected, false), (local, 53, 0));
        assert_eq!(adopted("10.0.0.1:80", Role::Listening, false), (local, 80, 0));
        assert_eq!(adopted("10.0.0.1:4711", Role::Connected, false), (local, 0, 0));
    }

    #[test]
    fn a_v6_wildcard_serves_both_families_unless_it_says_no() {
        assert_eq!(adopted("[::]:53", Role::Unconnected, false), (Address::ANY6, 53, 1));
        assert_eq!(adopted("[::]:53", Role::Unconnected, true), (Address::ANY6, 53, 0));
        assert_eq!(adopted("0.0.0.0:53", Role::Unconnected, false), (Address::ANY4, 53, 0));
        // Mapped addresses are of IPv4.
        assert_eq!(adopted("[::ffff:0.0.0.0]:53", Role::Unconnected, false), (Address::ANY4, 53, 0));
    }
}

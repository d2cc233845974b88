//! ICMP errors are about what their receivers have sent.

use anyhow::Result;
use berth_tests::Endpoint as _;
use berth_tests::exchange::transfer;
use berth_tests::process::ok;
use berth_tests::sockets::{accept, errno};
use berth_tests::topology::{FAR_V4, FAR_V6, at};
use berth_tests::wait::uninterrupted;
use berth_tests::{Sockets as _, Topology, privileged};
use std::net::UdpSocket;

use crate::{NODE, Net, OUTSIDE, REMOTE, THERE};

/// What a datagram to nobody comes back as. A socket is told of errors only about what it has sent to whom it is connected.
pub fn fails(socket: &UdpSocket) -> Result<Option<i32>> {
    socket.send(b"anybody there?")?;
    Ok(errno(uninterrupted(|| socket.recv(&mut [0; 8]))))
}

#[test]
fn closed_ports_are_heard_of_on_both_sides() -> Result<()> {
    privileged!();
    let net = Net::published()?;
    net.berth.ok(["container", "set", "c", "--masquerade", "yes"])?;
    for (node, remote) in NODE.into_iter().zip(REMOTE) {
        assert_eq!(fails(&net.c.host.udp_connect(at(remote, 9))?)?, Some(libc::ECONNREFUSED), "{remote}");
        // Nobody listens in the container.
        let socket = net.remote().udp_connect(at(node, OUTSIDE))?;
        assert_eq!(fails(&socket)?, Some(libc::ECONNREFUSED), "{node}");
        let refused = net.remote().tcp_connect(at(node, OUTSIDE));
        assert_eq!(errno(refused), Some(libc::ECONNREFUSED), "{node}");
    }
    Ok(())
}

/// A host on the way says that packets are too large, about what it has seen.
#[test]
fn the_path_s_mtu_is_found() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_far().with_known_neighbours().build()?;
    let net = Net::with("", topology, &["--masquerade", "yes"])?;
    let far = net.topology.far.as_ref().expect("a far host");
    // The far host does not know of it, so that it is the one between that has to say so. What the far host sent would
    // be lost for being too large, and nobody would say so: it only receives.
    ok(net.remote().command("ip")?.args(["link", "set", "wire1", "mtu", "1300"]))?;
    for address in [FAR_V4, FAR_V6] {
        let listener = far.tcp_listen(at(address, THERE))?;
        let connection = net.c.host.tcp_connect(at(address, THERE))?;
        transfer(&connection, &accept(&listener)?.0, 1 << 20)?;
    }
    Ok(())
}

/// Two hops, each of which answers in its own name.
#[test]
fn the_way_can_be_traced() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_far().with_known_neighbours().build()?;
    let net = Net::with("", topology, &["--masquerade", "yes"])?;
    for (far, hops) in [
        (FAR_V4, [net.bridge.addresses()[0], REMOTE[0], FAR_V4]),
        (FAR_V6, [net.bridge.addresses()[1], REMOTE[1], FAR_V6]),
    ] {
        for kind in ["-U", "-I", "-T"] {
            let mut command = net.c.host.command("traceroute")?;
            let out = ok(command.args([kind, "-n", "-q", "1", "-w", "5", "-m", "5", &far.to_string()]))?;
            let seen: Vec<_> =
                out.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
            assert_eq!(seen, hops.map(|hop| hop.to_string()), "{kind}: {out}");
        }
    }
    Ok(())
}

//! A virtual machine's tap device on a bridge, at whose other end is the test.

use anyhow::Result;
use berth_tests::bridge::{INSIDE, text};
use berth_tests::frame::{Packet, ethernet_ip};
use berth_tests::process::settle;
use berth_tests::topology::at;
use berth_tests::{Berth, Bridge, Endpoint as _, Sockets as _, Topology, Tun, link, privileged};

use crate::only;

const TAP: &str = "tap0";
const NUMBER: u8 = 6;
const PORT: u16 = 7777;

#[test]
fn it_speaks_for_itself_alone() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_known_neighbours().build()?;
    let bridge = Bridge::create(&topology.node, 77)?;
    let tap = Tun::tap(topology.node.netns(), TAP)?;
    link::enslave(topology.node.netns(), TAP, &bridge.name)?;
    let neighbour = bridge.guest(3)?;
    let (addresses, mac) = (bridge.at(NUMBER), bridge.mac(NUMBER));
    let berth = Berth::start(&topology)?;
    let [v4, v6] = addresses.map(|address| address.to_string());
    let options = ["--address", &v4, "--address", &v6, "--mac", &text(mac), "--mode", "stateful"];
    berth.ok([&["container", "add", "vm", "--interface", TAP], &options[..]].concat())?;
    for (own, theirs) in addresses.into_iter().zip(neighbour.addresses) {
        link::add_neighbour(neighbour.host.netns(), INSIDE, own, mac)?;
        let (here, there) = (at(own, PORT), at(theirs, PORT));
        let socket = neighbour.host.udp_bind(there)?;
        let frame = |mac, from| -> Result<Vec<u8>> {
            let packet = Packet::udp(at(from, PORT), there).payload(*b"data").build()?;
            Ok(ethernet_ip(mac, neighbour.mac, &packet))
        };
        tap.send(&frame(mac, own)?)?;
        assert_eq!(socket.recv_from(&mut [0; 8])?, (4, here));
        socket.send_to(b"back", here)?;
        assert_eq!(tap.receive(here)?.payload, b"back");

        let before = berth.container("vm")?.plane;
        let gateway = bridge.addresses()[usize::from(own.is_ipv6())];
        for (mac, from) in [(mac, gateway), (neighbour.mac, own)] {
            tap.send(&frame(mac, from)?)?;
        }
        settle();
        let drops = (&berth.container("vm")?.plane - &before).drops;
        let both = only("spoofed-source", 1).into_iter().chain(only("spoofed-mac", 1));
        assert_eq!(drops, both.collect(), "{own}");
        socket.set_nonblocking(true)?;
        assert!(socket.recv(&mut [0; 8]).is_err(), "{own}");
        let flows = berth.flows()?;
        let counted: Vec<_> = flows
            .iter()
            .filter(|flow| flow.owner == "vm" && flow.src == own)
            .map(|flow| (flow.traffic.outgoing.packets, flow.traffic.incoming.packets))
            .collect();
        assert_eq!(counted, [(1, 1)], "{own}: {flows:?}");
    }
    Ok(())
}

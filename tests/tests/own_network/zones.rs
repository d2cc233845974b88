//! Two containers may have the same addresses, each on a bridge of its own.

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::exchange::datagrams;
use berth_tests::topology::at;
use berth_tests::{Berth, Bridge, Sockets as _, Topology, privileged};

const PORT: u16 = 7777;
const ECHO: u16 = 7;

#[test]
fn each_has_flows_of_its_own() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_known_neighbours().build()?;
    let bridges = [Bridge::create(&topology.node, 77)?, Bridge::twin(&topology.node, 77)?];
    let [guests, others] = [2, 3].map(|number| bridges.each_ref().map(|bridge| bridge.guest(number)));
    let (guests, others) = (guests.into_iter().collect::<Result<Vec<_>>>()?, others);
    let others = others.into_iter().collect::<Result<Vec<_>>>()?;
    assert_eq!(guests[0].addresses, guests[1].addresses);
    let berth = Berth::start(&topology)?;
    for (name, guest) in ["u", "v"].into_iter().zip(&guests) {
        let options = guest.options();
        let known = ["container", "add", name, "--mode", "stateful"].into_iter();
        berth.ok(known.chain(options.iter().map(String::as_str)))?;
    }
    for family in [0, 1] {
        for (turn, (guest, other)) in guests.iter().zip(&others).enumerate() {
            let (from, to) = (at(guest.addresses[family], PORT), at(other.addresses[family], ECHO));
            let _echo = Echo::start(&other.host, &[to.ip()], ECHO)?;
            let socket = guest.host.udp_bind(from)?;
            socket.connect(to)?;
            datagrams(&socket, 3 + turn, 100)?;
        }
    }
    let flows = berth.flows()?;
    for (owner, count) in [("u", 3), ("v", 4)] {
        let counts: Vec<_> = flows
            .iter()
            .filter(|flow| flow.owner == owner && flow.sport == PORT)
            .map(|flow| (flow.traffic.outgoing.packets, flow.traffic.incoming.packets))
            .collect();
        assert_eq!(counts, [(count, count); 2], "{owner}: {flows:?}");
        let drops = berth.container(owner)?.plane.drops;
        assert!(drops.is_empty(), "{owner}: {drops:?}");
    }
    Ok(())
}

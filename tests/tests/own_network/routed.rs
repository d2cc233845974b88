//! What the node routes between a container and an uplink is judged on the container's interface, and only there.

use anyhow::Result;
use berth_tests::echo::Echo;
use berth_tests::exchange::datagrams;
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, WIRE, at};
use berth_tests::{Endpoint as _, Sockets as _, link, privileged, sysctl};

use crate::Net;

const PORT: u16 = 7777;
const COUNT: usize = 5;

#[test]
fn rules_count_a_packet_once() -> Result<()> {
    privileged!();
    let net = Net::new(&["--mode", "stateful"])?;
    let (node, remote) = (&net.topology.node, &net.topology.remote);
    sysctl::set(node.netns(), "ipv4/ip_forward", "1")?;
    sysctl::set(node.netns(), "ipv6/conf/all/forwarding", "1")?;
    let _echoes = [
        Echo::start(remote, &[REMOTE_V4, REMOTE_V6], PORT)?,
        Echo::start(&net.c.host, &net.c.addresses, PORT)?,
    ];
    let families = [(REMOTE_V4, NODE_V4, 32, &[][..]), (REMOTE_V6, NODE_V6, 128, &["--ipv6"][..])];
    for ((there, via, prefix, flag), here) in families.into_iter().zip(net.c.addresses) {
        link::add_route(remote.netns(), WIRE, (here, prefix), via)?;
        for chain in ["INPUT", "OUTPUT"] {
            for state in ["NEW", "ESTABLISHED"] {
                let rule = ["-p", "udp", "-m", "conntrack", "--ctstate", state, "-j", "ACCEPT"];
                net.berth.ok([&["rules", "append"], flag, &["c", chain], &rule].concat())?;
            }
        }
        datagrams(&net.c.host.udp_connect(at(there, PORT))?, COUNT, 100)?;
        datagrams(&remote.udp_connect(at(here, PORT))?, COUNT, 100)?;
        let saved = net.berth.ok([&["rules", "save", "c", "--counters"], flag].concat())?;
        let counted: Vec<_> = saved
            .lines()
            .filter(|line| line.contains("--ctstate"))
            .map(|line| line.split([':', '[']).nth(1).and_then(|count| count.parse::<usize>().ok()))
            .collect();
        // Of each conversation the first packet is new, and what goes the other way is not.
        let expected = [1, 2 * COUNT - 1, 1, 2 * COUNT - 1];
        assert_eq!(counted, expected.map(Some), "{saved}");
    }
    let flows: Vec<_> = net.berth.flows()?.into_iter().filter(|flow| flow.owner == "c").collect();
    assert_eq!(flows.len(), 4, "{flows:#?}");
    assert_eq!(net.berth.container("c")?.flows.held, 4);
    Ok(())
}

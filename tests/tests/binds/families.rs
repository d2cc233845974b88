//! Binds that serve one family, or both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use berth_tests::topology::{NODE_V4, NODE_V6, at};
use berth_tests::{Ledger, SharedNode, Sockets, privileged};

use crate::binding::{Binding, bound, errno};

const ANY4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const ANY6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
const PORT: u16 = 8080;

fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(_) => address,
    }
}

/// How A binds, what that reserves, and what B may and may not bind then.
struct Case {
    local: IpAddr,
    v6_only: bool,
    reserves: &'static [IpAddr],
    refused: &'static [IpAddr],
    free: &'static [IpAddr],
}

const CASES: [Case; 5] = [
    Case {
        local: ANY6,
        v6_only: false,
        reserves: &[ANY6, ANY4],
        refused: &[ANY4, ANY6, NODE_V4, NODE_V6],
        free: &[],
    },
    Case { local: ANY6, v6_only: true, reserves: &[ANY6], refused: &[ANY6, NODE_V6], free: &[ANY4, NODE_V4] },
    Case { local: ANY4, v6_only: false, reserves: &[ANY4], refused: &[ANY4, NODE_V4], free: &[NODE_V6] },
    Case {
        local: NODE_V4,
        v6_only: false,
        reserves: &[NODE_V4],
        refused: &[NODE_V4, ANY4],
        free: &[NODE_V6],
    },
    Case {
        local: NODE_V6,
        v6_only: false,
        reserves: &[NODE_V6],
        refused: &[NODE_V6, ANY6],
        free: &[ANY4, NODE_V4],
    },
];

#[test]
fn a_bind_reserves_what_it_serves() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (make, protocol) in [(Binding::tcp as fn((IpAddr, u16)) -> Binding, "tcp"), (Binding::udp, "udp")] {
        for case in &CASES {
            // As lenient towards each other as sockets can be.
            let kind = |address| make((address, PORT)).reuse_address().reuse_port();
            let own = if case.v6_only { kind(case.local).v6_only() } else { kind(case.local) };
            let held = own.by(&node.a)?;
            let mut expected: Vec<_> =
                case.reserves.iter().map(|&address| bound("a", protocol, at(address, PORT))).collect();
            expected.sort_by_key(|port| port.address);
            assert_eq!(node.holders(PORT)?, expected, "{own:?}");
            assert_eq!(node.ports_held("a")?, u64::try_from(case.reserves.len())?, "{own:?}");
            for &address in case.refused {
                let theirs = kind(address).v6_only();
                assert_eq!(errno(theirs.by(&node.b)), Some(libc::EADDRINUSE), "{own:?}, then {theirs:?}");
            }
            for &address in case.free {
                let theirs = kind(address).v6_only();
                theirs.by(&node.b).map_err(|error| anyhow::anyhow!("{own:?}, then {theirs:?}: {error}"))?;
            }
            drop(held);
            assert_eq!((node.holders(PORT)?, node.ports_held("a")?), (vec![], 0), "{own:?}");
        }
    }
    Ok(())
}

#[test]
fn mapped_addresses_are_ipv4() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for address in [NODE_V4, ANY4] {
        let (plain, other) = (Binding::tcp((address, PORT)), Binding::tcp((mapped(address), PORT)));
        for (first, second) in [(plain, other), (other, plain), (other, other)] {
            let held = first.reuse_port().by(&node.a)?;
            assert_eq!(node.holders(PORT)?, [bound("a", "tcp", at(address, PORT))], "{first:?}");
            let refused = errno(second.reuse_port().by(&node.b));
            assert_eq!(refused, Some(libc::EADDRINUSE), "{first:?}, then {second:?}");
            drop(held);
            assert_eq!(node.holders(PORT)?, [], "{first:?}");
        }
    }
    Ok(())
}

#[test]
fn half_of_a_dual_bind_is_no_bind() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let _v4 = Binding::tcp((ANY4, PORT)).reuse_address().by(&node.b)?;
    let dual = Binding::tcp((ANY6, PORT)).reuse_address();
    // Nobody listens, so the kernel would let them be side by side.
    assert_eq!(errno(dual.by(&node.a)), Some(libc::EADDRINUSE));
    assert_eq!(node.holders(PORT)?, [bound("b", "tcp", at(ANY4, PORT))]);
    assert_eq!(node.ports_held("a")?, 0);
    let _v6 = dual.v6_only().by(&node.a)?;
    Ok(())
}

#[test]
fn a_dual_listener_gets_and_owns_both_families() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let listener = Binding::tcp((ANY6, PORT)).listening(&node.a)?;
    let growth = Ledger::open(&node)?.growth(|| {
        for local in [NODE_V4, NODE_V6] {
            let client = node.topology.remote.tcp_connect(at(local, PORT))?;
            let (server, peer) = listener.accept()?;
            let expected = mapped(client.local_addr()?.ip());
            assert_eq!(peer.as_socket().map(|peer| peer.ip()), Some(expected));
            drop((server, client));
        }
        Ok(())
    })?;
    assert_eq!(growth.packets().into_keys().collect::<Vec<_>>(), ["a"]);
    Ok(())
}

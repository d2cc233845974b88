//! Fragments, which have no ports, are counted for whom their packet belongs to.

use std::collections::BTreeMap;
use std::net::{IpAddr, UdpSocket};
use std::thread;

use anyhow::{Result, anyhow};
use berth_tests::echo::Echo;
use berth_tests::exchange::datagrams;
use berth_tests::frame::Packet;
use berth_tests::ghost::{GHOST_V4, GHOST_V6};
use berth_tests::sockets::{errno, send_packet};
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, at, remote_addresses};
use berth_tests::wait::uninterrupted;
use berth_tests::{Ghost, Ledger, SharedNode, Sockets, Topology, cases, privileged, sysctl};
use socket2::Protocol;

const ECHO: u16 = 7;
const PORT: u16 = 7777;
const THERE: u16 = 9;
/// What is sent in six fragments with an MTU of 1500.
const LARGE: usize = 8192;
/// Places of berth's table of fragments.
const TABLE: usize = 8192;

const HOSTS: [(IpAddr, IpAddr); 2] = [(NODE_V4, REMOTE_V4), (NODE_V6, REMOTE_V6)];
const GHOSTS: [(IpAddr, IpAddr); 2] = [(NODE_V4, GHOST_V4), (NODE_V6, GHOST_V6)];

#[test]
fn large_datagrams_of_two_containers() -> Result<()> {
    privileged!();
    for offloads in [true, false] {
        let topology = Topology::builder().with_known_neighbours().offloads(offloads).build()?;
        let node = SharedNode::on(topology, "")?;
        let _echo = Echo::start(&node.topology.remote, &remote_addresses(), ECHO)?;
        for (_, remote) in HOSTS {
            let ledger = Ledger::open(&node)?;
            let growth = ledger.growth(|| {
                thread::scope(|scope| {
                    let threads = [&node.a, &node.b].map(|tenant| {
                        scope.spawn(|| datagrams(&tenant.udp_connect(at(remote, ECHO))?, 10, LARGE))
                    });
                    threads.into_iter().try_for_each(|thread| {
                        thread.join().map_err(|_| anyhow!("a container's thread failed"))?
                    })
                })
            })?;
            assert_eq!(growth.packets(), BTreeMap::from([("a", (60, 60)), ("b", (60, 60))]), "{remote}");
            assert_eq!(growth.drops(), BTreeMap::new());
        }
    }
    Ok(())
}

#[test]
fn a_hop_by_hop_header() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (size, port) in [(100, PORT), (3000, PORT + 1)] {
        let (near, far) = (at(NODE_V6, port), at(REMOTE_V6, port));
        let (here, there) = (node.a.udp_bind(near)?, node.topology.remote.udp_bind(far)?);
        let out = Packet::udp(near, far).payload(vec![1; size]).hop_by_hop();
        let back = Packet::udp(far, near).payload(vec![2; size]).hop_by_hop();
        let protocol = Protocol::from(libc::IPPROTO_RAW);
        let senders = [
            (node.a.raw_with_header(NODE_V6, protocol)?, &there, out, REMOTE_V6),
            (node.topology.remote.raw_with_header(REMOTE_V6, protocol)?, &here, back, NODE_V6),
        ];
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| {
            for (sender, receiver, packet, to) in &senders {
                let packets = if size > 1000 { packet.fragments(77, 1024)? } else { vec![packet.build()?] };
                for packet in packets {
                    send_packet(sender, &packet, *to)?;
                }
                let mut buffer = [0; 4000];
                assert_eq!(uninterrupted(|| receiver.recv(&mut buffer))?, size);
            }
            Ok(())
        })?;
        let count = if size > 1000 { 3 } else { 1 };
        assert_eq!(growth.packets(), BTreeMap::from([("a", (count, count))]), "{size}");
        assert_eq!(growth.drops(), BTreeMap::new());
    }
    Ok(())
}

/// Those that come before the first are nobody's on the way in; the socket is asked about the packet when it is whole.
#[test]
fn fragments_out_of_order() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, ghostly) in GHOSTS {
        let ghost = Ghost::appear(&node.topology, ghostly)?;
        let [here, other] = [node.a.udp_bind(at(local, PORT))?, node.b.udp_bind(at(local, PORT + 1))?];
        let ledger = Ledger::open(&node)?;
        for (order, packets) in [
            ([0, 1, 2, 3], vec![("a", (4, 0))]),
            ([3, 2, 1, 0], vec![("a", (1, 0)), ("unowned", (3, 0))]),
            ([1, 0, 3, 2], vec![("a", (3, 0)), ("unowned", (1, 0))]),
        ] {
            let packet = Packet::udp(ghost.at(THERE), at(local, PORT)).payload(vec![3; 4000]);
            let fragments = packet.fragments(u16::try_from(order[0] + 10 * order[1])?, 1024)?;
            assert_eq!(fragments.len(), 4);
            let growth = ledger.growth(|| {
                order.iter().try_for_each(|&place| ghost.send_bytes(&fragments[place]))?;
                assert_eq!(uninterrupted(|| here.recv(&mut [0; 5000]))?, 4000);
                Ok(())
            })?;
            assert_eq!(growth.packets(), packets.into_iter().collect(), "{order:?}");
            assert_eq!(growth.drops(), BTreeMap::new());
        }
        hears_nothing(&other)?;
    }
    Ok(())
}

/// The first fragment says whose the packet is, and the others share its fate.
#[test]
fn a_packet_for_nobody_is_dropped_whole() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_known_neighbours().build()?;
    let node = SharedNode::on(topology, "unowned = 'drop'")?;
    for (local, ghostly) in GHOSTS {
        let ghost = Ghost::appear(&node.topology, ghostly)?;
        let packet = Packet::udp(ghost.at(THERE), at(local, 9999)).payload(vec![3; 4000]);
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| {
            packet.fragments(5, 1024)?.iter().try_for_each(|fragment| ghost.send_bytes(fragment))
        })?;
        assert_eq!(growth.packets(), BTreeMap::from([("unowned", (4, 0))]));
        assert_eq!(growth.drops(), BTreeMap::from([(("unowned", "unowned"), 4)]));
        assert_eq!((growth.dropped(), growth.passed.incoming.packets), ((4, 0), 0));
    }
    Ok(())
}

#[test]
fn a_first_fragment_on_anothers_flow_is_refused() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, remote) in HOSTS {
        let _held = node.a.udp_bind(at(local, PORT))?;
        let packet = Packet::udp(at(local, PORT), at(remote, THERE)).payload(vec![4; 3000]);
        let socket = node.b.raw_with_header(local, Protocol::from(libc::IPPROTO_RAW))?;
        // Ports are all that the smallest has of the transport header.
        for size in [1024, 8] {
            let first = packet.fragments(6, size)?.swap_remove(0);
            assert_eq!(errno(send_packet(&socket, &first, remote)), Some(libc::EPERM), "{local} {size}");
        }
    }
    let drops = node.berth.container("b")?.plane.drops;
    assert_eq!(drops, [("port-reserved".to_owned(), 4)].into());
    Ok(())
}

/// What rules ask for must be in the first fragment, or it is dropped (RFC 1858 §3, RFC 3128), and the others with it: else what
/// they drop whole would come in pieces.
#[test]
fn a_header_in_two_fragments() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (family, [local, ghostly]) in [("", [NODE_V4, GHOST_V4]), ("--ipv6", [NODE_V6, GHOST_V6])] {
        let rules = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A INPUT -p tcp --syn -j DROP\nCOMMIT\n";
        let file = node.berth.state_dir().join("syn.rules");
        std::fs::write(&file, rules)?;
        let restore = ["rules", "restore", "a", &file.to_string_lossy(), family];
        node.berth.ok(restore.into_iter().filter(|argument| !argument.is_empty()))?;
        let ghost = Ghost::appear(&node.topology, ghostly)?;
        let _echo = Echo::start(&node.a, &[local], ECHO)?;
        let syn = Packet::tcp(ghost.at(THERE), at(local, ECHO), |header| header.syn = true);
        let ledger = Ledger::open(&node)?;
        for (size, drops) in [(8, vec![(("a", "malformed"), 3)]), (16, vec![(("a", "malformed"), 2)])] {
            let growth = ledger.growth(|| {
                let fragments = syn.fragments(u16::try_from(size)?, size)?;
                fragments.iter().try_for_each(|fragment| ghost.send_bytes(fragment))
            })?;
            assert_eq!(growth.drops(), drops.into_iter().collect(), "{local} {size}");
        }
        // Nor may a container send such.
        let socket = node.b.raw_with_header(local, Protocol::from(libc::IPPROTO_RAW))?;
        let mine = Packet::tcp(at(local, THERE), ghost.at(ECHO), |header| header.syn = true);
        let first = mine.fragments(6, 8)?.swap_remove(0);
        assert_eq!(errno(send_packet(&socket, &first, ghostly)), Some(libc::EPERM), "{local}");
    }
    Ok(())
}

/// What comes twice is counted twice, and heard once.
#[test]
fn fragments_that_come_twice() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, ghostly) in GHOSTS {
        let ghost = Ghost::appear(&node.topology, ghostly)?;
        let here = node.a.udp_bind(at(local, PORT))?;
        let packet = Packet::udp(ghost.at(THERE), at(local, PORT)).payload(vec![3; 4000]);
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| {
            for fragment in packet.fragments(11, 1024)? {
                ghost.send_bytes(&fragment)?;
                ghost.send_bytes(&fragment)?;
            }
            assert_eq!(uninterrupted(|| here.recv(&mut [0; 5000]))?, 4000);
            Ok(())
        })?;
        assert_eq!(growth.packets(), BTreeMap::from([("a", (8, 0))]), "{local}");
        assert_eq!(growth.drops(), BTreeMap::new());
        hears_nothing(&here)?;
    }
    Ok(())
}

/// Of what overlaps the kernel makes nothing (RFC 5722), or it takes what came first: nothing is heard by anybody whom the first
/// fragment was not for, and what a container's rules drop is not heard either.
#[test]
fn fragments_that_overlap() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for (local, ghostly) in GHOSTS {
        let ghost = Ghost::appear(&node.topology, ghostly)?;
        let [here, other] = [node.a.udp_bind(at(local, PORT))?, node.b.udp_bind(at(local, PORT + 1))?];
        let packet =
            |port: u16, byte: u8| Packet::udp(ghost.at(THERE), at(local, port)).payload(vec![byte; 4000]);
        let ledger = Ledger::open(&node)?;
        let whole = packet(PORT, 3).fragments(21, 1024)?;
        let across = packet(PORT, 4).fragments(21, 768)?.swap_remove(1);
        let growth = ledger.growth(|| {
            ghost.send_bytes(&whole[0])?;
            ghost.send_bytes(&across)?;
            whole[1..].iter().try_for_each(|fragment| ghost.send_bytes(fragment))
        })?;
        assert_eq!(growth.packets(), BTreeMap::from([("a", (5, 0))]), "{local}");
        // Another's first fragment, in the place of the first.
        let whole = packet(PORT, 5).fragments(22, 1024)?;
        let instead = packet(PORT + 1, 6).fragments(22, 1024)?.swap_remove(0);
        let growth = ledger.growth(|| {
            ghost.send_bytes(&whole[0])?;
            ghost.send_bytes(&instead)?;
            whole[1..].iter().try_for_each(|fragment| ghost.send_bytes(fragment))?;
            let mut heard = [0; 5000];
            assert_eq!(uninterrupted(|| here.recv(&mut heard))?, 4000);
            assert!(heard[..4000].iter().all(|byte| *byte == 5));
            Ok(())
        })?;
        // The last first fragment says who the others are counted for.
        assert_eq!(growth.packets(), BTreeMap::from([("a", (1, 0)), ("b", (4, 0))]), "{local}");
        assert_eq!(growth.drops(), BTreeMap::new());
        for socket in [&here, &other] {
            hears_nothing(socket)?;
        }
    }
    Ok(())
}

/// Packets whose first fragment has come when the flood comes.
const WAITING: u16 = 50;

/// Whoever floods pushes out his own, and nobody's rest is lost.
#[test]
fn a_flood_of_first_fragments() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    // The kernel itself is to have room for them, and not to tell the senders that the rest is late: not its bounds are
    // tried here.
    for key in ["ipv4/ipfrag_time", "ipv6/ip6frag_time"] {
        sysctl::set(node.netns(), key, "3600")?;
    }
    for key in ["ipv4/ipfrag_high_thresh", "ipv6/ip6frag_high_thresh"] {
        sysctl::set(node.netns(), key, "1073741824")?;
    }
    sysctl::set(node.netns(), "ipv4/ipfrag_max_dist", "0")?;
    // More than the table holds.
    let count = cases::number(20_000, TABLE + 2_000)?;
    for (local, ghostly) in GHOSTS {
        let ghost = Ghost::appear(&node.topology, ghostly)?;
        let _held = node.a.udp_bind(at(local, PORT))?;
        let waits = node.b.udp_bind(at(local, PORT + 1))?;
        let packet = |port: u16| Packet::udp(ghost.at(THERE), at(local, port)).payload(vec![5; 64]);
        let (flood, slow) = (packet(PORT), packet(PORT + 1));
        let first_id = u16::MAX - WAITING;
        let ledger = Ledger::open(&node)?;
        let growth = ledger.growth(|| {
            (first_id..u16::MAX)
                .try_for_each(|id| ghost.send_bytes(&slow.fragments(id, 40)?.swap_remove(0)))?;
            (0..u16::try_from(count)?)
                .try_for_each(|id| ghost.send_bytes(&flood.fragments(id, 16)?.swap_remove(0)))
        })?;
        let (waiting, flooded) = (u64::from(WAITING), count as u64);
        assert_eq!(growth.packets(), BTreeMap::from([("a", (flooded, 0)), ("b", (waiting, 0))]));
        let growth = ledger.growth(|| {
            for id in first_id..u16::MAX {
                ghost.send_bytes(&slow.fragments(id, 40)?.swap_remove(1))?;
                assert_eq!(uninterrupted(|| waits.recv(&mut [0; 100]))?, 64);
            }
            Ok(())
        })?;
        assert_eq!(growth.packets(), BTreeMap::from([("b", (waiting, 0))]));
    }
    Ok(())
}

fn hears_nothing(socket: &UdpSocket) -> Result<()> {
    socket.set_nonblocking(true)?;
    assert_eq!(errno(socket.recv(&mut [0; 16])), Some(libc::EAGAIN));
    Ok(())
}

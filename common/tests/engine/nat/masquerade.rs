//! What a container opens goes by the node's address.

use super::*;

#[test]
fn flows_go_out_under_the_uplink_s_address_and_replies_come_back() {
    for (inner, own, remote) in
        [("10.0.3.10:5000", L4, "198.51.100.7:53"), ("[fd00:3::10]:5000", L6, "[2001:db8:f::7]:53")]
    {
        for protocol in [TCP, UDP] {
            let node = Translating::masquerading();
            let outer = node.converse(WAY_X, protocol, inner, remote);
            assert_eq!(outer.address, ip_address(own).into());
            assert!((61_000..=65_535).contains(&outer.port.0));
            // It stays so, and there is one flow, in the container's zone.
            assert_eq!(node.out(WAY_X, &ported_first(protocol, inner, remote)), Ok(outer));
            assert_eq!(node.flows_held(X), 1);
            assert!(node.flow_in(zone_of(X), &ported_first(protocol, inner, remote)).is_some());
            node.check();
        }
    }
}

#[test]
fn two_with_one_address_are_told_apart() {
    let node = Translating::masquerading();
    let (inner, remote) = ("10.0.3.10:5000", "198.51.100.7:53");
    let ends = [WAY_X, WAY_Y].map(|path| node.converse(path, UDP, inner, remote));
    assert_ne!(ends[0], ends[1]);
    for (id, end) in [(X, ends[0]), (Y, ends[1])] {
        assert_eq!(node.goes_to(&udp(remote, &text(end))), Ok(flow_end(inner)));
        assert_eq!(node.flows_held(id), 1);
    }
}

#[test]
fn a_given_address_serves_its_own_family() {
    let node = Translating::masquerading();
    let to = ip_address(M4).into();
    for address in [INNER4, INNER6] {
        let source = NatSource { address: ip_address(address).into(), ifindex: WAY_X.came_by };
        let owner = NatOwner { container: X, generation: 1, masquerade: NatOwner::TO, to };
        node.tables.set_source(source, owner);
    }
    let outer = node.out(WAY_X, &udp("10.0.3.10:5000", "198.51.100.7:53")).unwrap();
    assert_eq!(outer.address, to);
    let inner = "[fd00:3::10]:5000";
    assert_eq!(node.out(WAY_X, &udp(inner, "[2001:db8:f::7]:53")), Ok(flow_end(inner)));
}

#[test]
fn what_has_gone_without_goes_on_so() {
    let node = Translating::new(NatOwner::UNTRANSLATED);
    let (inner, remote) = ("10.0.3.10:5000", "198.51.100.7:53");
    assert_eq!(node.out(WAY_X, &udp(inner, remote)), Ok(flow_end(inner)));
    node.on_interface(X, true, &udp(remote, inner));
    let masquerading = Translating::with(node.node, NatOwner::UPLINK);
    assert_eq!(masquerading.out(WAY_X, &udp(inner, remote)), Ok(flow_end(inner)));
    // What comes after it does not.
    assert_ne!(masquerading.out(WAY_X, &udp("10.0.3.10:5001", remote)), Ok(flow_end("10.0.3.10:5001")));
}

#[test]
fn what_is_in_no_flow_does_not_show_the_address() {
    let node = Translating::masquerading();
    let stray = tcp("10.0.3.10:5000", "198.51.100.7:80", RST);
    assert_eq!(node.out(WAY_X, &stray), Err(Reason::NotTranslated));
    let plain = Translating::new(NatOwner::UNTRANSLATED);
    assert_eq!(plain.out(WAY_X, &stray), Ok(flow_end("10.0.3.10:5000")));
    // Nobody's whom it does not know, and a container that is gone.
    let strange = udp("10.0.9.9:5000", "198.51.100.7:53");
    assert_eq!(node.leave_node(WAY_X, &strange), Ok(flow_end("10.0.9.9:5000")));
    node.tables.remove_container(X);
    assert_eq!(node.leave_node(WAY_X, &stray), Ok(flow_end("10.0.3.10:5000")));
}

#[test]
fn pings_keep_their_ids_while_nobody_else_has_them() {
    let node = Translating::masquerading();
    let mut ids = Vec::new();
    for path in [WAY_X, WAY_Y] {
        let outer = node.out(path, &ping(INNER4, R4, 7)).unwrap();
        assert_eq!(outer.address, ip_address(L4).into());
        let inner = End { address: ip_address(INNER4).into(), port: Port(7) };
        assert_eq!(node.goes_to(&pong(R4, L4, outer.port.0)), Ok(inner));
        ids.push(outer.port.0);
    }
    assert_eq!(ids[0], 7);
    assert!(ids[1] >= 61_000);
}

#[test]
fn protocols_without_ports_go_by_address() {
    let node = Translating::masquerading();
    for protocol in [ESP, SCTP] {
        let out = |port| match protocol {
            ESP => ip(INNER4, R4, ESP, &[0; 8]),
            _ => sctp(&format!("{INNER4}:{port}"), "198.51.100.7:9", 0, &[(1, 0, &[0; 16])]),
        };
        let outer = node.out(WAY_X, &out(5000)).unwrap();
        assert_eq!(outer.address, ip_address(L4).into());
        assert_eq!(outer.port, Node::headers(&out(5000)).source_port);
        // There is but one name for it.
        assert_eq!(node.out(WAY_Y, &out(5000)), Err(Reason::NatPorts));
    }
}

#[test]
fn later_fragments_follow_the_first() {
    let node = Translating::masquerading();
    let (inner, remote) = (ip_address(INNER4), ip_address(R4));
    let first = Ip::fragment(0, true, 9).build(inner, remote, UDP, &udp_datagram(5000, 53, &[0; 16]));
    let later = Ip::fragment(3, false, 9).build(inner, remote, UDP, &[0; 16]);
    assert_eq!(node.out(WAY_X, &later).unwrap_err(), Reason::NotTranslated);
    let outer = node.out(WAY_X, &first).unwrap();
    assert_eq!(node.out(WAY_X, &later).unwrap().address, outer.address);
    // Back, once the first has been there.
    let (node4, port) = (ip_address(L4), outer.port.0);
    let back = Ip::fragment(3, false, 8).build(remote, node4, UDP, &[0; 16]);
    assert_eq!(node.goes_to(&back).unwrap().address, node4.into());
    let first = Ip::fragment(0, true, 8).build(remote, node4, UDP, &udp_datagram(53, port, &[0; 16]));
    assert_eq!(node.goes_to(&first), Ok(flow_end("10.0.3.10:5000")));
    assert_eq!(node.goes_to(&back).unwrap().address, inner.into());
    node.wait(31);
    assert_eq!(node.goes_to(&back).unwrap().address, node4.into());
}

#[test]
fn errors_about_what_has_left_find_their_way() {
    let node = Translating::masquerading();
    let (inner, remote) = ("10.0.3.10:5000", "198.51.100.7:53");
    let outer = node.converse(WAY_X, UDP, inner, remote);
    let sent = udp(&text(outer), remote);
    assert_eq!(node.about(None, &unreachable("203.0.113.9", &sent)), Some(flow_end(inner)));
    assert_eq!(node.about(None, &unreachable("203.0.113.9", &udp("192.0.2.1:9", remote))), None);
    // And about what was sent to it.
    let received = udp(remote, inner);
    assert_eq!(node.about(Some(X), &unreachable(INNER4, &received)), Some(outer));
    assert_eq!(node.about(Some(Y), &unreachable(INNER4, &received)), None);
}

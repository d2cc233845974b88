//! What kind of address something is, in the node's network and in a container's own.

use berth_common::{
    abi::{
        rules::dimension::address_type::{BROADCAST, LOCAL, MULTICAST, UNICAST},
        units::ContainerId,
    },
    engine::address,
};

use crate::support::*;

#[test]
fn addresses_of_others_are_local_where_the_network_is_shared() {
    let node = Node::with_own_addresses();
    node.known(O, 0, &[ip_address(OWN4).into()]);
    let kinds = |text: &str| {
        [ContainerId::HOST, O, A].map(|alone| address::kind(&&node.tables, &ip_address(text).into(), alone))
    };
    assert_eq!(kinds(OWN4), [LOCAL, LOCAL, UNICAST]);
    assert_eq!(kinds(L4), [LOCAL, UNICAST, UNICAST]);
    assert_eq!(kinds(R4), [UNICAST; 3]);
    assert_eq!(kinds("127.0.0.1"), [LOCAL; 3]);
    assert_eq!(kinds("224.0.0.1"), [MULTICAST; 3]);
    assert_eq!(kinds("255.255.255.255"), [BROADCAST; 3]);
}

//! Properties of the packed words and keys.

use berth_common::{
    abi::{
        address::Address,
        port::{Claim, Summary},
        units::{ContainerId, Port, Protocol, Zone},
    },
    engine::{Headers, headers::Place},
};
use proptest::prelude::*;

use super::cases;

fn address() -> impl Strategy<Value = Address> {
    // Few bits, so that addresses are often equal or nearly so.
    prop_oneof![
        any::<u32>().prop_map(Address::v4),
        (0..3_u32).prop_map(Address::v4),
        any::<[u32; 4]>().prop_map(Address),
        proptest::array::uniform4(0..2_u32).prop_map(Address),
    ]
}

fn conversation() -> impl Strategy<Value = Headers> {
    let port = || prop_oneof![0..3_u16, any::<u16>()];
    (address(), address(), port(), port(), any::<u8>()).prop_map(
        |(source, destination, source_port, destination_port, protocol)| Headers {
            source,
            destination,
            source_port: Port(source_port),
            destination_port: Port(destination_port),
            protocol: Protocol(protocol),
            ..Headers::EMPTY
        },
    )
}

fn reversed(headers: &Headers) -> Headers {
    Headers {
        source: headers.destination,
        destination: headers.source,
        source_port: headers.destination_port,
        destination_port: headers.source_port,
        ..*headers
    }
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn both_directions_have_one_key(there in conversation(), zone in 0..0x0100_0000_u32, sharer in 0..0x0100_0000_u32) {
        let back = reversed(&there);
        for place in [Place::in_zone(Zone(zone)), Place::shared(Zone(zone), ContainerId(sharer))] {
            prop_assert_eq!(place.key(&there), place.key(&back));
        }
        let key = Place::in_zone(Zone(zone)).key(&there);
        prop_assert_eq!((key.zone(), key.protocol()), (Zone(zone), there.protocol));
        if there.from() != there.to() {
            prop_assert_ne!(there.source_is_low(), back.source_is_low());
        }
    }

    #[test]
    fn other_conversations_have_other_keys(one in conversation(), other in conversation(), zone in 0..3_u32) {
        let place = Place::in_zone(Zone(zone));
        let same = one.protocol == other.protocol
            && ((one.from(), one.to()) == (other.from(), other.to())
                || (one.from(), one.to()) == (other.to(), other.from()));
        prop_assert_eq!(place.key(&one) == place.key(&other), same);
        prop_assert_ne!(place.key(&one), Place::in_zone(Zone(zone + 1)).key(&one));
    }

    /// Ids of 24 bits, as zones have them.
    #[test]
    fn sharers_are_apart(pair in conversation(), one in 1..0x0100_0000_u32, other in 1..0x0100_0000_u32) {
        let key = |id| Place::shared(Zone::UPLINK, ContainerId(id)).key(&pair);
        prop_assert_eq!(key(one) == key(other), one == other);
        let bare = Headers { source_port: Port(0), destination_port: Port(0), ..pair };
        prop_assert_ne!(Place::in_zone(Zone::UPLINK).key(&bare), key(one));
    }

    #[test]
    fn addresses_are_their_bytes(address in address()) {
        prop_assert_eq!(Address::from_octets(address.octets()), address);
        let standard = std::net::IpAddr::from(address);
        prop_assert_eq!(Address::from(standard), address);
        prop_assert_eq!(address.is_v4(), standard.is_ipv4());
        prop_assert_eq!(address.is_loopback(), standard.is_loopback());
        let broadcast = standard == std::net::IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
        prop_assert_eq!(address.is_group(), standard.is_multicast() || broadcast);
        prop_assert_eq!(address.is_wildcard(), standard.is_unspecified());
    }

    /// Any order of taking and giving, and nothing is left at the end.
    #[test]
    fn claims_are_counted(owner in 0..u32::MAX, sockets in 0..50_u32, permanent: bool, raw: bool) {
        let (bound, kept) = (Claim::bound(ContainerId(owner)), Claim::permanent(ContainerId(owner), raw));
        let mut claim = if permanent { kept } else { bound };
        for _ in 0..sockets {
            claim = claim.and(bound);
        }
        prop_assert_eq!(claim.owner(), ContainerId(owner));
        prop_assert_eq!(claim.count(), sockets + u32::from(!permanent));
        prop_assert_eq!((claim.is_permanent(), claim.is_raw()), (permanent, permanent && raw));
        for _ in 0..sockets {
            prop_assert!(!claim.is_free() && !claim.is_dead());
            claim = claim.without(bound);
        }
        prop_assert_eq!(claim.without(if permanent { kept } else { bound }), Claim::FREE);
    }

    #[test]
    fn summaries_are_counted(owners in proptest::collection::vec(0..3_u32, 1..20)) {
        let mut summary = Summary(0);
        for owner in &owners {
            summary = summary.with(ContainerId(*owner));
        }
        let alone = owners.iter().all(|owner| *owner == owners[0]);
        let expected = if alone { ContainerId(owners[0]) } else { Summary::MIXED };
        prop_assert_eq!((summary.keys() as usize, summary.owner()), (owners.len(), expected));
        for _ in &owners {
            summary = summary.without_one();
        }
        prop_assert_eq!(summary, Summary(0));
        prop_assert_eq!(summary.without_one(), Summary(0));
    }
}

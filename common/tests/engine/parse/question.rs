//! What rules are asked about a packet.

use berth_common::{
    abi::rules::{Dimension, interface},
    engine::{
        classify::Question,
        question::Circumstances,
        rules::{Case, Chain, Network},
    },
    memory::Bytes,
};

use crate::support::*;

#[test]
fn a_packet_has_one_interface() {
    let packet = udp("10.0.0.2:5000", "198.51.100.7:53");
    for number in [interface::OWN, interface::LOOPBACK, 7] {
        let (comes, goes) = ([number, interface::NONE], [interface::NONE, number]);
        for (chain, expected) in
            [(Chain::Input, comes), (Chain::Output, goes), (Chain::Entering, comes), (Chain::Leaving, goes)]
        {
            let case = Case {
                container: S,
                chain,
                state: 0,
                direction: 0,
                status: 0,
                asks_types: false,
                network: if number == interface::OWN { Network::Own } else { Network::Uplink },
                is_inside: false,
                ends: false,
            };
            let circumstances = Circumstances { interface: number, ..Circumstances::default() };
            let found = |case: &Case| {
                let mut question = Question::EMPTY;
                question.fill(&Bytes(&packet), &Node::headers(&packet), case, &circumstances);
                [Dimension::InInterface, Dimension::OutInterface].map(|one| question.fields.get(one))
            };
            assert_eq!(found(&case), expected, "{chain:?}");
            // Of what has not left the container, lo.
            let inside = expected.map(|one| if one == interface::NONE { one } else { interface::LOOPBACK });
            assert_eq!(found(&Case { is_inside: true, ..case }), inside, "{chain:?}");
            assert_eq!(Case::from_number(case.to_number()), case);
        }
    }
}

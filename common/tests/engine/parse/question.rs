//! What rules are asked about a packet.

use berth_common::{
    abi::rules::{BuiltIn, Dimension, interface},
    engine::{classify::Question, question::Circumstances, rules::Case},
    memory::Bytes,
};

use crate::support::*;

#[test]
fn a_packet_has_one_interface() {
    let packet = udp("10.0.0.2:5000", "198.51.100.7:53");
    for number in [interface::OWN, interface::LOOPBACK, 7] {
        for (chain, expected) in
            [(BuiltIn::Input, [number, interface::NONE]), (BuiltIn::Output, [interface::NONE, number])]
        {
            let case = Case {
                container: S,
                chain,
                state: 0,
                direction: 0,
                status: 0,
                asks_types: false,
                own_interface: number == interface::OWN,
            };
            let circumstances = Circumstances { interface: number, ..Circumstances::default() };
            let mut question = Question::EMPTY;
            question.fill(&Bytes(&packet), &Node::headers(&packet), &case, &circumstances);
            let found = [Dimension::InInterface, Dimension::OutInterface].map(|one| question.fields.get(one));
            assert_eq!(found, expected, "{chain:?}");
        }
    }
}

//! To whom the link layer sent the packet.

use super::super::values::field;
use crate::{
    compile::{
        Values,
        input::{Condition, Dimension, Family},
    },
    rules::matches::pkttype::{PacketType, Pkttype},
};

pub(super) fn condition(pkttype: &Pkttype, family: Family) -> Condition {
    // include/uapi/linux/if_packet.h
    let number: u32 = match pkttype.kind.value {
        PacketType::Unicast => 0,
        PacketType::Broadcast => 1,
        PacketType::Multicast => 2,
    };
    field(Dimension::PacketType, Values::one(number), pkttype.kind.negated, family)
}

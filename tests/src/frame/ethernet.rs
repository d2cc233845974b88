//! Ethernet frames.

use crate::link::Mac;

/// Ethertype of a tag (IEEE 802.1Q).
const VLAN: u16 = 0x8100;

/// Puts a payload of any ethertype into an Ethernet frame.
pub fn ethernet(source: Mac, destination: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&destination[..], &source, &ethertype.to_be_bytes(), payload].concat()
}

/// Puts an IP packet into an Ethernet frame.
pub fn ethernet_ip(source: Mac, destination: Mac, packet: &[u8]) -> Vec<u8> {
    ethernet(source, destination, ethertype_of(packet), packet)
}

/// Puts an IP packet into an Ethernet frame with VLAN tags, the outermost first.
pub fn ethernet_vlan(source: Mac, destination: Mac, tags: &[u16], packet: &[u8]) -> Vec<u8> {
    let mut types = vec![VLAN; tags.len()];
    types.push(ethertype_of(packet));
    let mut inside = Vec::new();
    for (tag, next) in tags.iter().zip(types.iter().skip(1)) {
        inside.extend(tag.to_be_bytes());
        inside.extend(next.to_be_bytes());
    }
    inside.extend(packet);
    ethernet(source, destination, types[0], &inside)
}

fn ethertype_of(packet: &[u8]) -> u16 {
    match packet.first().map(|byte| byte >> 4) {
        Some(6) => 0x86dd,
        _ => 0x0800,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Result, bail};
    use etherparse::{SlicedPacket, TransportSlice};

    use super::*;
    use crate::frame::Packet;
    use crate::topology::{NODE_MAC, NODE_V4, NODE_V6, REMOTE_MAC, REMOTE_V4, REMOTE_V6, at};

    #[test]
    fn a_datagram_reads_back() -> Result<()> {
        for (from, to) in [(NODE_V4, REMOTE_V4), (NODE_V6, REMOTE_V6)] {
            let packet = Packet::udp(at(from, 7), at(to, 9)).payload("hello").build()?;
            let frame = ethernet_vlan(NODE_MAC, REMOTE_MAC, &[5, 6], &packet);
            let parsed = SlicedPacket::from_ethernet(&frame)?;
            let tags: Vec<u16> = parsed.vlan_ids().iter().map(|id| id.value()).collect();
            assert_eq!(tags, [5, 6]);
            let Some(TransportSlice::Udp(udp)) = parsed.transport else { bail!("no UDP in {parsed:?}") };
            assert_eq!((udp.source_port(), udp.destination_port(), udp.payload()), (7, 9, &b"hello"[..]));
        }
        Ok(())
    }
}

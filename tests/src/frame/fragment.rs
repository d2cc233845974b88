//! IP fragments.

use anyhow::{Context, Result, ensure};
use etherparse::{IpFragOffset, IpHeaders, IpNumber};

use super::Packet;

/// Length of IPv6's fragment header.
const V6_HEADER: usize = 8;

impl Packet {
    /// The packet as fragments in order, `size` bytes in each but the last; `size` is a multiple of 8.
    pub fn fragments(&self, identification: u16, size: usize) -> Result<Vec<Vec<u8>>> {
        ensure!(size > 0 && size.is_multiple_of(8), "fragments of {size} bytes");
        let whole = self.build()?;
        let header = self.headers(0)?.header_len();
        let body = whole.get(header..).context("a packet shorter than its header")?;
        let parts = body.chunks(size).enumerate();
        let fragments = parts.map(|(number, data)| {
            let start = number * size;
            let more = start + data.len() < body.len();
            Fragment { identification, units: u16::try_from(start / 8)?, more, data }.bytes(self)
        });
        fragments.collect()
    }
}

struct Fragment<'a> {
    identification: u16,
    /// Where it starts, in units of 8 bytes.
    units: u16,
    more: bool,
    data: &'a [u8],
}

impl Fragment<'_> {
    fn bytes(&self, packet: &Packet) -> Result<Vec<u8>> {
        let mut headers = packet.headers(self.data.len())?;
        let mut bytes = Vec::new();
        match &mut headers {
            IpHeaders::Ipv4(header, _) => {
                header.identification = self.identification;
                header.fragment_offset = IpFragOffset::try_new(self.units)?;
                header.more_fragments = self.more;
                header.dont_fragment = false;
                header.header_checksum = header.calc_header_checksum();
                headers.write(&mut bytes)?;
            }
            IpHeaders::Ipv6(..) => {
                headers.set_next_headers(IpNumber::IPV6_FRAGMENTATION_HEADER);
                headers.set_payload_len(V6_HEADER + self.data.len())?;
                headers.write(&mut bytes)?;
                bytes.extend(self.v6_header(packet.protocol()));
            }
        }
        bytes.extend_from_slice(self.data);
        Ok(bytes)
    }

    /// Made here, since etherparse 0.19 has the offset and the flag in the wrong bits, reading and writing.
    fn v6_header(&self, next: u8) -> [u8; V6_HEADER] {
        let [high, low] = (self.units << 3 | u16::from(self.more)).to_be_bytes();
        let [id_high, id_low] = self.identification.to_be_bytes();
        [next, 0, high, low, 0, 0, id_high, id_low]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, at};

    /// Where offset and flag of each fragment are is worked out by hand from RFC 791 and RFC 8200.
    #[test]
    fn fragments_make_up_the_whole() -> Result<()> {
        for (from, to, header, place) in [(NODE_V4, REMOTE_V4, 20, 6), (NODE_V6, REMOTE_V6, 40 + 8 + 8, 50)] {
            let packet = Packet::udp(at(from, 7), at(to, 9)).payload(vec![1; 100]).hop_by_hop();
            let mut offsets = Vec::new();
            let mut whole = Vec::new();
            for bytes in packet.fragments(99, 48)? {
                offsets.push(u16::from_be_bytes([bytes[place], bytes[place + 1]]));
                whole.extend_from_slice(&bytes[header..]);
            }
            let expected = if from.is_ipv4() { [0x2000, 0x2006, 12] } else { [1, 0x30 + 1, 0x60] };
            assert_eq!(offsets, expected);
            assert!(packet.build()?.ends_with(&whole));
        }
        Ok(())
    }
}

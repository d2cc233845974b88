//! Packets and frames, byte by byte, for raw and packet sockets.

mod ethernet;
mod fragment;
mod packet;

pub use ethernet::{ethernet, ethernet_ip, ethernet_vlan};
pub use packet::{Packet, TcpHeader};

//! Random conversations, packet by packet, through a router where the kernel's own connection tracking and berth's see them: both
//! say the same of every packet (new, established, related, invalid), and of the connection after it (its state, whether it is answered
//! and assured, how long it lasts).

mod associations;
mod berth;
mod compare;
mod datagrams;
mod ftp;
mod router;
mod segments;

use std::net::{IpAddr, Ipv4Addr};

/// The ends.
const LEFT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 2));
const RIGHT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 2, 0, 2));

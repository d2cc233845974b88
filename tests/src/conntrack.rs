//! The kernel's own connection tracking.

use std::io::{Read, Write};

use anyhow::{Result, ensure};
use socket2::{Domain, Socket, Type};

use crate::endpoint::Endpoint;

/// nfnetlink: the request to forget every flow (include/uapi/linux/netfilter/nfnetlink.h).
const FORGET: [u8; 20] = [20, 0, 0, 0, 2, 1, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const NFNETLINK: i32 = 12;

/// That of a network namespace.
#[derive(Debug)]
pub struct Conntrack(Socket);

impl Conntrack {
    /// That of an endpoint's.
    pub fn open(endpoint: &dyn Endpoint) -> Result<Self> {
        Ok(Self(endpoint.socket(Domain::from(libc::AF_NETLINK), Type::RAW, Some(NFNETLINK.into()))?))
    }

    /// Has it forget every flow.
    pub fn forget(&mut self) -> Result<()> {
        self.0.write_all(&FORGET)?;
        let mut answer = [0; 256];
        let length = self.0.read(&mut answer)?;
        ensure!(length >= 20 && answer[16..20] == [0; 4], "flows stay: {:?}", &answer[..length]);
        Ok(())
    }
}

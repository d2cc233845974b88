//! The sockets that a lookup would find.

use std::{collections::BTreeMap, sync::Mutex};

use super::lock;
use crate::{
    abi::{
        address::Address,
        flow::End,
        units::{Port, Protocol},
    },
    engine::{
        Headers,
        tables::{Found, Which},
    },
};

/// Where a socket is bound, and perhaps connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Socket {
    /// The protocol.
    pub protocol: Protocol,
    /// Its address and port; a wildcard address is good for all of its family.
    pub local: End,
    /// The only one it hears, if it is connected.
    pub remote: Option<End>,
}

impl Socket {
    /// One that hears everybody.
    pub const fn bound(protocol: Protocol, address: Address, port: Port) -> Self {
        Self { protocol, local: End { address, port }, remote: None }
    }

    /// One that hears `remote` only.
    pub const fn connected(protocol: Protocol, local: End, remote: End) -> Self {
        Self { protocol, local, remote: Some(remote) }
    }
}

#[derive(Default)]
pub(super) struct Sockets(Mutex<BTreeMap<Socket, Found>>);

impl Sockets {
    pub(super) fn insert(&self, socket: Socket, found: Found) {
        lock(&self.0).insert(socket, found);
    }

    pub(super) fn remove(&self, socket: &Socket) -> bool {
        lock(&self.0).remove(socket).is_some()
    }

    /// The socket at one end of a packet, as the kernel finds it: the connected before the bound, the exact address
    /// before the wildcard.
    pub(super) fn find(&self, headers: &Headers, end: Which) -> Found {
        let sockets = lock(&self.0);
        let (exact, remote) = match end {
            Which::Source => (headers.from(), headers.to()),
            Which::Destination => (headers.to(), headers.from()),
        };
        let wildcard = End { address: exact.address.wildcard(), port: exact.port };
        let candidates = [(exact, Some(remote)), (wildcard, Some(remote)), (exact, None), (wildcard, None)];
        candidates
            .into_iter()
            .find_map(|(local, remote)| {
                sockets.get(&Socket { protocol: headers.protocol, local, remote }).copied()
            })
            .unwrap_or(Found::Nothing)
    }
}

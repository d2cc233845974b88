//! A name server that knows one name.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;

use crate::topology::{REMOTE_V4, at};
use crate::{Host, Sockets as _};

/// The name it knows; every other one is answered alike.
pub const NAME: &str = "berth.example";
/// Its address, of those for documentation.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);

const PORT: u16 = 53;
const HEADER: usize = 12;
/// A response, without errors, to a query that wanted recursion, which is there.
const FLAGS: [u8; 2] = [0x81, 0x80];
const TYPE_A: [u8; 2] = [0, 1];
/// The name at the beginning of the query, class IN, one minute, four bytes.
const NAME_AGAIN: [u8; 2] = [0xc0, 0x0c];
const CLASS_AND_LIFE: [u8; 8] = [0, 1, 0, 0, 0, 60, 0, 4];

/// A running server. Dropping it ends it.
pub struct NameServer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// Starts one.
    pub fn start(host: &Host) -> Result<Self> {
        let socket = host.udp_bind(at(REMOTE_V4, PORT))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || serve(&socket, &stopped));
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A panic of the thread has been printed.
        self.thread.take().map(JoinHandle::join);
    }
}

fn serve(socket: &UdpSocket, stop: &AtomicBool) {
    let mut buffer = [0; 512];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, peer)) = socket.recv_from(&mut buffer) else { continue };
        if let Some(answer) = buffer.get(..length).and_then(answer) {
            // An answer that cannot be sent is lost, as datagrams are.
            let _ = socket.send_to(&answer, peer);
        }
    }
}

/// The answer to a query (RFC 1035) with one question: an address if one was asked for, else nothing.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let name = query.get(HEADER..)?;
    let end = HEADER + name.iter().position(|&byte| byte == 0)? + 1;
    let question = query.get(HEADER..end + 4)?;
    let wants_address = query.get(end..end + 2)? == TYPE_A;
    let id = query.get(..2)?;
    let counts = [0, 1, 0, u8::from(wants_address), 0, 0, 0, 0];
    let mut answer = [id, &FLAGS, &counts, question].concat();
    if wants_address {
        answer.extend([&NAME_AGAIN[..], &TYPE_A, &CLASS_AND_LIFE, &ADDRESS.octets()].concat());
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_an_address() {
        let query =
            [&[7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x05berth\x07example\0", &[0, 1, 0, 1]].concat();
        let answered = answer(&query).unwrap_or_default();
        assert_eq!(answered[..4], [7, 9, 0x81, 0x80]);
        assert_eq!(answered[HEADER..query.len()], query[HEADER..]);
        assert!(answered.ends_with(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 80]));
        assert_eq!(answer(&query[..20]), None);
    }
}

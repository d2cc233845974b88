//! A node whose container `a` has a rule for each set.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};
use berth_tests::echo::Echo;
use berth_tests::exchange::datagrams;
use berth_tests::process::Output;
use berth_tests::sockets::errno;
use berth_tests::topology::{at, remote_addresses};
use berth_tests::{SharedNode, Sockets as _};

/// Where the remote host answers.
pub const ECHO: u16 = 7;

/// `berth set restore a`.
pub fn restore(node: &SharedNode, text: &str) -> Result<Output> {
    let file = node.berth.run_dir().join("sets-under-test");
    fs::write(&file, text)?;
    let file = file.to_str().context("a path that is not UTF-8")?;
    node.berth.run(["set", "restore", "a", file])
}

/// `berth set …`, which has to be done.
pub fn set(node: &SharedNode, words: &str) -> Result<String> {
    node.berth.ok(["set"].into_iter().chain(words.split(' ')))
}

/// `berth set …`, which has to be refused with these words.
pub fn refused(node: &SharedNode, words: &str, why: &str) -> Result<()> {
    let output = node.berth.run(["set"].into_iter().chain(words.split(' ')))?;
    assert!(output.code() == Some(1) && output.stderr.contains(why), "{words}: {output:?}");
    Ok(())
}

/// The remote host answers.
pub fn echo(node: &SharedNode) -> Result<Echo> {
    Echo::start(&node.topology.remote, &remote_addresses(), ECHO)
}

/// A socket of container `a`.
pub fn socket(node: &SharedNode, local: IpAddr, remote: IpAddr) -> Result<UdpSocket> {
    let socket = node.a.udp_bind(at(local, 0))?;
    socket.connect(at(remote, ECHO))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(socket)
}

/// Whether what the socket sends is let through.
pub fn passes(socket: &UdpSocket) -> Result<bool> {
    match socket.send(b"x") {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(false),
        sent => {
            anyhow::ensure!(errno(sent).is_none(), "neither sent nor refused");
            socket.recv(&mut [0; 10])?;
            datagrams(socket, 1, 10)?;
            Ok(true)
        }
    }
}

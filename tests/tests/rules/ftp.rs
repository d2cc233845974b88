//! FTP with rules that let nothing in but what is asked for, and what belongs to that: with the feature `helper-ftp`, transfers
//! go through; without, they do not.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use berth_tests::process::{self, Output};
use berth_tests::sockets::{accept, timed};
use berth_tests::topology::{NODE_V4, NODE_V6, REMOTE_V4, REMOTE_V6, at};
use berth_tests::wait::LIMIT;
use berth_tests::{Endpoint, SharedNode, Sockets, privileged};
use socket2::{Domain, Type};

use crate::helpers::{counted_in, filter, with_text};

const FTP: u16 = 21;
const DATA: u16 = 20;
const CONTENT: &[u8] = b"what was asked for";
/// How long a connection may take that is not to come about.
const PATIENCE: Duration = Duration::from_secs(1);

/// Nothing comes in but for the FTP server, and what belongs to what is there already.
const CLOSED: &str = ":INPUT DROP\n:OUTPUT ACCEPT\n\
     -A INPUT -p tcp --dport 21 -j ACCEPT\n\
     -A INPUT -m conntrack --ctstate RELATED -j ACCEPT\n\
     -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n";

/// The same, where the rule about what was announced asks for who has heard it, not for its state.
const BY_HELPER: &str = ":INPUT DROP\n:OUTPUT ACCEPT\n\
     -A INPUT -p tcp --dport 21 -j ACCEPT\n\
     -A INPUT -m helper --helper ftp -j ACCEPT\n";

/// A node whose tenant `a` has such rules.
fn closed() -> Result<SharedNode> {
    let node = SharedNode::configured("[defaults]\nmode = 'stateful'\n")?;
    filter(&node, "a", &[], CLOSED)?;
    filter(&node, "a", &["--ipv6"], CLOSED)?;
    Ok(node)
}

/// How many packets were related to others.
fn related(node: &SharedNode, family: IpAddr) -> Result<u64> {
    let family: &[&str] = if family.is_ipv4() { &[] } else { &["--ipv6"] };
    counted_in(node, "a", family, "INPUT")?.get(1).copied().context("no such rule")
}

/// Serves one who wants a file, over a connection that he opens; at the end, or when he is gone, tells whether he got it.
fn serve(server: &impl Sockets, listener: &TcpListener) -> Result<bool> {
    let (mut control, _) = accept(listener)?;
    let address = control.local_addr()?.ip();
    let mut lines = BufReader::new(control.try_clone()?).lines();
    let mut data: Option<TcpListener> = None;
    let mut is_done = false;
    control.write_all(b"220 ready\r\n")?;
    while let Some(Ok(line)) = lines.next() {
        let answer = match line.split(' ').next().unwrap_or_default() {
            "USER" | "PASS" => "230 welcome".to_owned(),
            "TYPE" => "200 so be it".to_owned(),
            word @ ("EPSV" | "PASV") => {
                let listener = server.tcp_listen(at(address, 0))?;
                let port = listener.local_addr()?.port();
                data = Some(listener);
                let [high, low] = port.to_be_bytes();
                match address {
                    IpAddr::V4(v4) if word == "PASV" => {
                        let numbers = v4.to_string().replace('.', ",");
                        format!("227 Entering Passive Mode ({numbers},{high},{low}).")
                    }
                    _ => format!("229 Entering Extended Passive Mode (|||{port}|)"),
                }
            }
            "RETR" => {
                control.write_all(b"150 here it comes\r\n")?;
                let (mut stream, _) = accept(data.as_ref().context("no data connection")?)?;
                stream.write_all(CONTENT)?;
                is_done = true;
                "226 done".to_owned()
            }
            _ => "502 never heard of it".to_owned(),
        };
        control.write_all(format!("{answer}\r\n").as_bytes())?;
    }
    Ok(is_done)
}

/// The remote host gets a file from `a`'s server, with a program that many have.
fn get(node: &SharedNode, address: IpAddr, limit: Duration) -> Result<(Output, bool)> {
    let listener = node.a.tcp_listen(at(address, FTP))?;
    let file = node.berth.run_dir().join("file");
    thread::scope(|scope| {
        let serving = scope.spawn(|| serve(&node.a, &listener));
        let mut command = node.topology.remote.command("busybox")?;
        command.args(["timeout", &limit.as_secs().to_string(), "busybox", "ftpget"]);
        command.arg(address.to_string()).arg(&file).arg("file");
        let output = process::run_for(&mut command, LIMIT)?;
        let served = serving.join().map_err(|_| anyhow!("the server failed"))?.unwrap_or(false);
        if output.success() {
            ensure!(fs::read(&file)? == CONTENT, "something else came");
        }
        Ok((output, served))
    })
}

#[test]
fn files_are_got_from_a_server_behind_rules() -> Result<()> {
    privileged!();
    let node = closed()?;
    for address in [NODE_V4, NODE_V6] {
        node.berth.ok(["container", "set", "a", "--features", "default"])?;
        let (output, served) = get(&node, address, PATIENCE)?;
        ensure!(!output.success() && !served, "without help: {output:?}");
        assert_eq!(related(&node, address)?, 0);
        node.berth.ok(["container", "set", "a", "--features", "default,helper-ftp"])?;
        let (output, served) = get(&node, address, LIMIT)?;
        ensure!(output.success() && served, "{output:?}");
        // The first packet of the connection, until it was answered.
        assert_eq!(related(&node, address)?, 1);
    }
    Ok(())
}

/// From its first packet to its last.
#[test]
fn what_was_announced_is_known_by_who_has_heard_of_it() -> Result<()> {
    privileged!();
    let node = SharedNode::configured("[defaults]\nmode = 'stateful'\n")?;
    let text = format!("*filter\n{BY_HELPER}COMMIT\n");
    let output = with_text(&node, &["restore", "a"], &text)?;
    ensure!(!output.success() && output.stderr.contains("helper-ftp"), "{output:?}");
    node.berth.ok(["container", "set", "a", "--features", "default,helper-ftp"])?;
    filter(&node, "a", &[], BY_HELPER)?;
    let (output, served) = get(&node, NODE_V4, LIMIT)?;
    ensure!(output.success() && served, "{output:?}");
    // What opens it, acknowledges the file, and closes it, of which no other rule accepts any.
    ensure!(related(&node, NODE_V4)? >= 3, "{} packets", related(&node, NODE_V4)?);
    // The rule is about the feature, so that goes no more.
    let output = node.berth.run(["container", "set", "a", "--features", "default"])?;
    ensure!(!output.success() && output.stderr.contains("helper-ftp"), "{output:?}");
    Ok(())
}

/// One who asks a server, from `a`, to connect to it. Whether that is awaited, as berth lists it, must be as `helped` says.
fn ask(node: &SharedNode, server: IpAddr, own: IpAddr, helped: bool) -> Result<Result<TcpStream>> {
    let listener = node.topology.remote.tcp_listen(at(server, FTP))?;
    let mut control = node.a.tcp_connect(at(server, FTP))?;
    let (mut far, _) = accept(&listener)?;
    let mut said = BufReader::new(control.try_clone()?).lines();
    let mut heard = BufReader::new(far.try_clone()?).lines();
    let mut converse = |line: &str, answer: &str| -> Result<()> {
        control.write_all(format!("{line}\r\n").as_bytes())?;
        ensure!(heard.next().context("nothing came")?? == line);
        far.write_all(format!("{answer}\r\n").as_bytes())?;
        ensure!(said.next().context("no answer came")?? == answer);
        Ok(())
    };
    let waiting = node.a.tcp_listen(at(own, 0))?;
    let port = waiting.local_addr()?.port();
    let [high, low] = port.to_be_bytes();
    let announced = match own {
        IpAddr::V4(v4) => format!("PORT {},{high},{low}", v4.to_string().replace('.', ",")),
        IpAddr::V6(v6) => format!("EPRT |2|{v6}|{port}|"),
    };
    converse("USER somebody", "230 welcome")?;
    converse(&announced, "200 so be it")?;
    let listed = node.berth.ok(["flows", "list", "--state", "expected"])?;
    let awaited = format!("{}", at(own, port));
    ensure!(listed.contains(&awaited) == helped, "{awaited} is among these:\n{listed}");
    Ok(connect(&node.topology.remote, at(server, DATA), at(own, port)).and_then(|stream| {
        accept(&waiting)?;
        Ok(stream)
    }))
}

/// Tries not so long.
fn connect(from: &impl Endpoint, local: SocketAddr, remote: SocketAddr) -> Result<TcpStream> {
    let socket = timed(from.socket(Domain::for_address(remote), Type::STREAM, None)?)?;
    socket.set_reuse_address(true)?;
    socket.bind(&local.into())?;
    socket.connect_timeout(&remote.into(), PATIENCE)?;
    Ok(socket.into())
}

#[test]
fn servers_connect_to_a_client_behind_rules() -> Result<()> {
    privileged!();
    let node = closed()?;
    for (server, own) in [(REMOTE_V4, NODE_V4), (REMOTE_V6, NODE_V6)] {
        node.berth.ok(["container", "set", "a", "--features", "default"])?;
        ensure!(ask(&node, server, own, false)?.is_err(), "connected without help");
        node.berth.ok(["container", "set", "a", "--features", "default,helper-ftp"])?;
        ask(&node, server, own, true)?.context("with help")?;
        assert_eq!(related(&node, own)?, 1);
    }
    let features = node.berth.ok(["features", "a"])?;
    let line = features.lines().find(|line| line.contains("helper-ftp")).context("no such feature")?;
    assert!(line.split_whitespace().skip(1).all(|word| word == "yes"), "{line}");
    Ok(())
}

//! Sockets that were open and not bound when their container was added, which no list of the kernel's has.

use std::io;
use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};
use berth_tests::process::run;
use berth_tests::topology::{NODE_V4, at};
use berth_tests::{Endpoint, SharedNode, Sockets, Tenant, privileged};
use socket2::{SockAddr, Socket};

#[test]
fn they_are_held_to_what_holds_for_the_container() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let c = Tenant::new(&node.topology.node, "c")?;
    let [one, two, three, four] = [c.tcp(NODE_V4)?, c.tcp(NODE_V4)?, c.tcp(NODE_V4)?, c.tcp(NODE_V4)?];
    let _of_host = listener(&node.topology.node, 8002)?;
    let _of_b = listener(&node.b, 8003)?;
    node.berth.add_container("c", c.cgroup().path())?;
    node.berth.ok(["container", "set", "c", "--ports", "8000-8010"])?;

    assert_eq!(bind_by(&c, &one, 7999)?, Some(libc::EACCES));
    assert_eq!(bind_by(&c, &two, 8002)?, Some(libc::EADDRINUSE));
    assert_eq!(bind_by(&c, &three, 8003)?, Some(libc::EADDRINUSE));
    assert_eq!(bind_by(&c, &four, 8004)?, None);
    assert_eq!(node.holders(8004)?[0].owner, "c");
    assert_eq!(node.ports_held("c")?, 1);
    drop(four);
    assert_eq!(node.ports_held("c")?, 0);
    Ok(())
}

fn listener(endpoint: &dyn Endpoint, port: u16) -> Result<Socket> {
    let socket = endpoint.tcp(NODE_V4)?;
    socket.set_reuse_port(true)?;
    socket.bind(&at(NODE_V4, port).into())?;
    socket.listen(1)?;
    Ok(socket)
}

/// Has a process of the container call bind(), and gives its errno.
fn bind_by(tenant: &Tenant, socket: &Socket, port: u16) -> Result<Option<i32>> {
    socket.set_reuse_port(true)?;
    let (copy, local) = (socket.try_clone()?, SockAddr::from(at(NODE_V4, port)));
    let mut command = tenant.command("sleep")?;
    // SAFETY: the closure makes one system call on what it owns and neither allocates nor locks, as the child of a
    // fork in a process of many threads must not.
    unsafe { command.arg("0").pre_exec(move || copy.bind(&local)) };
    let Err(error) = run(&mut command) else { return Ok(None) };
    error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error).map(Some).context(error)
}

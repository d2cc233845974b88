//! HTTP, served and fetched.

use std::thread;

use anyhow::{Context, Result};

use super::console::Console;
use super::guest::page;
use super::stage::{HTTP_PORT, Stage, WEB_PORT};
use crate::process::run;
use crate::topology::{NODE_V4, REMOTE_V4};
use crate::view::{Flow, Traffic};
use crate::wait::{self, LIMIT};
use crate::{Endpoint, Output};

/// A server in the first container.
pub fn serve(console: &mut Console, stage: &mut Stage) -> Result<()> {
    let server = stage.web.serve(WEB_PORT)?;
    console.show("web", &format!("httpd -p {WEB_PORT}"), "");
    wait::until_true("the port to be web's", LIMIT, || holds(stage, "web"))?;
    stage.server = Some(server);
    stage.show(console, &["ports", "list"])?;
    let ((), growth) = stage.during(|| fetch_from(console, "remote", stage.remote(), "web"))?;
    let (web, app) = (growth.traffic("web"), growth.traffic("app"));
    console.check(
        &format!("web's were {} packets in, {} out", web.incoming.packets, web.outgoing.packets),
        web.incoming.packets > 3 && web.outgoing.packets > 3,
        format!("{growth:?}"),
    );
    console.check("none of them was app's", app.incoming == Traffic::default(), format!("{app:?}"));
    Ok(())
}

/// Whether a container, and nobody else, holds the server's port.
pub fn holds(stage: &Stage, name: &str) -> Result<bool> {
    let ports = stage.berth.ports()?;
    let mut holders = ports.iter().filter(|port| port.port == u32::from(WEB_PORT)).peekable();
    Ok(holders.peek().is_some() && holders.all(|port| port.owner == name))
}

/// Somebody fetches the page of whoever has the server's port.
pub fn fetch_from(console: &mut Console, who: &str, client: &dyn Endpoint, expected: &str) -> Result<()> {
    let url = format!("http://{NODE_V4}:{WEB_PORT}/");
    let output = wget(client, &url)?;
    console.show(who, &format!("wget -q -O - {url}"), &output.stdout);
    console.check(
        &format!("the page is {expected}'s"),
        output.success() && output.stdout == page(expected),
        output.stderr,
    );
    Ok(())
}

/// Clients in both containers, to the same address and port.
pub fn fetch(console: &mut Console, stage: &mut Stage) -> Result<()> {
    let url = format!("http://{REMOTE_V4}:{HTTP_PORT}/");
    let stage = &*stage;
    let (outputs, growth) = stage.during(|| {
        thread::scope(|scope| {
            let clients = stage.guests().map(|guest| scope.spawn(|| wget(guest, &url)));
            clients.into_iter().map(|client| client.join().ok().context("a thread failed")?).collect()
        })
    })?;
    let outputs: Vec<Output> = outputs;
    for (guest, output) in stage.guests().into_iter().zip(outputs) {
        console.show(guest.name(), &format!("wget -q -O - {url}"), &output.stdout);
        console.check("the page is there", output.stdout == page("remote"), output.stderr);
        let traffic = growth.traffic(guest.name());
        let both = traffic.incoming.packets > 3 && traffic.outgoing.packets > 3;
        console.check(
            &format!(
                "{}'s were {} packets in, {} out",
                guest.name(),
                traffic.incoming.packets,
                traffic.outgoing.packets
            ),
            both,
            format!("{growth:?}"),
        );
    }
    let end = format!("{REMOTE_V4}:{HTTP_PORT} ");
    stage.show_some(console, &["flows", "list"], |line| line.contains(&end))?;
    each_has_its_own(console, stage, |flow| flow.protocol == "tcp" && flow.dport == HTTP_PORT)
}

/// Each container owns one of these flows, and nobody a further one.
pub fn each_has_its_own(console: &mut Console, stage: &Stage, wanted: impl Fn(&Flow) -> bool) -> Result<()> {
    let flows: Vec<Flow> = stage.berth.flows()?.into_iter().filter(wanted).collect();
    for guest in stage.guests() {
        let own = flows.iter().filter(|flow| flow.owner == guest.name()).count();
        console.check(&format!("{} owns a flow", guest.name()), own > 0, format!("{flows:?}"));
    }
    let others = flows.iter().filter(|flow| !["web", "app"].contains(&flow.owner.as_str())).count();
    console.check("no such flow is anybody else's", others == 0, format!("{flows:?}"));
    Ok(())
}

fn wget(client: &dyn Endpoint, url: &str) -> Result<Output> {
    run(client.command("busybox")?.args(["wget", "-q", "-O", "-", url]))
}

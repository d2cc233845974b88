//! What the acts are played on: a node with berth and two containers, a remote host, one further away.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use super::account::Opening;
use super::console::Console;
use super::dns::NameServer;
use super::guest::{self, Guest, Server};
use crate::echo::Echo;
use crate::topology::{FAR_V4, NODE_V4, REMOTE_V4, REMOTE2_V4};
use crate::view::{Both, Plane, Status};
use crate::wait::{self, LIMIT};
use crate::{Berth, Endpoint as _, Host, Lxc, Process, Topology};

/// The port of the remote host's echo server.
pub const ECHO_PORT: u16 = 7;
/// The port of the first container's HTTP server.
pub const WEB_PORT: u16 = 8080;
/// The port of the remote host's.
pub const HTTP_PORT: u16 = 80;

/// Everything there is. What comes first goes first when it is cleared away.
pub struct Stage {
    /// The first container's HTTP server, once it runs.
    pub server: Option<Server>,
    /// The first container.
    pub web: Guest,
    /// The second.
    pub app: Guest,
    /// The remote host's servers.
    servers: (Process, NameServer, Echo, TempDir),
    /// What was counted before the acts.
    pub opening: Opening,
    /// The node's berth.
    pub berth: Berth,
    topology: Topology,
}

impl Stage {
    /// Makes all of it.
    pub fn set(console: &mut Console, plain: bool) -> Result<Self> {
        console.act("A node, a remote host, and two containers that share the node's one address");
        let topology = Topology::builder().with_far().with_known_neighbours().build()?;
        Console::say(&format!(
            "node {NODE_V4} -- remote {REMOTE_V4} and {REMOTE2_V4} -- far {FAR_V4} (network namespaces)"
        ));
        let berth = Berth::builder(&topology).shows_log(false).start()?;
        console.show("node", "berth daemon --uplink uplink0 &", "");
        let opening = Opening::take(&topology, &berth)?;
        let servers = serve(&topology.remote)?;
        let plain = plain || !Lxc::is_installed();
        Console::say(if plain {
            "containers: plain cgroups (LXC is not installed, or was not wanted)"
        } else {
            "containers: LXC, busybox, lxc.net.0.type = none"
        });
        let (web, app) = std::thread::scope(|scope| {
            let web = scope.spawn(|| Guest::start(&topology.node, "web", plain));
            let app = Guest::start(&topology.node, "app", plain);
            (web.join(), app)
        });
        let web = web.map_err(|_| anyhow::anyhow!("a thread failed"))??;
        let stage = Self { server: None, web, app: app?, servers, opening, berth, topology };
        for guest in [&stage.web, &stage.app] {
            let [how, what] = guest.target()?;
            stage.show(console, &["container", "add", guest.name(), &how, &what])?;
        }
        let status = stage.berth.status()?;
        let active = |name| status.container(name).is_some_and(|container| container.state == "active");
        console.check(
            "both are registered and active",
            active("web") && active("app"),
            format!("{status:?}"),
        );
        Ok(stage)
    }

    /// The node, apart from its containers.
    pub fn node(&self) -> &Host {
        &self.topology.node
    }

    /// The host at the other end of the wire.
    pub fn remote(&self) -> &Host {
        &self.topology.remote
    }

    /// Both containers.
    pub fn guests(&self) -> [&Guest; 2] {
        [&self.web, &self.app]
    }

    /// Has the node run a berth command, and shows it.
    pub fn show(&self, console: &Console, arguments: &[&str]) -> Result<String> {
        self.show_some(console, arguments, |_| true)
    }

    /// As [`Self::show`], of the lines behind the first one only some.
    pub fn show_some(
        &self,
        console: &Console,
        arguments: &[&str],
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let colored = [&["--color", console.color_option()], arguments].concat();
        let text = self.berth.ok(colored)?;
        let lines = text.lines().enumerate().filter(|&(number, line)| number == 0 || wanted(line));
        let shown: Vec<&str> = lines.map(|(_, line)| line).collect();
        console.show("node", &format!("berth {}", arguments.join(" ")), &shown.join("\n"));
        Ok(text)
    }

    /// What each owner was counted for while `act` went on.
    pub fn during<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<(T, Growth)> {
        let before = Growth::of(&self.berth.status()?);
        let result = act()?;
        let after = Growth::of(&self.berth.status()?);
        Ok((result, after.since(&before)))
    }

    /// The events so far, oldest first.
    pub fn events(&self) -> Result<Vec<Value>> {
        let text = self.berth.ok(["events", "--json", "--last", "1000"])?;
        let events = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        events.with_context(|| format!("what berth printed: {text}"))
    }

    /// Waits for an event of a container with this reason.
    pub fn event(&self, container: &str, reason: &str) -> Result<Value> {
        wait::until(&format!("an event {reason} of {container}"), LIMIT, || {
            let mut events = self.events()?.into_iter().rev();
            Ok(events.find(|event| event["container"] == container && event["reason"] == reason))
        })
    }

    /// What the acts have made is taken away; the account is still to be closed.
    pub fn clear(self) -> (Berth, Topology) {
        let Self { server, web, app, servers, opening, berth, topology } = self;
        drop((server, web, app, servers, opening));
        (berth, topology)
    }
}

/// What owners were counted for.
#[derive(Debug)]
pub struct Growth(BTreeMap<String, Plane>);

impl Growth {
    fn of(status: &Status) -> Self {
        let containers = status.containers.iter().map(|one| (one.name.clone(), one.plane.clone()));
        let host = [("host".to_owned(), status.host.clone())];
        Self(containers.chain(host).collect())
    }

    fn since(self, before: &Self) -> Self {
        let nothing = Plane::default();
        let difference = |(name, plane): (String, Plane)| {
            let earlier = before.0.get(&name).unwrap_or(&nothing);
            let growth = &plane - earlier;
            (name, growth)
        };
        Self(self.0.into_iter().map(difference).collect())
    }

    /// What was counted for an owner on the uplink.
    pub fn traffic(&self, owner: &str) -> Both {
        self.0.get(owner).map(|plane| plane.traffic).unwrap_or_default()
    }

    /// How often an owner was refused something for this reason.
    pub fn drops(&self, owner: &str, reason: &str) -> u64 {
        self.0.get(owner).map_or(0, |plane| plane.drops_for(reason))
    }
}

/// Starts what the remote host serves: a page, names, echoes.
fn serve(remote: &Host) -> Result<(Process, NameServer, Echo, TempDir)> {
    let pages = tempfile::tempdir()?;
    fs::write(pages.path().join("index.html"), guest::page("remote"))?;
    let mut httpd = remote.command("busybox")?;
    httpd.args(["httpd", "-f", "-p", &HTTP_PORT.to_string(), "-h"]).arg(pages.path());
    let httpd = Process::spawn(&mut httpd)?;
    let names = NameServer::start(remote)?;
    let echo = Echo::start(remote, &[REMOTE_V4], ECHO_PORT)?;
    Ok((httpd, names, echo, pages))
}

//! The two containers.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};
use tempfile::TempDir;

use crate::process::ok;
use crate::wait::{self, LIMIT};
use crate::{Endpoint, Host, Lxc, Netns, Output, Process, Tenant};

/// Where a container's pages are, inside.
const PAGES: &str = "/www";

/// A container: a real one, or a cgroup that stands for one.
pub struct Guest {
    name: &'static str,
    kind: Kind,
}

enum Kind {
    Lxc(Lxc),
    Plain { tenant: Tenant, pages: TempDir },
}

impl Guest {
    /// Starts a container on the node's network.
    pub fn start(node: &Host, name: &'static str, plain: bool) -> Result<Self> {
        let kind = if plain {
            Kind::Plain { tenant: Tenant::new(node, name)?, pages: tempfile::tempdir()? }
        } else {
            Kind::Lxc(Lxc::start(node, name)?)
        };
        Ok(Self { name, kind })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How berth is told to recognise it.
    pub fn target(&self) -> Result<[String; 2]> {
        Ok(match &self.kind {
            Kind::Lxc(container) => ["--lxc".to_owned(), container.name().to_owned()],
            Kind::Plain { tenant, .. } => {
                let path = tenant.cgroup().path().to_str().context("a cgroup path that is not UTF-8")?;
                ["--cgroup".to_owned(), path.to_owned()]
            }
        })
    }

    /// Starts an HTTP server at a port, whose page says who served it.
    pub fn serve(&self, port: u16) -> Result<Server> {
        match &self.kind {
            Kind::Lxc(container) => {
                let place = container.root().join(PAGES.trim_start_matches('/'));
                fs::create_dir_all(&place)?;
                self.serve_from(port, &place, Path::new(PAGES))
            }
            Kind::Plain { pages, .. } => self.serve_from(port, pages.path(), pages.path()),
        }
    }

    /// Ends a server.
    pub fn end(&self, mut server: Server) -> Result<()> {
        let id = wait::until("the server's process id", LIMIT, || {
            Ok(server.0.stdout()?.lines().next().map(ToOwned::to_owned))
        })?;
        ok(self.command("busybox")?.args(["kill", &id]))?;
        server.0.wait(LIMIT).map(drop)
    }

    fn serve_from(&self, port: u16, outside: &Path, inside: &Path) -> Result<Server> {
        fs::write(outside.join("index.html"), page(self.name))?;
        let script = format!("echo $$; exec busybox httpd -f -p {port} -h {}", inside.display());
        let mut command = self.command("busybox")?;
        Ok(Server(Process::spawn(command.args(["sh", "-c", &script]))?))
    }
}

/// An HTTP server in a container, which says the process id that it has there.
pub struct Server(Process);

impl Server {
    /// Waits for the end of one that cannot serve.
    pub fn give_up(self) -> Result<Output> {
        self.0.wait(LIMIT)
    }
}

/// What a server's page says.
pub fn page(name: &str) -> String {
    format!("served by {name}\n")
}

impl Endpoint for Guest {
    fn netns(&self) -> &Arc<Netns> {
        self.endpoint().netns()
    }

    fn socket(&self, domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
        self.endpoint().socket(domain, kind, protocol)
    }

    fn command(&self, program: &str) -> io::Result<Command> {
        self.endpoint().command(program)
    }
}

impl Guest {
    fn endpoint(&self) -> &dyn Endpoint {
        match &self.kind {
            Kind::Lxc(container) => container,
            Kind::Plain { tenant, .. } => tenant,
        }
    }
}

//! Real LXC containers, which share a host's network or have their own.
//!
//! Every LXC command enters that network first, and nothing else of the host's: the socket by which the commands reach
//! a container's monitor is an abstract one, which is seen in one network namespace only.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Protocol, Socket, Type};

use crate::cgroup;
use crate::command::command_in;
use crate::endpoint::{Endpoint, Host};
use crate::name;
use crate::netns::Netns;
use crate::process::ok_for;
use crate::program;
use crate::spawner::{Request, Spawner};
use crate::wait::{self, LIMIT};

/// What makes the containers' file systems.
const TEMPLATE: &str = "/usr/share/lxc/templates/lxc-busybox";
/// How long LXC may take for anything.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where things are mounted for a moment, in the container's directory.
const MOUNT: &str = "mount";
/// Where the spawner is inside.
const SPAWNER: &str = "/bin/berth-spawner";
/// The template's would start a DHCP client, a system log and terminals.
const INITTAB: &str = "::sysinit:/bin/mount -a\n";
/// Has what follows see the network it is in under /sys, too, and what is below /sys/fs as before: LXC looks for bridges there.
const WITH_OWN_SYSFS: &str = "mount --rbind /sys/fs \"$0\" && mount -t sysfs none /sys && \
    mount --rbind \"$0\" /sys/fs && umount -l \"$0\" && exec \"$@\"";
/// What LXC calls a container's cgroups, in every hierarchy.
const CGROUPS: [&str; 2] = ["lxc.payload.", "lxc.monitor."];

/// A running LXC container. Dropping it stops and removes it.
#[derive(Debug)]
pub struct Lxc {
    name: String,
    directory: PathBuf,
    /// The host's.
    outside: Arc<Netns>,
    /// Its own, or the host's.
    netns: Arc<Netns>,
    spawner: Option<Spawner>,
}

impl Lxc {
    /// Whether LXC is installed here, with what makes the containers' file systems.
    pub fn is_installed() -> bool {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = |program: &str| std::env::split_paths(&path).any(|place| place.join(program).is_file());
        Path::new(TEMPLATE).is_file() && found("lxc-start") && found("busybox")
    }

    /// Makes a container on the network of a host, and starts it; its name ends in `label`.
    pub fn start(host: &Host, label: &str) -> Result<Self> {
        Self::with_network(host, label, "lxc.net.0.type = none\n")
    }

    /// Makes a container with what this configuration says of its network, and starts it; its name ends in `label`.
    pub fn with_network(host: &Host, label: &str, config: &str) -> Result<Self> {
        crate::sweep::once();
        let name = format!("{}-{label}", name::unique());
        let directory = std::env::temp_dir().join(&name);
        let outside = Arc::clone(host.netns());
        let netns = Arc::clone(&outside);
        let mut container = Self { name, directory, outside, netns, spawner: None };
        container.create(config).context("make an LXC container")?;
        container.begin()?;
        Ok(container)
    }

    /// Stops it, and starts it again.
    pub fn restart(&mut self) -> Result<()> {
        self.spawner = None;
        self.run("lxc-stop", |command| command.arg("-k"))?;
        self.begin()
    }

    fn begin(&mut self) -> Result<()> {
        self.boot().context("start an LXC container")?;
        let id = self.run("lxc-info", |command| command.args(["-p", "-H"]))?;
        self.netns = Netns::of_process(id.trim().parse().context("the number of a process")?)?;
        let spawner = Spawner::start(|_| self.command(SPAWNER)).context("make sockets in a container")?;
        self.spawner = Some(spawner);
        Ok(())
    }

    /// LXC's name for it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its root directory, seen from the host.
    pub fn root(&self) -> PathBuf {
        self.directory.join(&self.name).join("rootfs")
    }

    fn create(&self, network: &str) -> Result<()> {
        fs::create_dir_all(self.directory.join(MOUNT))?;
        let config = self.directory.join("config");
        fs::write(&config, network)?;
        self.run("lxc-create", |command| command.args(["-t", "busybox", "-f"]).arg(&config))?;
        fs::write(self.root().join("etc/inittab"), INITTAB)?;
        let spawner = program::find("berth-spawner", "BERTH_SPAWNER")?;
        fs::copy(spawner, self.root().join(SPAWNER.trim_start_matches('/')))?;
        Ok(())
    }

    fn boot(&self) -> Result<()> {
        let log = self.directory.join("log");
        let mut command = command_in(&self.outside, None, "unshare")?;
        command
            .args(["--mount", "sh", "-c", WITH_OWN_SYSFS])
            .arg(self.directory.join(MOUNT))
            .arg("lxc-start");
        self.name_it(&mut command).arg("-d").arg("-o").arg(&log);
        let started = ok_for(&mut command, PATIENCE);
        started.with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        self.run("lxc-wait", |command| command.args(["-s", "RUNNING", "-t", "10"]))?;
        Ok(())
    }

    fn remove(&mut self) -> Result<()> {
        self.spawner = None;
        let stopped = self.run("lxc-stop", |command| command.arg("-k"));
        remove_cgroups(&self.name)?;
        fs::remove_dir_all(&self.directory)?;
        // Nothing that anybody would miss.
        let _ = fs::remove_dir_all(locks().join(&self.name));
        stopped.map(drop)
    }

    fn run(&self, program: &str, more: impl FnOnce(&mut Command) -> &mut Command) -> Result<String> {
        let mut command = self.lxc(program)?;
        ok_for(more(&mut command), PATIENCE)
    }

    fn lxc(&self, program: &str) -> io::Result<Command> {
        let mut command = command_in(&self.outside, None, program)?;
        self.name_it(&mut command);
        Ok(command)
    }

    fn name_it<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.arg("-P").arg(&self.directory).arg("-n").arg(&self.name)
    }
}

impl Endpoint for Lxc {
    fn netns(&self) -> &Arc<Netns> {
        &self.netns
    }

    fn socket(&self, domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
        let spawner =
            self.spawner.as_ref().ok_or_else(|| io::Error::other("the container has not started"))?;
        let protocol = protocol.map_or(0, Into::into);
        let request = Request { domain: domain.into(), kind: kind.into(), protocol, keep: false };
        spawner.socket(request).map(Socket::from)
    }

    fn command(&self, program: &str) -> io::Result<Command> {
        let mut command = self.lxc("lxc-attach")?;
        command.args(["--clear-env", "--", program]);
        Ok(command)
    }
}

impl Drop for Lxc {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("LXC container {} is left behind in part: {error:#}", self.name);
        }
    }
}

/// Where LXC leaves a directory with a lock for every directory that containers were made in.
pub(crate) fn locks() -> PathBuf {
    let made_in = std::env::temp_dir();
    Path::new("/run/lxc/lock").join(made_in.strip_prefix("/").unwrap_or(&made_in))
}

/// The name of the container whose cgroup this is by LXC's custom.
pub(crate) fn container_of(cgroup: &str) -> Option<&str> {
    CGROUPS.iter().find_map(|prefix| cgroup.strip_prefix(prefix))
}

/// Removes what is left of a container's cgroups once nothing runs in it.
pub(crate) fn remove_cgroups(name: &str) -> Result<()> {
    let hierarchies = cgroup::mount_points()?;
    let paths =
        hierarchies.iter().flat_map(|place| CGROUPS.map(|prefix| place.join(format!("{prefix}{name}"))));
    let left: Vec<PathBuf> = paths.collect();
    wait::until_true("LXC's cgroups to be gone", LIMIT, || {
        for path in &left {
            remove_tree(path);
        }
        let rest: Vec<_> = left.iter().filter(|path| path.exists()).collect();
        ensure!(rest.is_empty(), "left: {rest:?}");
        Ok(true)
    })
}

/// Removes what it can; LXC may be doing the same.
fn remove_tree(path: &Path) {
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&entry.path());
    }
    let _ = fs::remove_dir(path);
}

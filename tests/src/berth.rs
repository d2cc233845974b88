//! An instance of berth on a topology's node, with directories of its own.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::statfs;
use serde::de::DeserializeOwned;

use crate::endpoint::{Endpoint, Host};
use crate::name;
use crate::process::{Output, Process, run_for};
use crate::program;
use crate::spares::{self, Kept};
use crate::topology::{Topology, UPLINK};
use crate::view::{Container, Flow, Port, Status};
use crate::wait::{self, LIMIT};

/// Where pins are.
pub const BPFFS: &str = "/sys/fs/bpf";
/// From linux/magic.h.
const BPFFS_MAGIC: i64 = 0xcafe_4a11;

/// How long the daemon may take to load and attach everything, and to answer.
const READY: Duration = Duration::from_secs(30);

/// An instance of berth. Dropping it ends the daemon, detaches everything and removes its directories.
#[derive(Debug)]
pub struct Berth {
    binary: PathBuf,
    node: Host,
    directory: PathBuf,
    pins: PathBuf,
    uplinks: Vec<String>,
    daemon: Option<Process>,
    /// Of daemons that have ended.
    log: String,
    shows_log: bool,
    /// Whether its maps are as large as everybody's.
    is_usual: bool,
}

/// What an instance is to be like.
#[derive(Clone, Debug)]
#[must_use = "nothing is made before `start` or `prepare`"]
pub struct Builder {
    binary: Option<PathBuf>,
    node: Host,
    config: String,
    uplinks: Vec<String>,
    shows_log: bool,
}

impl Builder {
    /// The program; `$BERTH_BIN`, or else the one built beside the tests, unless set.
    pub fn binary(self, binary: &Path) -> Self {
        Self { binary: Some(binary.to_owned()), ..self }
    }

    /// The text of its configuration file; empty unless set.
    pub fn config(self, config: &str) -> Self {
        Self { config: config.to_owned(), ..self }
    }

    /// Its uplinks; of a topology's node the one that it has, unless set.
    pub fn uplinks(self, uplinks: &[&str]) -> Self {
        Self { uplinks: uplinks.iter().map(|&name| name.to_owned()).collect(), ..self }
    }

    /// Whether the daemon's log is printed in the end, as a failed test wants it; it is unless set.
    pub fn shows_log(self, shows_log: bool) -> Self {
        Self { shows_log, ..self }
    }

    /// Makes the instance's directories and starts nothing.
    pub fn prepare(self) -> Result<Berth> {
        crate::sweep::once();
        mount_bpffs()?;
        let name = name::unique();
        let is_usual = self.binary.is_none() && !self.config.contains("[sizes]");
        let berth = Berth {
            binary: self.binary.map_or_else(|| program::find("berth", "BERTH_BIN"), Ok)?,
            node: self.node,
            directory: std::env::temp_dir().join(&name),
            pins: Path::new(BPFFS).join(&name),
            uplinks: self.uplinks,
            daemon: None,
            log: String::new(),
            shows_log: self.shows_log,
            is_usual,
        };
        fs::create_dir(&berth.directory)?;
        fs::write(berth.config_file(), self.config)?;
        Ok(berth)
    }

    /// Makes the instance and starts its daemon.
    pub fn start(self) -> Result<Berth> {
        let mut berth = self.prepare()?;
        if spares::are_wanted() && berth.is_usual {
            spares::take(&berth.pins)?;
        }
        berth.restart()?;
        Ok(berth)
    }
}

impl Berth {
    /// Starts berth on a node, with its uplink.
    pub fn start(topology: &Topology) -> Result<Self> {
        Self::builder(topology).start()
    }

    /// Makes an instance that differs from [`Berth::start`].
    pub fn builder(topology: &Topology) -> Builder {
        Self::builder_on(&topology.node).uplinks(&[UPLINK])
    }

    /// Makes an instance on any host.
    pub fn builder_on(node: &Host) -> Builder {
        Builder {
            binary: None,
            node: node.clone(),
            config: String::new(),
            uplinks: Vec::new(),
            shows_log: true,
        }
    }

    /// Where its pins are.
    pub fn pin_dir(&self) -> &Path {
        &self.pins
    }

    /// Where its state is.
    pub fn state_dir(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// Where its socket is.
    pub fn run_dir(&self) -> PathBuf {
        self.directory.join("run")
    }

    /// Its configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.directory.join("berth.toml")
    }

    /// Writes a file of the directory in which containers are declared, to be read at the next start.
    pub fn declare(&self, name: &str, text: &str) -> Result<()> {
        let directory = self.config_file().with_file_name("containers");
        fs::create_dir_all(&directory)?;
        Ok(fs::write(directory.join(name), text)?)
    }

    /// The process id of its daemon, if that has been started and not ended by us.
    pub fn daemon_id(&self) -> Option<u32> {
        self.daemon.as_ref().map(Process::id)
    }

    /// A command line of this instance, run by the node.
    pub fn command<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> io::Result<Command> {
        self.command_by(&self.node, arguments)
    }

    /// A command line of this instance, run by somebody: a tenant, for what tenants may do.
    pub fn command_by<S: AsRef<str>>(
        &self,
        endpoint: &dyn Endpoint,
        arguments: impl IntoIterator<Item = S>,
    ) -> io::Result<Command> {
        let binary =
            self.binary.to_str().ok_or_else(|| io::Error::other("the path of berth is not UTF-8"))?;
        let mut command = endpoint.command(binary)?;
        command.arg("--config").arg(self.config_file());
        command.arg("--run-dir").arg(self.run_dir());
        command.arg("--state-dir").arg(self.state_dir());
        command.arg("--pin-dir").arg(&self.pins);
        for argument in arguments {
            command.arg(argument.as_ref());
        }
        Ok(command)
    }

    /// Runs a command line, whatever comes of it.
    pub fn run<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Output> {
        run_for(&mut self.command(arguments)?, READY)
    }

    /// Runs a command line that has to succeed, and gives what it printed.
    pub fn ok<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<String> {
        crate::process::ok_for(&mut self.command(arguments)?, READY)
    }

    /// Runs a reading command with `--json`.
    pub fn json<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<serde_json::Value> {
        self.view(arguments)
    }

    /// Runs a reading command with `--json` and takes what it prints for a `T`.
    pub fn view<T: DeserializeOwned, S: AsRef<str>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<T> {
        let mut command = self.command(arguments)?;
        let text = crate::process::ok_for(command.arg("--json"), READY)?;
        serde_json::from_str(&text).with_context(|| format!("what berth printed: {text}"))
    }

    /// `status`
    pub fn status(&self) -> Result<Status> {
        self.view(["status"])
    }

    /// `container show`
    pub fn container(&self, name: &str) -> Result<Container> {
        self.view(["container", "show", name])
    }

    /// `flows list`
    pub fn flows(&self) -> Result<Vec<Flow>> {
        self.view(["flows", "list"])
    }

    /// `ports list`
    pub fn ports(&self) -> Result<Vec<Port>> {
        self.view(["ports", "list"])
    }

    /// Registers a container by cgroup.
    pub fn add_container(&self, name: &str, cgroup: &Path) -> Result<()> {
        let cgroup = cgroup.to_str().context("a cgroup path that is not UTF-8")?;
        self.ok(["container", "add", name, "--cgroup", cgroup]).map(drop)
    }

    /// Kills the daemon as `kill -9` does. What it pinned goes on.
    pub fn kill9(&mut self) -> Result<()> {
        let Some(mut daemon) = self.daemon.take() else { return Ok(()) };
        daemon.kill()?;
        self.log += &daemon.stderr()?;
        Ok(())
    }

    /// Asks the daemon to end. What it pinned goes on.
    pub fn stop(&mut self) -> Result<()> {
        let Some(daemon) = self.daemon.take() else { return Ok(()) };
        self.log += &daemon.terminate(LIMIT)?.stderr;
        Ok(())
    }

    /// Starts the daemon and waits until it answers; ends it first if it runs.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        let mut arguments = vec!["daemon"];
        arguments.extend(self.uplinks.iter().flat_map(|uplink| ["--uplink", uplink.as_str()]));
        let mut daemon = Process::spawn(&mut self.command(arguments)?)?;
        let ready = self.wait_until_ready(&mut daemon);
        if ready.is_err() {
            self.log += &daemon.stderr()?;
            drop(daemon);
            return ready.with_context(|| format!("start berth, whose log is:\n{}", self.log));
        }
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Ends the daemon and runs `down`.
    pub fn down(&mut self) -> Result<()> {
        self.stop()?;
        self.ok(["down"]).map(drop)
    }

    /// What its daemons have complained of.
    pub fn log(&mut self) -> Result<String> {
        let current = self.daemon.as_mut().map(Process::stderr).transpose()?;
        Ok(format!("{}{}", self.log, current.unwrap_or_default()))
    }

    fn wait_until_ready(&self, daemon: &mut Process) -> Result<()> {
        wait::until("berth to answer", READY, || {
            if !daemon.is_running()? {
                return Ok(Some(false));
            }
            // A command costs more than this, and takes from the daemon the time that it needs. (What stands for berth where
            // the harness itself is tested has a plain file there.)
            let socket = self.run_dir().join("berth.sock");
            if !socket.is_file() && UnixStream::connect(&socket).is_err() {
                return Ok(None);
            }
            // Commands work without a daemon, too, on what an earlier one has left.
            Ok((self.json(["status"])?["daemon"]["running"] != false).then_some(true))
        })
        .and_then(|answers| if answers { Ok(()) } else { bail!("the daemon has ended") })
    }

    fn clean_up(&mut self) -> Result<()> {
        self.kill9()?;
        // One that is not whole is nothing to keep.
        let wanted = spares::are_wanted() && self.is_usual;
        let kept = if wanted { Kept::of(&self.pins).ok() } else { None };
        let down = self.ok(["down"]);
        for directory in [&self.directory, &self.pins] {
            match fs::remove_dir_all(directory) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        down?;
        kept.map_or(Ok(()), Kept::offer)
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        if let Err(error) = self.clean_up() {
            eprintln!("berth at {} is left behind in part: {error:#}", self.pins.display());
        }
        if self.shows_log {
            eprintln!("the log of berth at {}:\n{}", self.pins.display(), self.log);
        }
    }
}

/// Mounts bpffs where everybody expects it, unless it is there.
pub fn mount_bpffs() -> Result<()> {
    #[allow(clippy::useless_conversion, reason = "the type differs between architectures")]
    let magic = i64::from(statfs(BPFFS)?.filesystem_type().0);
    if magic == BPFFS_MAGIC {
        return Ok(());
    }
    mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), None::<&str>).context("mount bpffs")
}
